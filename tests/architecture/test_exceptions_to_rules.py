"""An exception to a rule has its reason beside it."""

import ast
import re
from pathlib import Path

from tests.architecture.source import Module, modules

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
