"""`judge`: a verdict on candidates that a person brings."""

from pathlib import Path

import pytest

from naestro.council.verdict import Certainty
from naestro.types import RunStatus
from tests.council.desk import JUDGE, PATCH, SOURCE, choose, choose_text, council, desk_in
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

GOOD = {"name": "good.md", "text": "- (calc.py:4-6): it subtracts"}
BAD = {"name": "bad.md", "text": "- (calc.py:4-6): it multiplies"}


async def test_the_better_of_two_given_answers_wins(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    scripted_server.when(JUDGE, choose_text("it subtracts"))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("judge", text="What does calc.py do?", candidates=[BAD, GOOD])
        result = await done.result()
    assert result.answer == GOOD["text"]
    assert (result.verdict.winner, result.verdict.certainty) == ("propose.2", Certainty.JUDGED)
    assert done.history.step("propose.2").route == "given as good.md"
    assert len(scripted_server.chats) == 2
    assert not any("good.md" in str(chat.messages) for chat in scripted_server.chats)


async def test_a_given_patch_is_executed_and_never_applied(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    broken = {"name": "broken", "text": PATCH.replace("left + right", "left +")}
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        task = "Make add in calc.py add"
        done = await desk.run("judge", text=task, candidates=[broken, {"name": "whole", "text": PATCH}])
        result = await done.result()
        assert (desk.workspace / "calc.py").read_text() == SOURCE
    assert (result.verdict.winner, result.verdict.certainty) == ("propose.2", Certainty.CHECKED)
    assert result.patch is not None
    assert not result.is_applied
    assert scripted_server.chats == []


async def test_candidates_that_no_judge_can_tell_apart_are_a_tie(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.when(JUDGE, choose("tie", "both are fine"))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        verdict = await (await desk.run("judge", text="What?", candidates=[BAD, GOOD])).verdict()
    assert verdict.is_tie
    assert verdict.tied == ["propose.1", "propose.2"]
    assert verdict.certainty is Certainty.TIED
    assert verdict.method == (
        "Of 1 judge: no votes were given; 1 abstained. propose.1 is shown because it came first."
    )
    assert verdict.votes[0].reason == "called it a tie: both are fine"


@pytest.mark.parametrize("candidates", [[], [GOOD]])
async def test_fewer_than_two_candidates_are_refused(
    tmp_path: Path, scripted_server: ScriptedServer, candidates: list[dict[str, str]]
) -> None:
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("judge", text="What?", candidates=candidates)
    assert done.status is RunStatus.FAILED
    assert done.history.fault is not None
    assert done.history.fault.message == "A judgement needs at least two candidates."


async def test_a_task_of_the_wrong_form_is_refused(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("judge", text="What?", candidates=[{"nom": "a"}])
    assert done.history.fault is not None
    assert done.history.fault.message.startswith("The task cannot be read: ")
