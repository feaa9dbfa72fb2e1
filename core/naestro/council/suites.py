"""How a workspace tests itself: where its tests lie, what they look like, and the command that runs them.

Read from its files, never by running anything. `specification` above asks for the suite of a file; below stands the
workspace. One kind of project is one entry here: pytest and unittest, a package.json, Go, Cargo.
"""

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from naestro.config import environment_for_child
from naestro.errors import InputError, WorkspaceError
from naestro.policy.workspace import Workspace
from naestro.types import Value

EXTENDED_LINES_MAX = 120
"""A test file of up to so many lines is extended, which means that a model writes it anew; beside a longer one a new
file is made: small models lose lines of what they copy."""
VERSIONS_MAX = 100
"""Numbers tried for the name of a new file."""

Runner = Literal["pytest", "unittest", "node", "go", "cargo"]

_ENDINGS: dict[str, Literal["python", "node", "go", "cargo"]] = {
    ".py": "python", ".go": "go", ".rs": "cargo",
    ".js": "node", ".mjs": "node", ".cjs": "node", ".ts": "node", ".jsx": "node", ".tsx": "node", ".mts": "node",
}  # fmt: skip
_TEST_PATHS: dict[Runner, re.Pattern[str]] = {
    "pytest": re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$"),
    "unittest": re.compile(r"(?:^|/)test[^/]*\.py$"),
    "node": re.compile(
        r"(?:^|/)(?:[^/]*\.(?:test|spec)\.[cm]?[jt]sx?|(?:__tests__|tests?)/.*\.[cm]?[jt]sx?)$"
    ),
    "go": re.compile(r"_test\.go$"),
    "cargo": re.compile(r"(?:^|/)tests/[^/]+\.rs$"),
}
_TESTS: dict[Runner, re.Pattern[str]] = {
    "pytest": re.compile(r"^\s*(?:async )?def test", re.MULTILINE),
    "unittest": re.compile(r"^\s+(?:async )?def test", re.MULTILINE),
    "node": re.compile(r"^\s*(?:test|it)(?:\.\w+)*\(", re.MULTILINE),
    "go": re.compile(r"^func Test", re.MULTILINE),
    "cargo": re.compile(r"^\s*#\[(?:\w+::)?test\]", re.MULTILINE),
}
_PYTEST_SIGNS = {
    "pyproject.toml": "pytest", "setup.cfg": "pytest", "tox.ini": "pytest", "pytest.ini": "",
    "conftest.py": "", "tests/conftest.py": "", "requirements.txt": "pytest", "requirements-dev.txt": "pytest",
}  # fmt: skip
"""Files that say that pytest is used, each with the word that says it."""


class Suite(Value, frozen=True, kw_only=True):
    """The tests of a workspace, as far as one file of it is concerned."""

    runner: Runner
    form: str
    """What a test looks like, for a prompt."""
    language: str
    """Of the fence around a test file."""
    start: str
    """How a test file begins, for a prompt."""
    destination: str
    """The test file to make or to extend."""
    is_extended: bool
    """Whether it is there already."""
    command: list[str]
    """What runs tests; the files follow."""

    def is_test(self, path: str) -> bool:
        """Whether the file at `path` is a test by the convention."""
        return _TEST_PATHS[self.runner].search(path) is not None

    def tests_in(self, text: str) -> int:
        """How many tests the text of a file holds, about."""
        return len(_TESTS[self.runner].findall(text))

    def argv(self, paths: Sequence[str]) -> list[str]:
        """The command that runs the tests in `paths`."""
        if self.runner == "go":
            folders = dict.fromkeys(PurePosixPath(path).parent.as_posix() for path in paths)
            return [*self.command, *("./" + folder.removeprefix(".") for folder in folders)]
        if self.runner == "cargo":
            return [*self.command, *(word for path in paths for word in ("--test", PurePosixPath(path).stem))]
        return [*self.command, *paths]


@dataclass(frozen=True, slots=True)
class _Kit:
    """What is known of a kind of project."""

    runner: Runner
    form: str
    language: str
    start: str
    command: list[str]


class _Package(msgspec.Struct):
    """What counts of a package.json."""

    scripts: dict[str, str] = {}


def is_testable(path: str) -> bool:
    """Whether a file is code that a test could be written for, and no test itself by its name."""
    name = PurePosixPath(path).name
    is_test = name.startswith("test_") or any(mark in name for mark in ("_test.", ".test.", ".spec."))
    return not is_test and PurePosixPath(path).suffix in _ENDINGS


def find_suite(workspace: Workspace, target: str) -> Suite:
    """How the file at `target` is tested. Raises `InputError` where no convention is known for it."""
    kind = _ENDINGS.get(PurePosixPath(target).suffix)
    files = set(workspace.files())
    if kind == "python":
        return _python(workspace, files, target)
    if kind == "node" and (workspace.root / "package.json").is_file():
        return _node(workspace, files, target)
    if kind == "go" and (workspace.root / "go.mod").is_file():
        place = target.removesuffix(".go") + "_test.go"
        form = "Functions `func TestXxx(t *testing.T)` of the same package."
        kit = _Kit("go", form, "go", 'import "testing"', ["go", "test", "-v"])
        return _suite(workspace, files, kit, place)
    if kind == "cargo" and (workspace.root / "Cargo.toml").is_file():
        place = f"tests/{PurePosixPath(target).stem}.rs"
        form = "Functions marked `#[test]`, which use the crate's public interface."
        kit = _Kit("cargo", form, "rust", "use ...;", ["cargo", "test"])
        return _suite(workspace, files, kit, place)
    raise InputError(
        f"How {target} is tested is not known here.",
        hint="Name a Python file, or one of a workspace with a package.json, a go.mod or a Cargo.toml.",
    )


