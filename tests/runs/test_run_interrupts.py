"""What a person does to a run: answers, patches, re-runs. All of it is in the journal, at any time."""

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from naestro.errors import InputError, NotInJournal, RunStateError, StaleAttempt
from naestro.runs.attempt import Attempt
from naestro.runs.drafts import Draft
from naestro.runs.execution import Execution
from naestro.runs.interrupts import answer, patch_input, patch_output, rerun
from naestro.runs.journal import Journal
from naestro.runs.records import StepState
from naestro.runs.run import Run
from naestro.types import InterruptAnswered, RunStatus, StepKind, StepPatched, StepStarted
from tests.runs.flows import (
    Text,
    calls,
    gives,
    history,
    journal_in,
    run_flow,
    spec,
    started,
    told,
    until,
)

pytestmark = pytest.mark.anyio


async def approve(run: Run) -> Text:
    return Text(await run.ask("apply", "approve", "Apply the patch?", ["yes", "no"], b"the diff"))


async def test_an_answer_wakes_the_waiting_flow_at_once(journal: Journal) -> None:
    run = await journal.create_run(started())
    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, approve, run)
        seen = await until(journal, run, lambda seen: bool(seen.open_interrupts))
        assert seen.status is RunStatus.WAITING
        assert journal.reader.run(run).status is RunStatus.WAITING
        await answer(journal, run, "apply", "yes", "me")
    seen = history(journal, run)
    assert journal.reader.artifact(str(seen.result)) == b'{"text":"yes"}'
    asked = seen.interrupts["apply"]
    assert (asked.kind, asked.question, asked.options) == ("approve", "Apply the patch?", ["yes", "no"])
    assert journal.reader.artifact(str(asked.payload)) == b"the diff"
    assert (asked.answer, asked.by, asked.is_open) == ("yes", "me", False)


async def test_a_question_waits_over_restarts(home: Path) -> None:
    async with journal_in(home) as journal:
        run = await journal.create_run(started())
        execution = Execution(journal, run, approve)
        async with anyio.create_task_group() as group:
            group.start_soon(execution.run)
            await until(journal, run, lambda seen: bool(seen.open_interrupts))
            execution.park("Nobody is there.")
        assert told(journal, run) == ["run.started", "interrupt.opened", "run.stopped"]
        assert history(journal, run).status is RunStatus.WAITING
    async with journal_in(home) as journal:
        async with anyio.create_task_group() as group:
            group.start_soon(run_flow, journal, approve, run)
            await until(journal, run, lambda seen: not seen.reason)
            await answer(journal, run, "apply", "no", "me")
        assert told(journal, run)[3:] == ["run.resumed", "interrupt.answered", "run.finished"]


async def test_an_answer_given_while_nobody_runs_the_run_is_taken_when_it_goes_on(home: Path) -> None:
    async with journal_in(home) as journal:
        run = await journal.create_run(started())
        execution = Execution(journal, run, approve)
        async with anyio.create_task_group() as group:
            group.start_soon(execution.run)
            await until(journal, run, lambda seen: bool(seen.open_interrupts))
            group.cancel_scope.cancel()
    async with journal_in(home) as journal:
        await answer(journal, run, "apply", "yes", "me")
        assert (await run_flow(journal, approve, run))[1] is RunStatus.FINISHED


async def test_parking_a_run_that_waits_returns_that_it_waits(journal: Journal) -> None:
    run = await journal.create_run(started())
    execution = Execution(journal, run, approve)
    ended: list[RunStatus] = []

    async def keep() -> None:
        ended.append(await execution.run())

    async with anyio.create_task_group() as group:
        group.start_soon(keep)
        await until(journal, run, lambda seen: bool(seen.open_interrupts))
        execution.park()
    assert ended == [RunStatus.WAITING]


async def test_two_tasks_may_wait_for_the_same_question(journal: Journal) -> None:
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        answers: list[str] = []

        async def one() -> None:
            answers.append((await approve(run)).text)

        async with anyio.create_task_group() as group:
            group.start_soon(one)
            group.start_soon(one)
        return Text(",".join(answers))

    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow, run)
        await until(journal, run, lambda seen: bool(seen.open_interrupts))
        await answer(journal, run, "apply", "yes", "me")
    assert journal.reader.artifact(str(history(journal, run).result)) == b'{"text":"yes,yes"}'


