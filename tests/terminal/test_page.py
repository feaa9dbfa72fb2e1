"""The page and the whole step, from events alone: what is rare in runs but must be told when it is there."""

from rich.console import Console

from naestro.council.verdict import Certainty, CouncilResult, Finding, Verdict
from naestro.runs.history import History
from naestro.terminal.live import LivePrinter
from naestro.terminal.page import page
from naestro.terminal.step import step_text
from naestro.types import (
    CallFinished,
    CallStarted,
    InterruptOpened,
    Origin,
    RunFinished,
    RunInfo,
    RunStatus,
    StepFinished,
    StepKind,
    StepStarted,
    Usage,
    encode,
)
from tests.terminal.test_waterfall import DIGEST, begun

RESULT = CouncilResult(
    answer="It subtracts.",
    citations_removed=2,
    verdict=Verdict(
        winner="propose.1",
        certainty=Certainty.AGREED,
        method="Two of three.",
        consensus="majority",
        tied=["propose.1", "propose.2"],
    ),
    findings=[Finding("critique.1", "propose.2", "major", "a.py", 3, "It is <wrong>.", "checked")],
)
INFO = RunInfo("r1", "explain", {"text": "x"}, "/w", Origin.CLI, RunStatus.FINISHED, "", "", 9, Usage())


def test_the_page_tells_ties_findings_costs_and_what_was_removed() -> None:
    story = begun().at(1, InterruptOpened("name", "answer", "Which name?", []))
    story.at(1, StepStarted(StepKind.PROPOSE, {}), "propose.1")
    story.at(1, CallStarted("propose.1/1/1/1", "cloud", DIGEST), "propose.1")
    story.at(2, CallFinished("propose.1/1/1/1", DIGEST, Usage(10, 2, 0, 0.5), 5, 10), "propose.1")
    story.at(2, StepFinished(DIGEST, Usage(10, 2, 0, 0.5), 10), "propose.1")
    story.at(3, RunFinished(DIGEST, Usage(), 10))
    text = page(INFO, story.events, lambda digest: encode(RESULT))
    for words in (
        "Tied: propose.1, propose.2.",
        "propose.2, major, checked: a.py:3 It is &lt;wrong&gt;. (critique.1)",
        "2 citations named lines that do not exist: removed",
        "<p>Which name? <b>waits</b></p>",
        "<th>cost",
        "<td>$0.5000",
    ):
        assert words in text


def test_a_step_tells_a_call_that_was_taken_from_an_earlier_attempt() -> None:
    story = begun().at(1, StepStarted(StepKind.PROPOSE, {}, "alpha"), "propose.1", attempt=2)
    story.at(1, CallStarted("propose.1/1/2/1", "alpha", DIGEST), "propose.1", attempt=2)
    copied = CallFinished("propose.1/1/2/1", DIGEST, Usage(), 5, 10, copied_from="propose.1/1/1/1")
    story.at(2, copied, "propose.1", attempt=2)
    console = Console(width=120)
    with console.capture() as shown:
        console.print(step_text(History.of(story.events).step("propose.1"), lambda digest: b"{}"))
    assert "taken from propose.1/1/1/1" in shown.get()
    assert "reads" not in shown.get()


def test_a_picture_that_never_began_ends_without_a_word(capsys) -> None:
    LivePrinter().close()
    assert capsys.readouterr().err == ""
