"""`orchestrate` from a task to an answer or an applied change, over a real journal and a scripted engine."""

from pathlib import Path

import anyio
import pytest

from naestro.commands.undo import undo_change
from naestro.council.adjudicate import overridden
from naestro.council.verdict import Certainty
from naestro.engines.engine import Message
from naestro.runs.interrupts import patch_output, rerun
from naestro.runs.replay import prepare_execution
from naestro.types import PatchApplied, RunStatus, encode
from tests.council.desk import (
    CRITIC,
    JUDGE,
    PATCH,
    PROPOSE_CHANGE,
    SOURCE,
    SYNTHESIZE_CHANGE,
    Desk,
    choose_text,
    council,
    desk_in,
    findings,
    is_json,
    script,
)
from tests.support.answers import say_tokens
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

MENDED = SOURCE.replace("left - right", "left + right")
OTHER_PATCH = PATCH.replace("left + right", "right + left")
TASK = {"text": "Make add in calc.py add its arguments"}


def source(desk: Desk) -> str:
    """What the file says now."""
    return (desk.workspace / "calc.py").read_text()


def proposing(server: ScriptedServer, *patches: str) -> None:
    """The proposers answer these patches, one after the other."""
    texts = iter(patches)
    server.when(PROPOSE_CHANGE, lambda _: next(texts))


async def test_equal_patches_end_early_and_a_yes_applies_the_change(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, f"Here it is:\n\n{PATCH}")
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        before: list[str] = []
        status = await desk.answering(run, "orchestrate", "yes", lambda: before.append(source(desk)))
        done = await desk.done(run, status)
        result = await done.result()
        after = source(desk)
    assert (before, after) == ([SOURCE], MENDED)
    assert len(scripted_server.chats) == 2
    assert "Early exit: all 2 usable proposals agree" in done.notices
    assert result.is_applied
    assert result.patch is not None
    assert "+    return left + right" in result.patch
    assert result.verdict.certainty is Certainty.AGREED
    assert "from 1 engine." in result.verdict.method
    assert [evidence.check for evidence in result.evidence] == ["applies", "parses", "lint"]
    applied = [event.data for event in done.events if isinstance(event.data, PatchApplied)]
    assert [data.paths for data in applied] == [["calc.py"]]


