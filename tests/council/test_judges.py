"""The judges: blind, both orders, abstaining when they contradict themselves; ties, dissent, each kind of consensus."""

import random
from pathlib import Path

import pytest

from naestro.council.verdict import Certainty
from tests.council.desk import JUDGE, choose, choose_text, council, desk_in, script
from tests.support.answers import fail
from tests.support.scripted_server import Received, ScriptedServer

pytestmark = pytest.mark.anyio


def judged(server: ScriptedServer) -> list[Received]:
    """The chats with judges."""
    return [chat for chat in server.chats if JUDGE in chat.last]


def shown(chat: Received) -> list[str]:
    """The candidates' texts in the order in which a judge reads them."""
    sections = chat.last.split("## Candidate ")[1:]
    return [section.split("Checks:")[0].split("\n", 1)[1] for section in sections]


async def test_a_judge_reads_both_orders_and_no_name(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(proposers=3), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
        seed = judged(scripted_server)[0].body["seed"]
        inputs = done.history.step("judge.1").last.inputs
    there, back = (shown(chat) for chat in judged(scripted_server))
    assert there == back[::-1]
    order = [0, 1, 2, 3]
    random.Random(seed).shuffle(order)
    assert ["merged" in text for text in there].index(True) == order.index(3)
    assert set(inputs) == {"prompt", "prompt.reversed"}
    names = ("propose.", "synthesize", "engine")
    assert not any(name in chat.last for chat in judged(scripted_server) for name in names)


async def test_a_judge_that_contradicts_itself_abstains_and_the_tie_is_told(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    scripted_server.when(JUDGE, choose("A"))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        verdict = await (await desk.run("explain", text="calc.py")).verdict()
    (vote,) = verdict.votes
    assert vote.choice is None
    assert vote.reason.startswith("contradicted itself: ")
    assert verdict.certainty is Certainty.TIED
    assert verdict.tied == ["propose.1", "propose.2", "merged"]
    assert verdict.winner == "propose.1"


async def test_the_majority_of_judges_decides_and_the_others_are_kept_as_dissent(tmp_path: Path) -> None:
    with ScriptedServer() as one, ScriptedServer() as two, ScriptedServer() as three:
        urls = [server.base_url for server in (one, two, three)]
        for server in (one, two, three):
            script(server)
        two.when(JUDGE, choose_text("variant"))
        async with desk_in(tmp_path, council(judges=3), *urls) as desk:
            done = await desk.run("explain", text="calc.py")
            verdict = await done.verdict()
    assert [vote.engine for vote in verdict.votes] == ["one", "two", "three"]
    assert (verdict.winner, verdict.certainty) == ("merged", Certainty.JUDGED)
    assert "merged got 2" in verdict.method
    against = [dissent for dissent in verdict.dissent if dissent.source == "judge.2"]
    assert len(against) <= 1
    assert all(dissent.candidate.startswith("propose.") for dissent in against)


async def test_an_engine_judges_once_however_many_judges_are_wanted(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(judges=3), scripted_server.base_url) as desk:
        verdict = await (await desk.run("explain", text="calc.py")).verdict()
    assert len(verdict.votes) == 1


async def test_a_single_judge_is_asked_where_the_settings_say_judge(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(consensus="judge", judges=5), scripted_server.base_url) as desk:
        verdict = await (await desk.run("explain", text="calc.py")).verdict()
    assert len(verdict.votes) == 1
    assert verdict.consensus == "judge"
    assert "agreement" not in [note.rung for note in verdict.rungs]


async def test_without_any_answering_judge_there_is_a_tie(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    scripted_server.when(JUDGE, fail(500))
    async with desk_in(tmp_path, council(judges=2), *[scripted_server.base_url] * 2) as desk:
        done = await desk.run("explain", text="calc.py")
        result = await done.result()
    assert result.verdict.is_tie
    assert result.verdict.method.startswith("No judge could answer.")
    lost = sorted(warning.split(" was dropped")[0] for warning in result.warnings)
    assert lost == ["Given with less: judge.1", "Given with less: judge.2"]


async def test_a_choice_that_is_no_letter_is_asked_again(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    first = [choose("Z")]
    better = choose_text("the merged answer")
    scripted_server.when(JUDGE, lambda chat: first.pop() if first else better(chat))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        verdict = await (await desk.run("explain", text="calc.py")).verdict()
    assert verdict.winner == "merged"
    assert '"best" is \'Z\', not one of A, B, C or "tie"' in judged(scripted_server)[1].last


async def test_most_proposals_agreeing_needs_no_judge(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    texts = ["- (calc.py:1): it ADDS.", "- (calc.py:1): it adds", "- (calc.py:1): it flies"]
    scripted_server.when("Answer the task with 2 to 4", lambda _: texts.pop(0))
    async with desk_in(tmp_path, council(proposers=3), scripted_server.base_url) as desk:
        verdict = await (await desk.run("explain", text="calc.py")).verdict()
    assert verdict.certainty is Certainty.MAJORITY
    assert verdict.method == "2 of 3 proposals agree, from 1 engine."
    assert judged(scripted_server) == []
    assert sorted(dissent.text for dissent in verdict.dissent) == [
        "- (calc.py:1): it flies",
        "- (calc.py:1-6): the merged answer",
    ]


async def test_equal_candidates_are_shown_to_a_single_judge_once(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    texts = ["- (calc.py:1): it ADDS.", "- (calc.py:1): it adds", "- (calc.py:1): it flies"]
    scripted_server.when("Answer the task with 2 to 4", lambda _: texts.pop(0))
    async with desk_in(tmp_path, council(proposers=3, consensus="judge"), scripted_server.base_url) as desk:
        verdict = await (await desk.run("explain", text="calc.py")).verdict()
    assert verdict.winner == "merged"
    assert judged(scripted_server)[0].last.count("## Candidate ") == 3


async def test_without_early_exit_equal_proposals_are_still_criticised(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    scripted_server.when("Answer the task with 2 to 4", "- (calc.py:1): it adds")
    scripted_server.when("Write the one best answer", "- (calc.py:1): it adds!")
    async with desk_in(tmp_path, council(early_exit=False), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
        verdict = await done.verdict()
    assert "critique.1" in done.steps
    assert verdict.certainty is Certainty.AGREED
    assert verdict.votes == []
