"""Citations: parsed with patience, checked without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naestro.council.citations import Citation, check_citations

LINES = {"a/types.py": 30, "b.py": 10, "Makefile": 5, "c/other.py": 4, "d/other.py": 4}


@pytest.mark.parametrize(
    ("written", "text", "citations", "removed"),
    [
        ("See (a/types.py:3-9).", "See (a/types.py:3-9).", ["a/types.py:3-9"], []),
        ("b.py:3", "b.py:3", ["b.py:3"], []),
        ("b.py#L3-L5 and b.py#L7", "b.py:3-5 and b.py:7", ["b.py:3-5", "b.py:7"], []),
        ("b.py:L3-L5, b.py:3–5", "b.py:3-5, b.py:3-5", ["b.py:3-5"], []),
        ("./b.py:1", "b.py:1", ["b.py:1"], []),
        ("types.py:30", "a/types.py:30", ["a/types.py:30"], []),
        ("**b.py:3**: text", "**b.py:3**: text", ["b.py:3"], []),
        ("b.py:7:5 is odd", "b.py:7 is odd", ["b.py:7"], []),
        ("Makefile:5", "Makefile:5", ["Makefile:5"], []),
        ("- (b.py:1-2): it", "- (b.py:1-2): it", ["b.py:1-2"], []),
        (
            "a (gone.py:3, b.py:4) and [gone.py:1] x",
            "a (b.py:4) and x",
            ["b.py:4"],
            ["gone.py:3", "gone.py:1"],
        ),
        ("a (b.py:4, gone.py:3)", "a (b.py:4)", ["b.py:4"], ["gone.py:3"]),
        ("`gone.py:2` does it.", "does it.", [], ["gone.py:2"]),
        ("- (gone.py:2): it\n(gone.py:3): that", "- it\nthat", [], ["gone.py:2", "gone.py:3"]),
        ("It flies (gone.py:1; gone.py:2).", "It flies.", [], ["gone.py:1", "gone.py:2"]),
        ("b.py:11", "", [], ["b.py:11"]),
        ("b.py:5-3", "", [], ["b.py:5-3"]),
        ("b.py:0", "", [], ["b.py:0"]),
        ("other.py:1", "", [], ["other.py:1"]),
        ("Makefile:9", "", [], ["Makefile:9"]),
        ("at 12:30 on localhost:8080, note:12", "at 12:30 on localhost:8080, note:12", [], []),
        ("http://x.com/a.py:80 and user@b.py:3", "http://x.com/a.py:80 and user@b.py:3", [], []),
    ],
)
def test_each_form_is_read_and_what_does_not_exist_is_removed(
    written: str, text: str, citations: list[str], removed: list[str]
) -> None:
    cited = check_citations(written, LINES.get, LINES)
    assert cited.text == text
    assert [str(citation) for citation in cited.citations] == citations
    assert cited.removed == removed


@given(st.text(alphabet="ab./:-#L019 ()[],py\n", max_size=60))
def test_what_is_left_in_any_text_exists(text: str) -> None:
    cited = check_citations(text, LINES.get, LINES)
    again = check_citations(cited.text, LINES.get, LINES)
    assert all(1 <= one.start <= one.end <= LINES[one.path] for one in cited.citations)
    assert again.removed == []


@pytest.mark.parametrize(
    ("written", "text"),
    [("- (2-4): it", "- (b.py:2-4): it"), ("(9-99)", "(9-99)"), ("2-4", "2-4"), ("(4-2)", "(4-2)")],
)
def test_bare_lines_are_those_of_the_only_file_that_was_shown(written: str, text: str) -> None:
    assert check_citations(written, LINES.get, ["b.py"]).text == text
    assert check_citations(written, LINES.get, LINES).text == written


def test_a_citation_of_one_line_is_written_short() -> None:
    assert (str(Citation(path="b.py", start=2, end=2)), str(Citation(path="b.py", start=2, end=3))) == (
        "b.py:2",
        "b.py:2-3",
    )