async def test_the_whole_file_in_a_block_without_a_path_is_a_change_where_one_file_was_shown(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    lone = f"Here is the file:\n\n```python\n{MENDED}```\n"
    part = "```python\ndef add(left, right):\n    return left + right\n```\n"
    proposing(scripted_server, lone, part, PATCH)
    async with desk_in(tmp_path, council(proposers=3), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        done = await desk.done(run, await desk.answering(run, "orchestrate", "yes"))
        assert source(desk) == MENDED
    assert "Early exit: all 2 usable proposals agree" in done.notices
    assert (
        "propose.2 is out: applies failed: the task asks for a change, and this proposes none" in done.notices
    )


async def test_an_applied_change_is_undone(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    proposing(scripted_server, PATCH, PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        await desk.answering(run, "orchestrate", "yes")
        assert source(desk) == MENDED
        assert await undo_change(desk.journal, run) == ["calc.py"]
        assert source(desk) == SOURCE


async def test_the_question_shows_the_diff_and_a_no_changes_nothing(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        status = await desk.answering(run, "orchestrate", "no")
        done = await desk.done(run, status)
        result = await done.result()
        asked = done.history.interrupts["apply"]
        assert asked.payload is not None
        diff = await desk.journal.read(desk.journal.reader.artifact, asked.payload)
        assert source(desk) == SOURCE
    assert (asked.question, asked.options) == ("Apply this change to 1 file?", ["yes", "no"])
    assert diff.decode() == result.patch
    assert not result.is_applied
    assert result.warnings == ["The change was declined; no file was changed."]
    assert "apply" not in done.steps


async def test_a_file_that_changed_before_the_yes_is_left_alone(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        mine = SOURCE.replace("Adds", "Mine")
        status = await desk.answering(
            run, "orchestrate", "yes", lambda: (desk.workspace / "calc.py").write_text(mine)
        )
        result = await (await desk.done(run, status)).result()
        assert source(desk) == mine
    assert status is RunStatus.FINISHED
    assert not result.is_applied
    assert (
        "The change was not applied: calc.py is not the text that the patch was made for."
        in result.warnings[0]
    )


async def test_a_file_that_changed_after_the_plan_is_left_alone(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        await desk.answering(run, "orchestrate", "yes")
        mine = "mine = 1\n"
        (desk.workspace / "calc.py").write_text(mine)
        await rerun(desk.journal, run, "apply", by="the test")
        status = await desk.execute(run, "orchestrate")
        result = await (await desk.done(run, status)).result()
        assert source(desk) == mine
    assert not result.is_applied
    assert "calc.py was changed since" in result.warnings[0]


async def test_applying_again_what_is_applied_tells_it_once(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        await desk.answering(run, "orchestrate", "yes")
        await rerun(desk.journal, run, "apply", by="the test")
        status = await desk.execute(run, "orchestrate")
        done = await desk.done(run, status)
        assert source(desk) == MENDED
    assert len(done.history.changes) == 1
    assert done.history.step("apply").revision == 2


async def test_a_patch_that_was_undone_is_applied_again_by_a_rerun(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        await desk.answering(run, "orchestrate", "yes")
        await undo_change(desk.journal, run)
        await rerun(desk.journal, run, "apply", by="the test")
        await desk.execute(run, "orchestrate")
        assert source(desk) == MENDED


async def test_a_file_of_another_mode_than_planned_is_left_alone(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        await desk.answering(run, "orchestrate", "yes")
        await undo_change(desk.journal, run)
        (desk.workspace / "calc.py").chmod(0o600)
        await rerun(desk.journal, run, "apply", by="the test")
        status = await desk.execute(run, "orchestrate")
        result = await (await desk.done(run, status)).result()
        assert source(desk) == SOURCE
    assert "The files are not those that the change was planned for." in result.warnings[0]


async def test_a_patched_output_of_the_wrong_form_fails_the_run_with_one_error(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
        await patch_output(desk.journal, done.run, "propose.2", b'{"wrong": 1}', by="the test")
        status = await desk.execute(done.run, "explain")
        again = await desk.done(done.run, status)
    assert status is RunStatus.FAILED
    assert again.history.fault is not None
    assert again.history.fault.message.startswith("The output of the step propose.2 does not have the form")


async def test_a_verdict_that_a_person_overrides_changes_the_result_without_a_call(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
        calls = len(scripted_server.chats)
        patched = overridden(await done.verdict(), "propose.1", "Ada")
        await patch_output(desk.journal, done.run, "adjudicate", encode(patched), by="Ada")
        status = await desk.execute(done.run, "explain")
        result = await (await desk.done(done.run, status)).result()
    assert len(scripted_server.chats) == calls
    assert result.verdict.certainty is Certainty.PERSON
    assert "variant" in result.answer


async def test_a_judge_that_stops_between_its_two_orders_repeats_only_the_second(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    first = choose_text("the merged answer")
    scripted_server.when(
        JUDGE, lambda chat: first(chat) if chat.number == 5 else say_tokens(9, stall_after=2)
    )
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("explain", {"text": "calc.py"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.execution(run, "explain").run)
            await scripted_server.until(lambda: len(scripted_server.chats) == 6)
            await scripted_server.until(lambda: scripted_server.chats[5].pieces_sent > 2)
            tasks.cancel_scope.cancel()
    script(scripted_server)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        status = await desk.execute(run, "explain")
        verdict = await (await desk.done(run, status)).verdict()
    assert verdict.winner == "merged"
    assert len(scripted_server.chats) == 7
    assert scripted_server.chats[6].last == scripted_server.chats[5].last


async def test_a_run_that_waits_for_a_yes_goes_on_after_a_restart_without_a_call(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        execution = desk.execution(run, "orchestrate")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(execution.run)
            await desk.open_interrupt(run)
            execution.park()
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        status = await desk.answering(run, "orchestrate", "yes")
        assert source(desk) == MENDED
    assert status is RunStatus.FINISHED
    assert len(scripted_server.chats) == 2


async def test_a_replay_changes_no_file(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    scripted_server.when(PROPOSE_CHANGE, PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        await desk.answering(run, "orchestrate", "no")
        again = await prepare_execution(desk.journal, run)
        status = await desk.execute(again, "orchestrate")
        result = await (await desk.done(again, status)).result()
        assert source(desk) == SOURCE
    assert result.warnings == ["A replay changes no file."]


async def test_a_patch_that_fails_its_checks_is_out_before_a_critic_reads_it(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    broken = PATCH.replace("left + right", "left +")
    unapplied = PATCH.replace("left - right", "left * right")
    proposing(scripted_server, broken, unapplied, PATCH)
    async with desk_in(tmp_path, council(proposers=3), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        status = await desk.answering(run, "orchestrate", "no")
        done = await desk.done(run, status)
        result = await done.result()
    assert not any(is_json(chat) for chat in scripted_server.chats)
    assert "propose.1 is out: parses failed at calc.py:6" in done.notices
    assert "propose.2 is out: applies failed" in done.notices
    assert "One usable proposal is left" in done.notices
    assert (result.verdict.winner, result.verdict.certainty) == ("propose.3", Certainty.CHECKED)
    assert result.verdict.rungs[0].dropped.keys() == {"propose.1", "propose.2"}


async def test_a_run_whose_proposals_are_all_out_fails_and_says_why(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    unchanged = PATCH.replace("left + right", "left - right")
    proposing(scripted_server, unchanged, unchanged)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("orchestrate", **TASK)
    assert done.status is RunStatus.FAILED
    assert done.history.fault is not None
    assert done.history.fault.code == "no_proposal"
    assert "The patch changes nothing" in done.history.fault.message


async def test_different_patches_are_criticised_merged_and_judged(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, OTHER_PATCH)
    scripted_server.when(
        CRITIC,
        findings({"proposal": "B", "severity": "minor", "path": "calc.py", "line": 6, "claim": "odd order"}),
    )
    scripted_server.when(SYNTHESIZE_CHANGE, PATCH.replace("left + right", "sum((left, right))"))
    scripted_server.when(JUDGE, choose_text("right + left"))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        status = await desk.answering(run, "orchestrate", "yes")
        done = await desk.done(run, status)
        result = await done.result()
        assert "right + left" in source(desk)
    assert (result.verdict.winner, result.verdict.certainty) == ("propose.2", Certainty.JUDGED)
    assert [finding.standing for finding in result.findings] == ["checked"]
    synthesizer = next(chat.last for chat in scripted_server.chats if SYNTHESIZE_CHANGE in chat.last)
    assert "- B, minor at calc.py:6 (the cited line exists): odd order" in synthesizer
    assert "Checks: applies passed: changes 1 file" in synthesizer


async def test_a_merged_candidate_that_fails_its_checks_is_out(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    proposing(scripted_server, PATCH, OTHER_PATCH)
    scripted_server.when(CRITIC, findings())
    scripted_server.when(SYNTHESIZE_CHANGE, "I would rather talk about it.")
    scripted_server.when(JUDGE, choose_text("left + right"))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", TASK)
        status = await desk.answering(run, "orchestrate", "no")
        done = await desk.done(run, status)
        verdict = await done.verdict()
    assert "The merged candidate is out: applies failed: the task asks for a change" in done.notices
    assert verdict.winner == "propose.1"


async def test_answers_fall_behind_where_most_proposals_change_files(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    texts = iter(["I do not know (calc.py:1).", PATCH])
    scripted_server.when("If the task asks for a change", lambda _: next(texts))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", {"text": "The sum in calc.py is wrong"})
        status = await desk.answering(run, "orchestrate", "no")
        done = await desk.done(run, status)
        verdict = await done.verdict()
    assert "One usable proposal is left" in done.notices
    assert (verdict.winner, verdict.certainty) == ("propose.2", Certainty.ALONE)
    assert verdict.rungs[-1].dropped == {"propose.1": "most candidates made a change, this one none"}


async def test_a_question_is_answered_in_words(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        result = await (
            await desk.run("orchestrate", text="What does calc.py do?", files=["calc.py"])
        ).result()
    assert result.patch is None
    assert not any("SEARCH" in chat.last for chat in scripted_server.chats)


@pytest.mark.parametrize(("reply", "is_merged"), [("continue", True), ("skip", False)])
async def test_the_run_waits_before_the_synthesis_where_the_settings_say_so(
    tmp_path: Path, scripted_server: ScriptedServer, reply: str, is_merged: bool
) -> None:
    script(scripted_server)
    scripted_server.when(JUDGE, choose_text("variant"))
    settings = council(approve="before_synthesis")
    async with desk_in(tmp_path, settings, scripted_server.base_url) as desk:
        run = await desk.start("explain", {"text": "calc.py"})
        status = await desk.answering(run, "explain", reply)
        done = await desk.done(run, status)
    assert status is RunStatus.FINISHED
    assert ("synthesize" in done.steps) is is_merged


async def test_the_run_waits_before_the_verdict_where_the_settings_say_so(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(approve="before_verdict"), scripted_server.base_url) as desk:
        run = await desk.start("explain", {"text": "calc.py"})
        status = await desk.answering(
            run, "explain", "continue", lambda: scripted_server.when(JUDGE, choose_text("variant"))
        )
        verdict = await (await desk.done(run, status)).verdict()
    assert verdict.winner.startswith("propose.")


async def test_a_patched_proposal_runs_again_only_what_depends_on_it(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
        calls = len(scripted_server.chats)
        mine = {"text": "- (calc.py:6): mine", "engine": "me", "temperature": 0.0, "seed": 0}
        await patch_output(desk.journal, done.run, "propose.1", encode(mine), by="the test")
        status = await desk.execute(done.run, "explain")
        again = await desk.done(done.run, status)
    new = scripted_server.chats[calls:]
    assert not any("Answer the task with 2 to 4" in chat.last for chat in new)
    assert len(new) == calls - 2
    assert all("- (calc.py:6): mine" in chat.last for chat in new)
    revisions = {name: step.revision for name, step in again.history.steps.items()}
    assert revisions["propose.2"] == revisions["execute.2"] == 1
    assert revisions["execute.1"] == revisions["critique.1"] == revisions["adjudicate"] == 2


async def test_a_run_that_stops_in_the_middle_repeats_no_finished_call(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    scripted_server.when("Write the one best answer", say_tokens(9, stall_after=3))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("explain", {"text": "calc.py"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.execution(run, "explain").run)
            await scripted_server.until(lambda: len(scripted_server.chats) == 4)
            await scripted_server.until(lambda: scripted_server.chats[3].pieces_sent > 3)
            tasks.cancel_scope.cancel()
    script(scripted_server)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        status = await desk.execute(run, "explain")
        done = await desk.done(run, status)
        result = await done.result()
    assert result.verdict.winner == "merged"
    asked = [chat.last for chat in scripted_server.chats]
    assert len(asked) == 4 + 3
    assert asked[3] == asked[4]
    assert done.history.step("synthesize").last.attempts[-1].attempt == 2


async def test_messages_are_cut_where_other_steps_share_them(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
        requests = {
            name: await desk.journal.read(desk.journal.reader.artifact, step.last.calls[0].request)
            for name, step in done.history.steps.items()
            if step.last.calls
        }
    import msgspec

    from naestro.engines.engine import ChatRequest

    chats: dict[str, list[Message]] = {
        name: msgspec.json.decode(raw, type=ChatRequest).messages for name, raw in requests.items()
    }
    assert chats["propose.1"][:2] == chats["propose.2"][:2] == chats["judge.1"][:2]
    assert [len(messages) for messages in chats.values()] == [3, 3, 4, 4, 3]
    assert chats["critique.1"][:3] == chats["synthesize"][:3]
