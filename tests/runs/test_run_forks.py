"""Forks, replays and comparisons: a new run begins with what another has, and the old one stays as it is."""

import time
from pathlib import Path

import anyio
import pytest

from naestro.errors import EngineOverloaded, NotInJournal
from naestro.runs.attempt import Attempt
from naestro.runs.fork import fork
from naestro.runs.interrupts import answer, patch_output, rerun
from naestro.runs.journal import Journal, open_journal
from naestro.runs.records import StepState
from naestro.runs.replay import Difference, compare, prepare_execution, replay_events
from naestro.runs.run import Run, StepSpec
from naestro.types import Fault, RunStatus, StepKind, Usage
from tests.runs.flows import Text, calls, gives, history, journal_in, run_flow, spec, started, told, until

pytestmark = pytest.mark.anyio


def council(log: list[str], first: str = "one"):
    """A proposal with a prompt and a call, one that fails and is dropped, and a verdict on both."""

    async def propose(attempt: Attempt) -> str:
        log.append(attempt.key.partition("/")[2])
        await attempt.given("prompt", "Propose.")
        await calls("x")(attempt)
        return first

    async def fails(attempt: Attempt) -> str:
        log.append(attempt.key.partition("/")[2])
        raise EngineOverloaded("Busy.")

    async def flow(run: Run) -> Text:
        routed = StepSpec("propose.1", StepKind.PROPOSE, engine="small", route="first")
        one = await run.step(routed, propose, str)
        try:
            await run.step(spec("propose.2"), fails, str)
        except EngineOverloaded as error:
            await run.drop("propose.2", Fault(error.code, error.message, error.hint))
        verdict = spec("adjudicate", "propose.1", "propose.2", kind=StepKind.ADJUDICATE)
        return Text(await run.step(verdict, gives(f"{one} wins", log), str))

    return flow


async def test_a_fork_keeps_what_does_not_depend_on_the_step_and_does_the_rest(journal: Journal) -> None:
    log: list[str] = []
    run, _ = await run_flow(journal, council(log))
    before = told(journal, run)
    log.clear()
    forked = await fork(journal, run, at="adjudicate")
    assert told(journal, forked) == [
        "run.started",
        "step.started propose.1/1/0",
        "step.input propose.1/1/0",
        "step.finished propose.1/1/0",
        "step.started propose.2/1/0",
        "step.failed propose.2/1/0",
    ]
    assert (await run_flow(journal, council(log), forked))[1] is RunStatus.FINISHED
    assert log == ["adjudicate/1/1"]
    assert told(journal, run) == before
    seen = history(journal, forked)
    assert "run.resumed" not in told(journal, forked)
    assert seen.started is not None
    assert (seen.started.forked_from, seen.started.task) == (run, {"target": "x.py"})
    assert journal.reader.run(forked).forked_from == run
    kept = seen.step("propose.1")
    assert (kept.last.copied_from, kept.engine, kept.route) == (f"{run}/propose.1/1", "small", "first")
    assert kept.last.usage == Usage(prompt_tokens=10, completion_tokens=1)
    assert seen.usage == Usage()
    assert journal.reader.run(forked).usage == Usage()


async def test_a_fork_at_the_first_step_does_everything_that_depends_on_it(journal: Journal) -> None:
    log: list[str] = []
    run, _ = await run_flow(journal, council(log))
    log.clear()
    forked = await fork(journal, run, at="propose.1")
    await run_flow(journal, council(log), forked)
    assert log == ["propose.1/1/1", "adjudicate/1/1"]


async def test_a_fork_of_everything_can_be_patched_and_keeps_the_patched_revision(journal: Journal) -> None:
    log: list[str] = []
    run, _ = await run_flow(journal, council(log))
    await patch_output(journal, run, "propose.1", b'"two"', "me")
    await run_flow(journal, council(log), run)
    log.clear()
    forked = await fork(journal, run)
    await run_flow(journal, council(log), forked)
    assert log == []
    assert history(journal, forked).step("propose.1").last.copied_from == f"{run}/propose.1/2"
    assert journal.reader.artifact(str(history(journal, forked).result)) == b'{"text":"two wins"}'
    await rerun(journal, forked, "adjudicate", "me")
    await run_flow(journal, council(log), forked)
    assert log == ["adjudicate/2/1"]