async def test_an_answer_must_be_one_of_the_options_to_an_open_question_of_a_run_that_goes_on(
    journal: Journal,
) -> None:
    run = await journal.create_run(started())
    execution = Execution(journal, run, approve)
    async with anyio.create_task_group() as group:
        group.start_soon(execution.run)
        await until(journal, run, lambda seen: bool(seen.open_interrupts))
        with pytest.raises(InputError, match="'perhaps' is no answer to apply") as refused:
            await answer(journal, run, "apply", "perhaps", "me")
        assert refused.value.hint == "Say one of: yes, no."
        with pytest.raises(NotInJournal, match="asked no question 'other'; open questions: apply"):
            await answer(journal, run, "other", "yes", "me")
        with pytest.raises(NotInJournal, match="No run nothing"):
            await answer(journal, "nothing", "apply", "yes", "me")
        execution.cancel()
    with pytest.raises(RunStateError, match="no longer waits"):
        await answer(journal, run, "apply", "yes", "me")


async def test_a_question_is_answered_once(journal: Journal) -> None:
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        await approve(run)
        return Text(await run.ask("name", "answer", "Which name?", []))

    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow, run)
        await until(journal, run, lambda seen: bool(seen.open_interrupts))
        await answer(journal, run, "apply", "yes", "me")
        with pytest.raises(RunStateError, match="answered already"):
            await answer(journal, run, "apply", "no", "you")
        await until(journal, run, lambda seen: "name" in seen.interrupts)
        await answer(journal, run, "name", "any text", "me")
    assert journal.reader.artifact(str(history(journal, run).result)) == b'{"text":"any text"}'


async def test_a_yes_counts_only_for_what_was_shown(journal: Journal) -> None:
    """The patch is changed after the yes: the person is asked again, about the new one."""

    async def flow(run: Run) -> Text:
        patch = await run.step(spec("synthesize"), gives("old"), str)
        said = await run.ask("apply", "approve", "Apply?", ["yes", "no"], patch.encode(), "synthesize")
        again = await run.ask("apply", "approve", "Apply?", ["yes", "no"], patch.encode(), "synthesize")
        assert said == again
        await run.ask("wait", "pause", "Go on?", [])
        return Text(f"{patch}: {said}")

    run = await journal.create_run(started())
    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow, run)
        await until(journal, run, lambda seen: bool(seen.open_interrupts))
        await answer(journal, run, "apply", "yes", "me")
        await until(journal, run, lambda seen: "wait" in seen.interrupts)
        await patch_output(journal, run, "synthesize", b'"new"', "me")
        await until(journal, run, lambda seen: "apply#2" in seen.interrupts)
        await answer(journal, run, "apply#2", "no", "me")
        await answer(journal, run, "wait", "go", "me")
    assert journal.reader.artifact(str(history(journal, run).result)) == b'{"text":"new: no"}'
    asked = history(journal, run).interrupts["apply#2"]
    assert (asked.step, asked.revision) == ("synthesize", 2)


async def test_a_question_whose_subject_changed_unanswered_is_withdrawn(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        patch = await run.step(spec("synthesize"), gives("old"), str)
        return Text(await run.ask("apply", "approve", "Apply?", ["yes", "no"], patch.encode(), "synthesize"))

    run = await journal.create_run(started())
    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow, run)
        await until(journal, run, lambda seen: bool(seen.open_interrupts))
        await patch_output(journal, run, "synthesize", b'"new"', "me")
        await until(journal, run, lambda seen: "apply#2" in seen.interrupts)
        await answer(journal, run, "apply#2", "yes", "me")
    first = history(journal, run).interrupts["apply"]
    assert (first.answer, first.by) == ("withdrawn", "naestro")


def council(log: list[str]):
    """Two proposals, a synthesis of both, a verdict on it, and a step that reads nothing."""

    async def flow(run: Run) -> Text:
        for name in ("propose.1", "propose.2", "other"):
            await run.step(spec(name), gives(name, log), str)
        one = await run.step(spec("propose.1"), gives(""), str)
        merged = await run.step(spec("synthesize", "propose.1", "propose.2"), gives(f"<{one}>", log), str)
        return Text(await run.step(spec("adjudicate", "synthesize"), gives(f"{merged} wins", log), str))

    return flow


