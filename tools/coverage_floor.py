"""The gate on coverage: reads what `make test` measured, writes coverage.xml, and holds two floors.

The floor of the whole is `fail_under` in pyproject.toml; `[tool.naestro] covered-whole` names the parts where
every line and branch must be covered. Both only rise: where the measured total has left the floor a full
point behind, this says so.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RISE_POINTS = 1.0
"""How far the total may be above the floor before the floor should follow."""


def coverage(*arguments: str) -> int:
    """Run the coverage program on the data in the checkout; returns its exit code."""
    return subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, check=False).returncode


def measured() -> dict[str, Any]:
    """The report of the coverage program as JSON (`Any`: its form is documented, not typed)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "coverage.json")
        coverage("json", "--quiet", "--fail-under=0", "-o", str(path))
        return json.loads(path.read_text(encoding="utf-8"))


def gaps(report: dict[str, Any], parts: list[str]) -> list[str]:
    """One line for each file of `parts` that is not covered whole; the report above names the lines."""
    return [
        f"{name}: {file['summary']['percent_covered']:.2f} %, but this part must be covered whole"
        for name, file in report["files"].items()
        if name.startswith(tuple(parts)) and file["summary"]["percent_covered"] < 100
    ]


def main() -> int:
    """Print the report and write the XML; returns 1 when a floor is not reached."""
    if not (ROOT / ".coverage").exists():
        print("No coverage was measured: run 'make test' first.", file=sys.stderr)
        return 1
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    floor = settings["coverage"]["report"]["fail_under"]
    coverage("xml", "--quiet", "--fail-under=0")
    failed = coverage("report")
    report = measured()
    total = report["totals"]["percent_covered"]
    incomplete = gaps(report, settings["naestro"]["covered-whole"])
    print(f"python: {total:.2f} % of lines and branches covered (floor {floor} %)", *incomplete, sep="\n")
    if total >= floor + RISE_POINTS:
        print(f"The floor can rise: set fail_under in pyproject.toml to {int(total)}.")
    return int(bool(failed or incomplete))


if __name__ == "__main__":
    raise SystemExit(main())
