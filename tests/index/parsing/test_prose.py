"""Prose cut by its headings and paragraphs."""

import pytest

from naestro.index.parsing.chunk import CHUNK_CHARS_MAX
from naestro.index.parsing.parse import parse_file
from naestro.index.parsing.prose import HEADING_CHARS_MAX, sections_of

WORDS = "some words of a section. " * 60 + "\n\n"


def sections(text: str, language: str = "markdown") -> list[tuple[str, int, int, int]]:
    return [(one.path, one.first, one.own_last, one.last) for one in sections_of(text.split("\n"), language)]


def test_headings_lie_in_those_of_a_higher_rank() -> None:
    assert sections("a\n# A\n## B\n\n### C\n# D\n\n") == [
        ("A", 1, 1, 4),
        ("A > B", 2, 3, 4),
        ("A > B > C", 4, 4, 4),
        ("D", 5, 5, 5),
    ]


@pytest.mark.parametrize("fence", ["```", "~~~", "````", "  ```"])
def test_a_fence_hides_what_looks_like_a_heading(fence: str) -> None:
    assert sections(f"# A\n{fence}sh\n# no\n```` \n~~ \n{fence}\n# B\n")[0][0] == "A"
    assert "no" not in " ".join(path for path, *_ in sections(f"# A\n{fence}sh\n# no\n{fence}\n# B\n"))


@pytest.mark.parametrize(
    "text", ["- a\n---\n", "> a\n===\n", "a\nb\n---\n", "\n---\n", "# a #\n---\n", "---\nx: 1\n---\n"]
)
def test_rules_and_front_matter_are_no_headings(text: str) -> None:
    assert [path for path, *_ in sections(text)] in ([], ["a"])


def test_underlined_headings_of_markdown_are_two_ranks() -> None:
    assert sections("A\n===\n\nB\n---\nx") == [("A", 0, 2, 5), ("A > B", 3, 5, 5)]


def test_restructured_text_ranks_its_underlines_in_the_order_of_use() -> None:
    text = "====\nTop\n====\n\nA\n~~~\nx\n\nB\n---\n\nC\n~~~\n"
    assert [path for path, *_ in sections(text, "rst")] == ["Top", "Top > A", "Top > A > B", "Top > C"]


def test_an_underline_shorter_than_its_title_is_none() -> None:
    assert sections("A longer title\n===\n", "rst") == []


@pytest.mark.parametrize(("language", "text"), [("asciidoc", "= A\n== B\n"), ("org", "* A\n** B\n")])
def test_other_marks_make_headings_too(language: str, text: str) -> None:
    assert [path for path, *_ in sections(text, language)] == ["A", "A > B"]


def test_plain_text_has_no_headings() -> None:
    assert sections("# A\nB\n===\n", "text") == []


def test_an_endless_heading_is_cut() -> None:
    ((path, *_),) = sections("# " + "x" * 5000)
    assert len(path) == HEADING_CHARS_MAX


def test_sections_are_chunks_with_their_heading_and_what_they_stand_under() -> None:
    chunks = parse_file("a.md", f"intro\n\n# A\n\n{WORDS}## B\n\n{WORDS}").chunks
    assert [(one.kind, one.symbol, one.names, one.scope) for one in chunks] == [
        ("text", "", [], ""),
        ("section", "A", ["A"], ""),
        ("section", "A > B", ["B"], "A"),
    ]


def test_short_sections_of_one_parent_are_called_like_it() -> None:
    (chunk,) = parse_file("a.md", "# A\n\nx\n\n## B\n\ny\n\n## C\n\nz\n").chunks
    assert (chunk.kind, chunk.symbol, chunk.names) == ("section", "A", ["A", "B", "C"])


def test_equal_short_sections_are_a_group() -> None:
    (chunk,) = parse_file("a.md", "# A\n\nx\n\n# B\n\ny\n").chunks
    assert (chunk.kind, chunk.symbol, chunk.names) == ("group", "", ["A", "B"])


def test_a_long_section_is_cut_between_paragraphs() -> None:
    chunks = parse_file("a.md", "# A\n\n" + WORDS * 6).chunks
    assert len(chunks) > 2
    assert {one.symbol for one in chunks} == {"A"}
    assert all(len(one.text) <= CHUNK_CHARS_MAX and one.text.endswith("section. ") for one in chunks)


def test_plain_text_is_cut_between_paragraphs() -> None:
    chunks = parse_file("a.txt", WORDS * 6).chunks
    assert len(chunks) > 2
    assert {(one.kind, one.symbol) for one in chunks} == {("text", "")}