async def test_a_fork_leaves_out_what_is_not_finished(journal: Journal) -> None:
    log: list[str] = []
    run, _ = await run_flow(journal, council(log))
    await rerun(journal, run, "propose.1", "me")
    forked = await fork(journal, run)
    assert list(history(journal, forked).steps) == ["propose.2"]


async def test_a_fork_made_by_an_owner_that_went_away_is_resumed_by_the_next(home: Path) -> None:
    async with journal_in(home) as journal:
        run, _ = await run_flow(journal, council([]))
        forked = await fork(journal, run)
    async with journal_in(home) as journal:
        assert (await run_flow(journal, council([]), forked))[1] is RunStatus.FINISHED
        assert told(journal, forked)[-2:] == ["run.resumed", "run.finished"]


async def test_what_is_not_there_cannot_be_forked(journal: Journal) -> None:
    run, _ = await run_flow(journal, council([]))
    with pytest.raises(NotInJournal, match="has no step 'nothing'"):
        await fork(journal, run, at="nothing")
    with pytest.raises(NotInJournal, match="No run nothing"):
        await fork(journal, "nothing")
    assert len(journal.reader.runs()) == 1


async def test_a_replay_re_emits_the_events_as_they_were(journal: Journal) -> None:
    run, _ = await run_flow(journal, council([]))
    assert [event async for event in replay_events(journal.reader, run)] == journal.reader.events(run)


async def test_a_replay_goes_at_the_pace_that_was_asked_for(home: Path) -> None:
    clock_ms = [1_700_000_000_000]

    def clock() -> int:
        clock_ms[0] += 60_000
        return clock_ms[0]

    async with open_journal(home, holder="test", clock=clock) as journal:

        async def flow(run: Run) -> Text:
            return Text("")

        run, _ = await run_flow(journal, flow)
        began = time.monotonic()
        first, second = [event async for event in replay_events(journal.reader, run, speed=600)]
        took_s = time.monotonic() - began
    assert (first.seq, second.seq) == (1, 2)
    assert 0.1 <= took_s < 1.5


async def test_a_replay_takes_the_recorded_inputs_seeds_and_answers(journal: Journal) -> None:
    seeds: list[int] = []
    prompts: list[str] = []

    def flow_with(prompt: str):
        async def work(attempt: Attempt) -> str:
            seeds.append(attempt.seed)
            prompts.append(await attempt.given("prompt", prompt))
            return prompts[-1]

        async def flow(run: Run) -> Text:
            text = await run.step(spec("a"), work, str)
            said = await run.ask("name", "answer", "Which?", [], step="a")
            return Text(f"{text} {said} {run.is_replay}")

        return flow

    run = await journal.create_run(started())
    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow_with("Old."), run)
        await until(journal, run, lambda seen: bool(seen.open_interrupts))
        await answer(journal, run, "name", "Bo", "me")
    await rerun(journal, run, "a", "me")
    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow_with("Newer."), run)
        await until(journal, run, lambda seen: bool(seen.open_interrupts))
        await answer(journal, run, "name#2", "Cy", "me")
    again = await prepare_execution(journal, run)
    assert (await run_flow(journal, flow_with("Newest."), again))[1] is RunStatus.FINISHED
    assert prompts == ["Old.", "Newer.", "Newer."]
    assert seeds[1] == seeds[2] != seeds[0]
    assert history(journal, again).started == started(replay_of=run)


async def test_a_replay_answers_a_question_about_the_same_thing_but_asks_for_approvals_anew(
    journal: Journal,
) -> None:
    async def flow(run: Run) -> Text:
        said = await run.ask("which", "answer", "Which?", [], b"these")
        return Text(said + await run.ask("apply", "approve", "Apply?", ["yes", "no"], b"diff"))

    run = await journal.create_run(started())
    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow, run)
        for name, text in (("which", "A"), ("apply", "yes")):
            await until(journal, run, lambda seen, name=name: name in seen.interrupts)
            await answer(journal, run, name, text, "me")
    again = await prepare_execution(journal, run)
    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow, again)
        seen = await until(journal, again, lambda seen: bool(seen.open_interrupts))
        assert [one.interrupt for one in seen.open_interrupts] == ["apply"]
        assert (seen.interrupts["which"].answer, seen.interrupts["which"].by) == ("A", f"replay of {run}")
        await answer(journal, again, "apply", "no", "me")
    assert journal.reader.artifact(str(history(journal, again).result)) == b'{"text":"Ano"}'