async def test_a_patched_output_opens_new_revisions_of_all_that_depends_on_it(journal: Journal) -> None:
    log: list[str] = []
    flow = council(log)
    run, _ = await run_flow(journal, flow)
    first = told(journal, run)
    log.clear()
    assert await patch_output(journal, run, "propose.1", b'"mine"', "me") == 2
    assert told(journal, run)[len(first) :] == [
        "step.patched propose.1/2/0",
        "step.finished propose.1/2/0",
        "step.reopened synthesize/2/0",
        "step.reopened adjudicate/2/0",
    ]
    assert history(journal, run).status is RunStatus.STOPPED
    assert journal.reader.run(run).status is RunStatus.STOPPED
    assert (await run_flow(journal, flow, run))[1] is RunStatus.FINISHED
    assert log == ["synthesize/2/1", "adjudicate/2/1"]
    seen = history(journal, run)
    assert journal.reader.artifact(str(seen.result)) == b'{"text":"<mine> wins"}'
    assert seen.step("synthesize").reads == {"propose.1": 2, "propose.2": 1}
    assert seen.step("synthesize").last.cause == "propose.1"
    old, new = seen.step("propose.1").revisions
    assert journal.reader.artifact(str(old.output)) == b'"propose.1"'
    assert (new.is_given, new.copied_from) == (True, f"{run}/propose.1/1")


async def test_a_patch_keeps_before_after_and_a_diff(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        await run.step(spec("a"), gives({"text": "one\ntwo\n", "n": 1}), dict[str, object])
        return Text("")

    run, _ = await run_flow(journal, flow)
    await patch_output(journal, run, "a", b'{"text":"one\\n2\\n","n":1}', "Ada")
    (patch,) = [event.data for event in journal.reader.events(run) if isinstance(event.data, StepPatched)]
    assert (patch.target, patch.by) == ("output", "Ada")
    assert journal.reader.artifact(patch.before) == b'{"text":"one\\ntwo\\n","n":1}'
    assert journal.reader.artifact(patch.after) == b'{"text":"one\\n2\\n","n":1}'
    assert journal.reader.artifact(patch.diff).decode().splitlines() == [
        "--- a/output",
        "+++ a/output",
        "@@ -1,4 +1,4 @@",
        " text:",
        "   one",
        "-  two",
        "+  2",
        " n: 1",
    ]


async def test_a_verdict_is_overridden_by_patching_the_step_that_gave_it(journal: Journal) -> None:
    log: list[str] = []
    run, _ = await run_flow(journal, council(log))
    log.clear()
    await patch_output(journal, run, "adjudicate", b'"the other wins"', "me")
    await run_flow(journal, council(log), run)
    assert log == []
    assert journal.reader.artifact(str(history(journal, run).result)) == b'{"text":"the other wins"}'


async def test_a_failed_step_can_be_given_an_output(journal: Journal) -> None:
    async def fails(attempt: Attempt) -> str:
        raise InputError("no")

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), fails, str))

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FAILED
    await patch_output(journal, run, "a", b'"by hand"', "me")
    assert (await run_flow(journal, flow, run))[1] is RunStatus.FINISHED
    patch = history(journal, run).step("a").last.patch
    assert patch is not None
    assert journal.reader.artifact(patch.before) == b""


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (b"{", "no JSON"),
        (b"no json", "no JSON"),
        (b'"a"', "just that already"),
        (b"7", "is a text, the new one is a number"),
        (b' {"a": 1}', "the new one is an object"),
        (b"[]", "the new one is a list"),
        (b"true", "the new one is a flag"),
        (b"null", "the new one is null"),
    ],
)
async def test_an_output_of_another_kind_or_the_same_is_refused(
    journal: Journal, new: bytes, message: str
) -> None:
    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), gives("a"), str))

    run, _ = await run_flow(journal, flow)
    before = told(journal, run)
    with pytest.raises(InputError, match=message):
        await patch_output(journal, run, "a", new, "me")
    assert told(journal, run) == before


