"""Where a search stands: exactly once, with a little forgiveness that is always told."""

import pytest

from naestro.council.patch_match import Match, find
from naestro.errors import PatchConflict

FILE = ["def f():", "    x = 1  ", "    return x", "", "def g():", "    x = 1", "    return 2"]


def lines_after(match: Match, lines: list[str] = FILE) -> list[str]:
    return [*lines[: match.start], *match.lines, *lines[match.end :]]


def test_an_exact_match_needs_no_forgiveness() -> None:
    match = find("a.py", FILE, ["    return x"], ["    return 3"])
    assert match == Match(2, 3, ["    return 3"], "")


def test_an_exact_match_wins_over_one_that_differs_in_whitespace() -> None:
    assert find("a.py", FILE, ["    x = 1"], ["    x = 2"]).start == 5


@pytest.mark.parametrize(
    ("search", "replace", "after", "note"),
    [
        (
            ["    x = 1", "    return x"],
            ["    x = 1", "    return y"],
            ["    x = 1  ", "    return y"],
            "spaces at line ends",
        ),
        (
            ["", "    return x", ""],
            ["", "    return 3", "", ""],
            ["    return 3", ""],
            "blank lines around it",
        ),
        (
            ["return x"],
            ["if x:", "    return x", "", "return 4"],
            ["    if x:", "        return x", "", "    return 4"],
            "indentation",
        ),
        (
            ["```python", "    return x", "```"],
            ["```", "    return 3", "```"],
            ["    return 3"],
            "a fence around it",
        ),
        (["```python", "    return x", "```"], ["    return 3"], ["    return 3"], "a fence around it"),
        (["3     return x"], ["3     return 3"], ["    return 3"], "line numbers"),
        (["3:    return x"], ["    return 3"], ["    return 3"], "line numbers"),
        (
            ["1 def f():", "2     x = 1  ", "3     return x", "4"],
            ["1 def f():", "    y = 2", "3     return x", "4"],
            ["def f():", "    y = 2", "    return x", ""],
            "line numbers",
        ),
        (["3 return x"], ["3 return 3"], ["    return 3"], "line numbers, indentation"),
    ],
)
def test_what_is_meant_by_nothing_is_forgiven_and_noted(
    search: list[str], replace: list[str], after: list[str], note: str
) -> None:
    match = find("a.py", FILE, search, replace)
    assert match.lines == after
    assert match.note == note


def test_lines_indented_too_far_are_moved_back() -> None:
    match = find(
        "a.py", FILE, ["        def g():", "            x = 1"], ["        def g():", "            y = 1"]
    )
    assert match.lines == ["def g():", "    y = 1"]
    assert lines_after(match)[4:6] == ["def g():", "    y = 1"]


def test_indentation_that_is_not_uniform_is_no_match() -> None:
    with pytest.raises(PatchConflict, match="not together and in this order"):
        find("a.py", FILE, ["  def g():", "        x = 1"], [])
    with pytest.raises(PatchConflict, match="not together"):
        find("a.py", ["\tx", "\ty"], [" x", "y"], [])


@pytest.mark.parametrize(
    ("lines", "search"),
    [
        (["a", "b", "a"], ["a"]),
        (["a", "a", "a"], ["a", "a"]),
        (["x ", "x  "], ["x"]),
        ([" x", "  x"], ["x"]),
        (["a", "", "b", "", "c"], [""]),
    ],
)
def test_a_search_that_occurs_more_than_once_is_refused_with_the_lines(
    lines: list[str], search: list[str]
) -> None:
    with pytest.raises(PatchConflict, match="occurs 2 times, at lines "):
        find("a.py", lines, search, ["z"])


def test_a_search_that_is_not_there_says_what_is_missing() -> None:
    with pytest.raises(PatchConflict, match=r"a\.py: .* no line 'return 99'"):
        find("a.py", FILE, ["def f():", "    return 99"], [])
    with pytest.raises(PatchConflict, match=r"no line 'y{80}\.\.\.'"):
        find("a.py", FILE, ["y" * 100], [])
    with pytest.raises(PatchConflict, match="not together and in this order"):
        find("a.py", FILE, ["def g():", "def f():"], [])
    with pytest.raises(PatchConflict):
        find("a.py", ["a"], ["", ""], [])


def test_numbers_that_do_not_count_are_text() -> None:
    assert find("a.txt", ["1 a", "1 b"], ["1 a", "1 b"], ["x"]).note == ""
    with pytest.raises(PatchConflict):
        find("a.txt", ["a", "b"], ["1 a", "1 b"], ["x"])
