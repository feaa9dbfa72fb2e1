"""What the packages import is what the project declares, and that is locked with hashes and names no index."""

import re
import sys
import tomllib

from tests.architecture.source import ROOT, imported_names, modules

PARTS_OF_OTHERS = {"pydantic_core": "pydantic"}
"""Packages that are one with another, which is declared."""
RUN_AS_PROGRAM = {"ruff"}
IMPORT_NAMES = {"acp": "agent-client-protocol", "re2": "google-re2"}
"""Packages whose name on the index is another one."""
OWN = {"naestro", "naestro_acp", "naestro_mcp"}


def _declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[^A-Za-z0-9_-]", needed)[0] for needed in project["dependencies"]}


def _imported() -> set[str]:
    names = {
        name.split(".")[0]
        for module in modules("core", "naestro_acp", "naestro_mcp")
        for _, name in imported_names(module)
    }
    foreign = names - set(sys.stdlib_module_names) - OWN
    return {(PARTS_OF_OTHERS | IMPORT_NAMES).get(name, name).replace("_", "-") for name in foreign}


def _locked() -> dict[str, list[str]]:
    return {
        path.name: path.read_text(encoding="utf-8").splitlines()
        for path in sorted((ROOT / "requirements").glob("*.txt"))
    }


def test_the_packages_import_exactly_what_it_declares() -> None:
    assert _imported() | RUN_AS_PROGRAM == _declared()


def test_everything_that_is_needed_at_run_time_is_locked() -> None:
    locked = {line.split("==")[0] for line in _locked()["main.txt"] if "==" in line}
    assert sorted(_declared() - locked) == []


def test_the_locked_requirements_name_no_index() -> None:
    addresses = [
        line for lines in _locked().values() for line in lines if "://" in line or line.startswith("-")
    ]
    assert addresses == []


def test_every_locked_requirement_has_a_hash() -> None:
    for lines in _locked().values():
        pins = [number for number, line in enumerate(lines) if re.match(r"[a-z0-9._-]+==", line)]
        assert pins
        assert [lines[number] for number in pins if "--hash=sha256:" not in lines[number + 1]] == []
