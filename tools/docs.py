"""The documentation: pages that are written from the code, and the site that is built from all of them.

`python tools/docs.py build` writes the pages and builds the site into site/; `check` changes no page and fails
where one is out of date or a link leads nowhere. What a page says stands in `tools/reference.py`.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import reference  # noqa: E402 - found through the line above

PAGES = {
    "docs/reference/commands.md": reference.commands,
    "docs/reference/settings.md": reference.settings,
    "docs/reference/control-api.md": reference.control_api,
    "docs/decisions/index.md": reference.decisions,
}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def write() -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(page(), encoding="utf-8")


def outdated() -> list[str]:
    """The generated pages that are not what the code says."""
    return [
        name
        for name, page in PAGES.items()
        if not (ROOT / name).exists() or (ROOT / name).read_text(encoding="utf-8") != page()
    ]


def lost() -> list[str]:
    """The pages that the site's navigation does not lead to; decisions are reached by their index."""
    navigation = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if f'"{page}"' not in navigation and not re.match(r"decisions/\d", page)]


def build() -> int:
    """Build the site; returns 0 when every link leads somewhere and every page is led to."""
    if pages := lost():
        print(f"Nothing leads to docs/{', docs/'.join(pages)}: name them in zensical.toml.", file=sys.stderr)
        return 1
    program = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [program, "build", "--clean", "--strict"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    if done.returncode:
        said = COLOUR.sub("", done.stdout + done.stderr)
        print(said.partition("Traceback")[0])
        print("The documentation could not be built: mend the links above.", file=sys.stderr)
    return done.returncode


def main(arguments: list[str]) -> int:
    """Run `build` or `check`; returns the exit code."""
    if arguments == ["build"]:
        write()
    elif arguments == ["check"]:
        if old := outdated():
            print(f"Out of date: {', '.join(old)}. Run 'make docs' and commit them.", file=sys.stderr)
            return 1
    else:
        print("Say 'build' or 'check'.", file=sys.stderr)
        return 2
    return build()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
