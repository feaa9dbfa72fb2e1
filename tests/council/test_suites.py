"""How a workspace tests itself, read from its files."""

from pathlib import Path

import pytest

from naestro.council.specification import specified
from naestro.council.suites import EXTENDED_LINES_MAX, Suite, find_suite, import_name, is_testable
from naestro.council.task import Named
from naestro.errors import InputError
from naestro.policy.text import decode
from naestro.policy.workspace import Workspace

LONG = "x = 1\n" * (EXTENDED_LINES_MAX + 1)


def suite_of(folder: Path, target: str, **files: str) -> Suite:
    """The suite of `target` in a workspace with `files`."""
    for name, text in {target: "x = 1\n", **files}.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return find_suite(Workspace(folder), target)


@pytest.mark.parametrize(
    ("target", "files", "runner", "destination", "argv"),
    [
        ("calc.py", {}, "unittest", "test_calc.py", ["-m", "unittest", "-v", "test_calc.py"]),
        (
            "calc.py",
            {"pyproject.toml": "[tool.pytest]"},
            "pytest",
            "tests/test_calc.py",
            ["-m", "pytest", "-q", "tests/test_calc.py"],
        ),
        (
            "calc.py",
            {"test/test_a.py": "import unittest\n"},
            "unittest",
            "test/test_calc.py",
            ["-v", "test/test_calc.py"],
        ),
        (
            "calc.py",
            {"pkg/test_a.py": "def test_a():\n    pass\n"},
            "pytest",
            "pkg/test_calc.py",
            ["pkg/test_calc.py"],
        ),
        (
            "calc.py",
            {"conftest.py": "", "tests/test_calc.py": LONG},
            "pytest",
            "tests/test_calc_2.py",
            ["tests/test_calc_2.py"],
        ),
        (
            "a.js",
            {"package.json": '{"scripts": {"test": "jest"}}'},
            "node",
            "a.test.js",
            ["npm", "test", "--silent", "--", "a.test.js"],
        ),
        (
            "src/a.ts",
            {"package.json": "{}", "tests/b.test.ts": ""},
            "node",
            "tests/a.test.ts",
            ["node", "--test", "tests/a.test.ts"],
        ),
        (
            "a.js",
            {"package.json": '{"scripts": {"test": "echo no test specified"}}'},
            "node",
            "a.test.js",
            ["node", "--test", "a.test.js"],
        ),
        ("a.js", {"package.json": "broken"}, "node", "a.test.js", ["node", "--test", "a.test.js"]),
        ("x/a.go", {"go.mod": ""}, "go", "x/a_test.go", ["go", "test", "-v", "./x"]),
        ("a.go", {"go.mod": "", "a_test.go": LONG}, "go", "a_2_test.go", ["go", "test", "-v", "./"]),
        ("src/a.rs", {"Cargo.toml": ""}, "cargo", "tests/a.rs", ["cargo", "test", "--test", "a"]),
    ],
)
def test_each_kind_of_project_is_tested_in_its_own_way(
    tmp_path: Path, target: str, files: dict[str, str], runner: str, destination: str, argv: list[str]
) -> None:
    suite = suite_of(tmp_path, target, **files)
    assert (suite.runner, suite.destination, suite.is_extended) == (runner, destination, False)
    assert suite.argv([destination])[-len(argv) :] == argv
    assert suite.is_test(destination)
    assert not suite.is_test(target)


def test_the_workspaces_own_python_runs_its_tests(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (tmp_path / ".venv" / "lib" / "python3" / "site-packages" / "pytest").mkdir(parents=True)
    suite = suite_of(tmp_path, "src/pkg/calc.py", **{"src/pkg/__init__.py": ""})
    assert suite.command == ["env", "PYTHONPATH=src", ".venv/bin/python", "-m", "pytest", "-q"]
    assert suite.start == "from pkg.calc import ..."


def test_a_project_of_an_unknown_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"How a\.js is tested"):
        suite_of(tmp_path, "a.js")


def test_modules_are_named_from_the_folder_that_is_no_package() -> None:
    files = ["src/pkg/__init__.py", "src/pkg/deep/__init__.py", "src/pkg/deep/a.py"]
    assert import_name(files, "src/pkg/deep/a.py") == ("pkg.deep.a", "src")
    assert import_name(files, "src/pkg/__init__.py") == ("pkg", "src")
    assert import_name([], "a.py") == ("a", ".")


@pytest.mark.parametrize(
    ("path", "is_it"), [("a.py", True), ("test_a.py", False), ("a.spec.ts", False), ("a.md", False)]
)
def test_code_can_be_tested_and_tests_and_documents_not(path: str, is_it: bool) -> None:
    assert is_testable(path) is is_it


def test_bodies_are_left_out_and_documentation_stays() -> None:
    text = (
        '"""Module."""\n'  # 1
        "LIMIT = 3\n"  # 2
        "class A:\n"  # 3
        '    """Class."""\n'  # 4
        "    def one(self):\n"  # 5
        '        """Doc\n'  # 6
        '        more."""\n'  # 7
        "        return 1\n"  # 8
        "    async def two(self,\n"  # 9
        "                  b):\n"  # 10
        "        # says little\n"  # 11
        "        return b\n"  # 12
        "def short(): return 1\n"  # 13
        "def only_words():\n"  # 14
        '    """Nothing else."""\n'  # 15
    )
    whole = Named(path="a.py")
    assert specified(decode("a.py", text.encode(), 0o644), whole) == [(1, 7), (9, 11), (13, 15)]
    assert specified(decode("a.py", text.encode(), 0o644), Named(path="a.py", start=5, end=8)) == [(5, 7)]
    assert specified(decode("a.py", b"def (:\n", 0o644), whole) == [(1, 1)]
    assert specified(decode("a.go", b"func A() {\n\treturn\n}\n", 0o644), whole) == [(1, 3)]