def import_name(files: Iterable[str], target: str) -> tuple[str, str]:
    """The module that the Python file `target` is, and the folder from which it is imported."""
    known = set(files)
    folder, parts = PurePosixPath(target).parent, [PurePosixPath(target).stem]
    while folder.name and f"{folder.as_posix()}/__init__.py" in known:
        parts.insert(0, folder.name)
        folder = folder.parent
    named = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
    return ".".join(named), folder.as_posix()


def _python(workspace: Workspace, files: set[str], target: str) -> Suite:
    module, folder = import_name(files, target)
    runner: Runner = "pytest" if _uses_pytest(workspace, files) else "unittest"
    path = [] if folder == "." else ["env", f"PYTHONPATH={folder}"]
    options = ["-m", "pytest", "-q"] if runner == "pytest" else ["-m", "unittest", "-v"]
    tests = next((one for one in ("tests", "test") if any(path.startswith(f"{one}/") for path in files)), "")
    known = {path for path in files if _TEST_PATHS["pytest"].search(path)}
    tests = tests or (PurePosixPath(min(known)).parent.as_posix() if known else "tests")
    if runner == "unittest" and not known:
        tests = "."  # found by `python -m unittest` without a package
    form = (
        "Functions `def test_...():` with plain `assert`, for pytest."
        if runner == "pytest"
        else "Methods `def test_...(self):` of a class `unittest.TestCase`."
    )
    place = f"{tests}/test_{PurePosixPath(target).stem}.py".removeprefix("./")
    start = (
        f"from {module} import ..." if runner == "pytest" else f"import unittest\n\nfrom {module} import ..."
    )
    kit = _Kit(runner, form, "python", start, [*path, _interpreter(workspace), *options])
    return _suite(workspace, files, kit, place)


def _uses_pytest(workspace: Workspace, files: set[str]) -> bool:
    """Whether the workspace's files speak of pytest, or have tests that only pytest finds, or bring it along."""
    for name, word in _PYTEST_SIGNS.items():
        if name in files and word in _text(workspace, name):
            return True
    tests = sorted(path for path in files if _TEST_PATHS["pytest"].search(path))[:5]
    texts = [_text(workspace, path) for path in tests]
    if any("unittest" in text and "import pytest" not in text for text in texts):
        return False
    return any(_TESTS["pytest"].search(text) for text in texts) or any(
        workspace.root.glob(".venv/lib/*/site-packages/pytest")
    )


def _interpreter(workspace: Workspace) -> str:
    """The workspace's own Python where it has one, by its path from the root; else the person's."""
    for folder in (".venv", "venv"):
        name = f"{folder}/bin/python"
        if os.access(workspace.root / name, os.X_OK):
            return name
    names = ("python3", "python")
    path = environment_for_child().get("PATH")
    return next((name for name in names if shutil.which(name, path=path)), "python3")


def _node(workspace: Workspace, files: set[str], target: str) -> Suite:
    script = _test_script(workspace)
    name = PurePosixPath(target)
    beside = f"{name.parent.as_posix()}/{name.stem}.test{name.suffix}".removeprefix("./")
    apart = next(
        (one for one in ("tests", "test", "__tests__") if any(p.startswith(f"{one}/") for p in files)), ""
    )
    place = f"{apart}/{name.stem}.test{name.suffix}" if apart else beside
    known = next((one for one in ("vitest", "jest", "mocha") if one in script), "node:test")
    form = f"Calls `test('...', () => ...)` for {known}."
    command = ["npm", "test", "--silent", "--"] if script else ["node", "--test"]
    language = "typescript" if "ts" in name.suffix else "javascript"
    source = os.path.relpath(target, PurePosixPath(place).parent)
    source = source if source.startswith(".") else f"./{source}"
    start = f"import {{ ... }} from '{source}';"
    if known == "node:test":
        start = f"import test from 'node:test';\nimport assert from 'node:assert';\n{start}"
    return _suite(workspace, files, _Kit("node", form, language, start, command), place)


def _test_script(workspace: Workspace) -> str:
    """The script `test` of package.json; nothing where it is the one that npm puts there."""
    try:
        package = msgspec.json.decode(_text(workspace, "package.json"), type=_Package)
    except msgspec.DecodeError:
        return ""
    script = package.scripts.get("test", "")
    return "" if "no test specified" in script else script


def _suite(workspace: Workspace, files: set[str], kit: _Kit, place: str) -> Suite:
    destination = _destination(workspace, files, place)
    return Suite(
        runner=kit.runner,
        form=kit.form,
        language=kit.language,
        start=kit.start,
        destination=destination,
        is_extended=destination in files,
        command=kit.command,
    )


def _destination(workspace: Workspace, files: set[str], place: str) -> str:
    """`place`, or the next free name beside it where a long file is there."""
    if place not in files or len(_text(workspace, place).splitlines()) <= EXTENDED_LINES_MAX:
        return place
    name = PurePosixPath(place)
    stem, dot, rest = name.name.partition(".")
    suffix = "_test" if stem.endswith("_test") else ""
    names = (
        (name.parent / f"{stem.removesuffix('_test')}_{number}{suffix}{dot}{rest}").as_posix()
        for number in range(2, VERSIONS_MAX)
    )
    return next((path for path in names if path not in files), place)


def _text(workspace: Workspace, path: str) -> str:
    try:
        return workspace.read(path).text
    except WorkspaceError:
        return ""