async def test_a_replay_asks_again_about_another_thing(journal: Journal) -> None:
    def flow_about(payload: bytes):
        async def flow(run: Run) -> Text:
            return Text(await run.ask("which", "answer", "Which?", [], payload))

        return flow

    run = await journal.create_run(started())
    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow_about(b"these"), run)
        await until(journal, run, lambda seen: bool(seen.open_interrupts))
        await answer(journal, run, "which", "A", "me")
    again = await prepare_execution(journal, run)
    async with anyio.create_task_group() as group:
        group.start_soon(run_flow, journal, flow_about(b"those"), again)
        await until(journal, again, lambda seen: bool(seen.open_interrupts))
        await answer(journal, again, "which", "B", "me")
    assert journal.reader.artifact(str(history(journal, again).result)) == b'{"text":"B"}'


async def test_a_replay_keeps_the_outputs_that_a_person_gave(journal: Journal) -> None:
    log: list[str] = []
    run, _ = await run_flow(journal, council(log))
    await patch_output(journal, run, "propose.1", b'"mine"', "me")
    await run_flow(journal, council(log), run)
    log.clear()
    again = await prepare_execution(journal, run)
    await run_flow(journal, council(log), again)
    assert log == ["propose.2/1/1", "adjudicate/1/1"]
    assert compare(journal.reader, run, again) == []


async def test_a_replay_that_is_patched_goes_its_own_way(journal: Journal) -> None:
    run, _ = await run_flow(journal, council([]))
    again = await prepare_execution(journal, run)
    await run_flow(journal, council([]), again)
    await rerun(journal, again, "propose.1", "me")
    log: list[str] = []
    await run_flow(journal, council(log), again)
    assert log == ["propose.1/2/1", "adjudicate/2/1"]


async def test_what_is_not_there_cannot_be_replayed(journal: Journal) -> None:
    with pytest.raises(NotInJournal):
        await prepare_execution(journal, "nothing")
    assert [event async for event in replay_events(journal.reader, "nothing")] == []


async def test_a_comparison_shows_each_output_that_differs_as_a_diff(journal: Journal) -> None:
    run, _ = await run_flow(journal, council([], "one"))
    again = await prepare_execution(journal, run)
    await run_flow(journal, council([], "two"), again)
    differences = compare(journal.reader, run, again)
    assert [(one.step, one.kind) for one in differences] == [
        ("propose.1", "output"),
        ("adjudicate", "output"),
        ("result", "output"),
    ]
    assert differences[0].diff.splitlines() == [
        "--- propose.1",
        "+++ propose.1",
        "@@ -1 +1 @@",
        "-one",
        "+two",
    ]
    assert differences[2].diff.splitlines()[-2:] == ['-text: "one wins"', '+text: "two wins"']
    assert differences[0].before == history(journal, run).step("propose.1").last.output
    assert differences[0].after == history(journal, again).step("propose.1").last.output


async def test_a_comparison_shows_steps_that_only_one_run_has_and_states_that_differ(
    journal: Journal,
) -> None:
    async def fails(attempt: Attempt) -> str:
        raise EngineOverloaded("Busy.")

    async def first(run: Run) -> Text:
        await run.step(spec("a"), gives("x"), str)
        return Text(await run.step(spec("b"), gives("x"), str))

    async def second(run: Run) -> Text:
        await run.step(spec("c"), gives("x"), str)
        return Text(await run.step(spec("a"), fails, str))

    one, _ = await run_flow(journal, first)
    two, _ = await run_flow(journal, second)
    a, b, c, result = compare(journal.reader, one, two)
    assert a == Difference("a", "state", a.before, None, "It was finished, now it is failed (Busy.).")
    assert b == Difference("b", "missing", b.before, None, "Only the first run has it: finished.")
    assert c == Difference("c", "added", None, c.after, "Only the second run has it.")
    assert result == Difference("result", "state", result.before, None, "It was finished, now it is failed.")
    assert history(journal, two).step("a").state is StepState.FAILED


async def test_runs_that_failed_alike_do_not_differ(journal: Journal) -> None:
    async def fails(attempt: Attempt) -> str:
        raise EngineOverloaded("Busy.")

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), fails, str))

    one, _ = await run_flow(journal, flow)
    two, _ = await run_flow(journal, flow)
    assert compare(journal.reader, one, two) == []
