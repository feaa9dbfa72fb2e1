"""What is loaded at start. A front end opens in every editor window, so the package's root must cost nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import naestro
from tests.architecture.source import PACKAGE

HEAVY = (
    "pydantic",
    "httpx2",
    "rich",
    "typer",
    "click",
    "sqlite3",
    "anyio",
    "msgspec",
    "xllamacpp",
    "asyncio",
)
OF_THE_INDEX = (
    "lancedb",
    "pyarrow",
    "numpy",
    "onnxruntime",
    "tokenizers",
    "tree_sitter",
    "watchfiles",
    "re2",
)
"""They take a second and 90 MB: a daemon whose workspaces are all left alone goes without."""
LIMIT_S = 60
PYTHON = Path(sys.executable)

LIST_LOADED = f"print(*[name for name in {HEAVY!r} if name in sys.modules], sep='\\n')"


def _run(*command: str | Path, is_measured: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program; unless `is_measured`, without the coverage program, which loads modules of its own."""
    environment = {name: value for name, value in os.environ.items() if is_measured or "COVERAGE" not in name}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    done = _run(PYTHON, "-c", f"import sys, naestro; {LIST_LOADED}")
    assert (done.returncode, done.stdout.split()) == (0, [])


def test_asking_for_the_version_loads_nothing_heavy() -> None:
    code = f"import sys; sys.argv = ['naestro', '--version']; from naestro.__main__ import main; main(); {LIST_LOADED}"
    done = _run(PYTHON, "-c", code)
    assert (done.returncode, done.stdout.split()) == (0, ["naestro", naestro.__version__])


def test_a_daemon_starts_without_the_libraries_of_the_code_index() -> None:
    code = (
        "import sys, naestro.app, naestro.daemon.process, naestro.daemon.http, naestro.index.scheduling; "
        f"print(*[name for name in {OF_THE_INDEX!r} if name in sys.modules], sep='\\n')"
    )
    done = _run(PYTHON, "-c", code)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_the_command_line_starts_without_the_core() -> None:
    listed = "print(*[name for name in ('rich.console', 'anyio', 'pydantic', 'naestro.app') if name in sys.modules])"
    done = _run(PYTHON, "-c", f"import sys, naestro.cli; {listed}")
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


@pytest.mark.parametrize("command", [(PYTHON, "-m", "naestro"), (PYTHON.with_name("naestro"),)])
def test_the_version_is_told_by_the_module_and_by_the_installed_command(
    command: tuple[str | Path, ...],
) -> None:
    done = _run(*command, "--version", is_measured=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"naestro {naestro.__version__}\n", "")


def test_the_package_is_loaded_from_this_checkout() -> None:
    assert naestro.__file__ == str(PACKAGE / "__init__.py")
