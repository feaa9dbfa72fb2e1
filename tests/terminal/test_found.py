"""What a search found, for a reader: which lines are shown, what is marked, in a terminal and as plain text."""

import io
import re

import pytest
from rich.console import Console

from naestro.client.api import SearchReply
from naestro.index.found import Found
from naestro.index.text.terms import terms_of
from naestro.terminal.found import LINE_CHARS_MAX, drawn, marks, notes, pieces, plain

QUERY = "Where is the retry policy decided?"


def found(text: str, *, path: str = "runs/retry.py", language: str = "python") -> Found:
    last = 10 + text.count("\n")
    return Found(
        path,
        10,
        last,
        7.5,
        "defines retry_policy; says retry",
        text,
        "Runs.retry_policy",
        "function",
        language,
    )


SHORT = found("def retry_policy(error):\n    return error.decided")
LONG = found(
    "\n".join(
        [
            "def run(task):",
            *["    pass"] * 20,
            "    retry()",
            "    # the retry policy decides",
            *["    pass"] * 20,
        ]
    )
)


def shown(one: Found, *, columns: int = 80, no_color: bool = False, lines: int = 12) -> str:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=columns, color_system="truecolor", no_color=no_color
    )
    for part in drawn([one], QUERY, lines):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_text_names_the_place_why_it_was_found_and_the_matched_lines() -> None:
    assert list(plain([SHORT], QUERY)) == [
        "runs/retry.py:10-11  function Runs.retry_policy  7.50",
        "  defines retry_policy; says retry",
        ">   10  def retry_policy(error):",
        ">   11      return error.decided",
        "",
    ]


def test_of_a_long_place_the_first_line_and_the_lines_that_say_most_are_shown() -> None:
    lines = list(plain([LONG], QUERY, 6))
    assert lines[2] == "    10  def run(task):"
    assert lines[3] == "  ⋮"
    assert ">   31      retry()" in lines
    assert ">   32      # the retry policy decides" in lines
    assert len(lines) == 2 + 1 + 1 + 5 + 1


def test_no_line_is_shown_where_none_is_wanted_and_a_window_at_the_top_is_one_piece() -> None:
    assert list(plain([LONG], QUERY, 0)) == [*list(plain([LONG], QUERY, 6))[:2], ""]
    assert [piece.start for piece in pieces(LONG, terms_of("run"), 6)] == [10]
    assert [len(piece.lines) for piece in pieces(LONG, terms_of("task"), 1)] == [1]


def test_empty_lines_at_the_end_of_what_is_shown_are_left_out() -> None:
    piece = pieces(found("def run():\n    pass\n  \n\n"), terms_of("run"), 12)[0]
    assert piece.lines == ["def run():", "    pass"]
    window = pieces(found("\n".join(["a", *["b"] * 9, "", "retry", "", *["c"] * 9])), terms_of("retry"), 4)[1]
    assert (window.start, window.lines) == (21, ["retry"])


def test_numbers_and_words_of_other_languages_are_marked_too() -> None:
    lines = list(plain([found("x = 1\nif status == 404:\n    # Größe")], "404 größe"))
    assert [line[:1] for line in lines[2:5]] == [" ", ">", ">"]


def test_what_a_place_was_found_by_is_set_in_at_any_width() -> None:
    drawn_lines = shown(SHORT, columns=16, no_color=True, lines=0)
    lines = re.sub(r"\x1b\[[\d;]*m", "", drawn_lines).splitlines()
    assert [line.strip() for line in lines if line.startswith("  ")] == [
        "defines",
        "retry_policy;",
        "says retry",
    ]


def test_words_are_marked_whole_in_identifiers_and_in_prose() -> None:
    terms = terms_of("retries of policies")
    line = "retryPolicy = RETRY_POLICY  # retrying"
    assert [line[start:end] for start, end in marks(terms, line)] == [
        "retry",
        "Policy",
        "RETRY",
        "POLICY",
        "retrying",
    ]


def test_in_a_terminal_code_is_coloured_numbered_and_marked() -> None:
    text = shown(SHORT)
    assert "\x1b[" in text
    assert "10 " in text
    assert "❱" in text, "matched lines have a sign that is seen without colours"
    assert "\x1b[1;4" in text or "4m" in text


def test_without_colours_the_marks_stay() -> None:
    text = shown(SHORT, no_color=True)
    assert "❱" in text
    assert "\x1b[3" not in text
    assert "\x1b[1;4m" in text or "\x1b[4m" in text or ";4m" in text


@pytest.mark.parametrize("columns", [20, 40, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    console = Console(file=io.StringIO(), width=columns, color_system=None)
    for part in drawn([found("x = " + "y" * 300 + "\n\tretry = 1"), LONG], QUERY):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    assert max(map(len, console.file.getvalue().splitlines())) <= columns


def test_what_could_drive_the_terminal_is_left_out_and_endless_lines_are_cut() -> None:
    one = found("\x1b[31m retry\r\n" + "x" * 5000, path="a\nb.py", language="no such language")
    lines = list(plain([one], QUERY))
    assert lines[0].startswith("a b.py:10-11")
    assert lines[2] == ">   10  [31m retry"
    assert len(lines[3]) <= LINE_CHARS_MAX + 9
    assert "\x1b[31m" not in shown(one, no_color=True)


def test_notes_say_what_a_person_should_know_of_an_answer() -> None:
    assert list(notes(SearchReply([]))) == []
    assert list(notes(SearchReply([], is_indexing=True))) == ["The index is being brought up to date."]
    assert list(notes(SearchReply([], 2, ["a.py"], True, "By words."))) == ["By words."]
    assert list(notes(SearchReply([], 1200, ["a.py", "b.py", "c.py", "d.py"], True))) == [
        "1,200 files are not in the index yet, among them a.py, b.py, c.py.",
    ]
    assert list(notes(SearchReply([], 2))) == ["2 files are not in the index yet."]
