"""Text for a person's eyes: nothing in it drives the terminal; questions, answers and results as lines."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from naestro.council.citations import Citation
from naestro.council.verdict import Certainty, CouncilResult, Dissent, Verdict
from naestro.errors import InputError, JournalLocked
from naestro.runs.history import History
from naestro.terminal.asking import ask, colour_diff, option_of
from naestro.terminal.exits import innermost
from naestro.terminal.questions import question_lines
from naestro.terminal.result import plain_lines
from naestro.terminal.streams import refuse_odd_bytes, text_of
from naestro.terminal.text import one_line, printable, readable
from naestro.types import InterruptOpened
from tests.terminal.test_waterfall import begun


def test_control_characters_and_halves_of_characters_are_left_out() -> None:
    assert printable("a\x1b[31mb\r\x07\udcffc\n\té") == "a[31mbc\n\té"
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("abcdef", 4) == "abc…"
    assert readable(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert readable(b"plain \xff\x1b") == "plain \ufffd<U+001B>"


def test_a_change_that_is_asked_about_hides_no_character() -> None:
    diff = "+++ b/a\u202eyp.b\n@@ -1 +1 @@\n-a\r\n+a\u200b\rb\r\n"
    seen = "+++ b/a<U+202E>yp.b\n@@ -1 +1 @@\n-a\n+a<U+200B><U+000D>b\n"
    assert readable(diff.encode()) == seen
    verdict = Verdict(
        winner="propose.1", certainty=Certainty.AGREED, method="All agree.", consensus="majority"
    )
    assert seen in plain_lines(CouncilResult(answer="It mends.", patch=diff, verdict=verdict))


def test_an_answer_is_an_option_or_the_only_one_that_begins_so() -> None:
    assert [option_of(typed, ["yes", "no", "none"]) for typed in ("Y", "no", "n", "", "x")] == [
        "yes",
        "no",
        None,
        None,
        None,
    ]
    assert option_of("free words", []) == "free words"
    assert option_of("", []) is None


def test_a_diff_is_coloured_line_by_line() -> None:
    coloured = colour_diff("--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n z").splitlines()
    assert coloured[3:] == ["\x1b[31m-x\x1b[0m", "\x1b[32m+y\x1b[0m", " z"]


@contextmanager
def typing(text: str) -> Iterator[None]:
    """Standard input that is a pipe with `text` in it."""
    before, (reads, writes) = sys.stdin, os.pipe()
    os.write(writes, text.encode())
    os.close(writes)
    with os.fdopen(reads) as typed:
        sys.stdin = typed
        try:
            yield
        finally:
            sys.stdin = before


@pytest.mark.anyio
async def test_a_question_without_options_takes_any_words(capsys: pytest.CaptureFixture[str]) -> None:
    with typing("\n"):
        assert await ask("Which name?", [], "") is None
    with typing("calc\n"):
        assert await ask("Which name?", [], "a diff") == "calc"
    assert capsys.readouterr().err == "Which name? Which name? a diff\nWhich name? "


def test_a_question_about_nothing_is_shown_with_the_way_to_answer() -> None:
    story = begun().at(1, InterruptOpened("name", "answer", "Which name?", []))
    assert list(question_lines(History.of(story.events), lambda digest: b"")) == [
        "The run r1 waits for an answer: Which name?",
        "`naestro resume r1 --answer TEXT` answers and goes on.",
    ]


def test_the_error_that_a_person_should_read_is_found_in_a_group() -> None:
    locked = JournalLocked("It is locked.")
    assert innermost(ExceptionGroup("", [ValueError(), ExceptionGroup("", [locked])])) is locked
    alone = ValueError()
    assert innermost(ExceptionGroup("", [ExceptionGroup("", [alone])])) is alone
    several = ExceptionGroup("", [ValueError(), KeyError()])
    assert innermost(several) is several


def test_what_is_no_text_is_refused() -> None:
    refuse_odd_bytes(["naestro", "é"])
    with pytest.raises(InputError, match="not UTF-8"):
        refuse_odd_bytes(["naestro", "\udcff"])
    before = sys.stdin
    for content in (io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"), io.StringIO("\udcff")):
        sys.stdin = content
        with pytest.raises(InputError, match="no UTF-8 text"):
            text_of("-")
    sys.stdin = before
    assert text_of("words") == "words"


def test_a_result_tells_what_is_doubtful_with_it() -> None:
    verdict = Verdict(
        winner="propose.1",
        certainty=Certainty.AGREED,
        method="Two of three.",
        consensus="majority",
        tied=["propose.1", "propose.2"],
        dissent=[Dissent("judge.1", "propose.2", "It is\n shorter.")],
    )
    result = CouncilResult(
        answer="It subtracts.",
        patch="+x",
        citations=[Citation("a.py", 1, 2)],
        citations_removed=2,
        verdict=verdict,
        warnings=["One proposer failed."],
    )
    lines = list(plain_lines(result))
    assert lines[0] == "! One proposer failed."
    for line in (
        "cites a.py:1-2",
        "2 citations named lines that do not exist and were removed",
        "  tied: propose.1, propose.2",
        "  dissent of judge.1 for propose.2: It is shorter.",
        "the patch was not applied",
    ):
        assert line in lines