async def test_a_patched_output_that_the_flow_cannot_use_says_so(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        return await run.step(spec("a"), gives(Text("a")), Text)

    run, _ = await run_flow(journal, flow)
    await patch_output(journal, run, "a", b'{"txt":"b"}', "me")
    assert (await run_flow(journal, flow, run))[1] is RunStatus.FAILED
    assert "The output of the step a does not have the form that the run needs" in str(
        history(journal, run).fault
    )
    await patch_output(journal, run, "a", b'{"text":"b"}', "me")
    assert (await run_flow(journal, flow, run))[1] is RunStatus.FINISHED


async def test_a_step_that_is_not_there_cannot_be_patched(journal: Journal) -> None:
    run, _ = await run_flow(journal, council([]))
    with pytest.raises(NotInJournal, match=r"has no step 'propose\.9'; its steps: propose\.1, propose\.2"):
        await patch_output(journal, run, "propose.9", b"1", "me")
    with pytest.raises(NotInJournal, match="was given no 'prompt'; its inputs: none"):
        await patch_input(journal, run, "propose.1", "prompt", "x", "me")
    with pytest.raises(NotInJournal, match="No run nothing"):
        await rerun(journal, "nothing", "a", "me")


def asks(prompt: str, seen: list[str]):
    async def work(attempt: Attempt) -> str:
        text = await attempt.given("prompt", prompt)
        tone = await attempt.given("tone", "kind")
        seen.append(f"{attempt.key.split('/')[-2]}: {text} ({tone})")
        return text

    return work


async def test_a_patched_prompt_is_what_the_step_gets(journal: Journal) -> None:
    seen: list[str] = []

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), asks("Do it.", seen), str))

    run, _ = await run_flow(journal, flow)
    assert await patch_input(journal, run, "a", "prompt", "Do it well.", "me") == 2
    assert history(journal, run).step("a").state is StepState.OPEN
    await run_flow(journal, flow, run)
    assert seen == ["1: Do it. (kind)", "2: Do it well. (kind)"]
    given = history(journal, run).step("a").last.inputs["prompt"]
    assert given.is_patched
    patch = history(journal, run).step("a").last.patch
    assert patch is not None
    assert journal.reader.artifact(patch.diff).decode().splitlines()[3:] == ["-Do it.", "+Do it well."]


async def test_patched_prompts_of_a_step_add_up_and_last_over_its_re_runs(journal: Journal) -> None:
    seen: list[str] = []

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), asks("Do it.", seen), str))

    run, _ = await run_flow(journal, flow)
    await patch_input(journal, run, "a", "prompt", "First.", "me")
    await patch_input(journal, run, "a", "tone", "stern", "me")
    await patch_input(journal, run, "a", "prompt", "Second.", "me")
    await rerun(journal, run, "a", "me")
    with pytest.raises(InputError, match="just that already"):
        await patch_input(journal, run, "a", "prompt", "Second.", "me")
    await run_flow(journal, flow, run)
    assert seen[-1] == "5: Second. (stern)"


async def test_a_patched_prompt_ends_when_another_step_changes_what_it_was_written_for(
    journal: Journal,
) -> None:
    seen: list[str] = []

    async def flow(run: Run) -> Text:
        first = await run.step(spec("a"), gives("one"), str)
        return Text(await run.step(spec("b", "a"), asks(f"About {first}.", seen), str))

    run, _ = await run_flow(journal, flow)
    await patch_input(journal, run, "b", "prompt", "About one, please.", "me")
    await run_flow(journal, flow, run)
    await patch_output(journal, run, "a", b'"two"', "me")
    await run_flow(journal, flow, run)
    assert [text.partition(" (")[0] for text in seen] == [
        "1: About one.",
        "2: About one, please.",
        "3: About two.",
    ]


async def test_a_re_run_opens_a_revision_and_says_who_asked(journal: Journal) -> None:
    log: list[str] = []
    run, _ = await run_flow(journal, council(log))
    log.clear()
    assert await rerun(journal, run, "synthesize", "Ada") == 2
    await run_flow(journal, council(log), run)
    assert log == ["synthesize/2/1", "adjudicate/2/1"]
    assert history(journal, run).notices[-1].text == "Ada asked to run synthesize again."


