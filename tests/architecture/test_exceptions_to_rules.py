"""An exception to a rule has its reason beside it, and what is committed names no place of one machine."""

import ast
import re
import tomllib
from pathlib import Path

from tests.architecture.source import ROOT, Module, modules

EXCLUSION = re.compile(r"#\s*pragma: no (?:cover|branch)(.*)")
SILENCED = re.compile(
    r"#\s*(?:type: ignore|pyright: ignore|noqa)\b(?::?\s*[A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*|\[[\w, -]+\])?(.*)"
)
REASON_CHARACTERS_MIN = 8


def _without_reason(module: Module, rule: re.Pattern[str]) -> list[str]:
    lines = module.text.splitlines()
    return [
        f"{module.path}:{number}"
        for number, line in enumerate(lines, 1)
        if (found := rule.search(line))
        and len(found[1].strip(" -#:")) < REASON_CHARACTERS_MIN
        and not lines[number - 2].strip().startswith("#")
    ]


def test_what_is_left_out_of_coverage_says_why() -> None:
    assert [found for module in modules("core") for found in _without_reason(module, EXCLUSION)] == []


def test_a_silenced_check_says_why() -> None:
    assert [found for module in modules("core") for found in _without_reason(module, SILENCED)] == []


def test_a_reason_is_looked_for_beside_the_exclusion_and_above_it() -> None:
    text = (
        "a  # pragma: no cover\n"
        "b  # noqa: S603\n"
        "# The arguments are ours.\n"
        "c  # type: ignore[arg-type]\n"
        "d  # noqa: S603 - the arguments are ours\n"
    )
    module = Module(Path("example.py"), text, ast.parse(text))
    found = [_without_reason(module, rule) for rule in (EXCLUSION, SILENCED)]
    assert found == [["example.py:1"], ["example.py:2"]]


def test_the_locked_requirements_name_no_index() -> None:
    locked = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "requirements").glob("*.txt"))]
    assert locked
    assert [
        line for text in locked for line in text.splitlines() if "://" in line or line.startswith("-")
    ] == []


def test_every_locked_requirement_has_a_hash() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        pins = [number for number, line in enumerate(lines) if re.match(r"[a-z0-9._-]+==", line)]
        assert [lines[number] for number in pins if "--hash=sha256:" not in lines[number + 1]] == []


def test_everything_that_is_needed_at_run_time_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = (ROOT / "requirements" / "main.txt").read_text(encoding="utf-8")
    names = [re.split(r"[^A-Za-z0-9_-]", needed)[0] for needed in project["dependencies"]]
    assert [name for name in names if f"\n{name}==" not in locked] == []