async def test_a_patch_while_the_run_works_starts_the_flow_over_with_what_still_holds(
    journal: Journal,
) -> None:
    made: list[str] = []
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        first = await run.step(spec("a"), gives("one"), str)

        async def work(attempt: Attempt) -> str:
            answers = await calls("side", log=made)(attempt)
            if first == "one":
                await anyio.sleep_forever()
            return answers

        side = await run.step(spec("side"), work, str)
        return Text(await run.step(spec("b", "a", "side"), gives(f"{first} {side}"), str))

    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow, run)
        await until(
            journal,
            run,
            lambda seen: "side" in seen.steps and seen.steps["side"].last.calls[0].state == "finished",
        )
        await patch_output(journal, run, "a", b'"two"', "me")
    assert made == ["side"]
    assert (
        journal.reader.artifact(str(history(journal, run).result))
        == b'{"text":"two {\\"text\\":\\"SIDE\\"}"}'
    )


async def test_a_patch_gets_through_to_a_run_that_never_rests(journal: Journal) -> None:
    """Steps that read the old output begin all the time while the patch reads; it must reopen every one of them."""
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        first = await run.step(spec("a"), gives("one"), str)
        number = 0
        while first == "one" or f"b.{number}" in run.revisions:
            await run.step(spec(f"b.{number}", "a"), gives(first), str)
            number += 1
        return Text(str(number))

    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow, run)
        await until(journal, run, lambda seen: "b.5" in seen.steps)
        await patch_output(journal, run, "a", b'"2"', "me")
    seen = history(journal, run)
    assert len(seen.steps) > 6
    for number in range(len(seen.steps) - 1):
        last = seen.step(f"b.{number}").last
        assert (journal.reader.artifact(str(last.output)), last.reads) == (b'"2"', {"a": 2})


async def test_an_answer_for_nobody_is_no_harm(journal: Journal) -> None:
    """Another process of the same run's history may have asked what this pass does not know."""
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        run.questions.take(InterruptAnswered("unknown", "yes", "me"))
        return Text("done")

    assert (await run_flow(journal, flow, run))[1] is RunStatus.FINISHED


async def test_a_step_cannot_begin_on_what_was_replaced_meanwhile(journal: Journal) -> None:
    """The flow goes on right after the patch, before anything could cancel it: only the guard can refuse."""
    seen: list[str] = []

    async def flow(run: Run) -> Text:
        first = await run.step(spec("a"), gives("old"), str)
        if first == "old":
            with anyio.CancelScope(shield=True):
                await patch_output(journal, run.id, "a", b'"new"', "me")
                await run.step(spec("b", "a"), gives(first, seen), str)
        return Text(await run.step(spec("b", "a"), gives(first, seen), str))

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert seen == ["b/1/1", "b/1/1"]
    assert history(journal, run).step("b").reads == {"a": 2}
    assert journal.reader.artifact(str(history(journal, run).result)) == b'{"text":"new"}'


async def test_a_step_that_begins_while_a_patch_is_made_is_reopened_too(home: Path) -> None:
    """A step that had begun before the run held still is written between the patch's reading and its writing."""
    late = Draft(StepStarted(StepKind.PROPOSE, {"a": 1}), "late", 1, 1)

    class Between(Journal):
        async def write(self, run: str, *drafts: Draft, artifacts=(), guard=None):
            if isinstance(drafts[0].data, StepPatched) and told(self, run)[-1] == "run.finished":
                await super().write(run, late)
            return await super().write(run, *drafts, artifacts=artifacts, guard=guard)

    async with journal_in(home) as opened:
        journal = Between.__new__(Between)
        vars(journal).update(vars(opened))

        async def flow(run: Run) -> Text:
            return Text(await run.step(spec("a"), gives("a"), str))

        run, _ = await run_flow(journal, flow)
        assert await patch_output(journal, run, "a", b'"b"', "me") == 2
        assert told(journal, run)[-4:] == [
            "step.started late/1/1",
            "step.patched a/2/0",
            "step.finished a/2/0",
            "step.reopened late/2/0",
        ]


async def test_a_patch_by_an_owner_that_was_overtaken_is_refused(journal: Journal, home: Path) -> None:
    run, _ = await run_flow(journal, council([]))
    with closing(sqlite3.connect(home / "journal.db")) as other, other:
        other.execute("UPDATE meta SET value = value + 1 WHERE key = 'fence'")
    with pytest.raises(StaleAttempt, match="no longer owns the journal"):
        await rerun(journal, run, "propose.1", "me")
