"""Steps: they finish once, name what they read, and a resumed run goes on where the last owner stopped."""

from itertools import count
from pathlib import Path

import anyio
import pytest

from naestro.errors import EngineOverloaded, NaestroError, PatchMalformed, RunStateError, StaleAttempt
from naestro.runs.attempt import Attempt
from naestro.runs.history import History
from naestro.runs.interrupts import rerun
from naestro.runs.journal import Journal, open_journal
from naestro.runs.records import StepState
from naestro.runs.run import Run, StepSpec
from naestro.runs.standing import seed_of
from naestro.types import Fault, Notice, RunStatus, StepKind, StepStarted
from tests.runs.flows import Stop, Text, gives, history, journal_in, run_flow, spec, told

pytestmark = pytest.mark.anyio


async def test_a_run_records_its_steps_and_its_result(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        files = await run.step(spec("retrieve", kind=StepKind.RETRIEVE), gives(["a.py"]), list[str])
        return Text(await run.step(spec("propose.1", "retrieve"), gives(files[0] + "!"), str))

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert told(journal, run) == [
        "run.started",
        "step.started retrieve/1/1",
        "step.finished retrieve/1/1",
        "step.started propose.1/1/1",
        "step.finished propose.1/1/1",
        "run.finished",
    ]
    seen = history(journal, run)
    assert seen.step("propose.1").reads == {"retrieve": 1}
    assert seen.step("propose.1").kind is StepKind.PROPOSE
    assert journal.reader.artifact(str(seen.step("retrieve").last.output)) == b'["a.py"]'
    assert journal.reader.artifact(str(seen.result)) == b'{"text":"a.py!"}'


async def test_a_step_with_nothing_in_it_takes_one_transaction(home: Path) -> None:
    ticks = count(1)

    async def flow(run: Run) -> Text:
        await run.step(spec("a"), gives(1), int)
        await run.step(spec("b"), gives(1), int)
        return Text("")

    async with open_journal(home, holder="test", clock=lambda: next(ticks)) as journal:
        run, _ = await run_flow(journal, flow)
        times = [event.time for event in journal.reader.events(run)]
    assert times[1] == times[2] < times[3] == times[4] < times[5]


async def test_what_a_step_tells_a_person_stands_in_the_trace_once(journal: Journal) -> None:
    async def telling(attempt: Attempt) -> int:
        for text in ("no room", "no room", "no time"):
            attempt.tell(text)
        return 1

    async def flow(run: Run) -> Text:
        await run.step(spec("a"), telling, int)
        return Text("")

    run, _ = await run_flow(journal, flow)
    notices = [event.data for event in journal.reader.events(run) if isinstance(event.data, Notice)]
    assert notices == [Notice("no room", "warning"), Notice("no time", "warning")]


async def test_a_finished_run_is_left_as_it_is(journal: Journal) -> None:
    log: list[str] = []

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), gives("x", log), str))

    run, _ = await run_flow(journal, flow)
    before = told(journal, run)
    assert await run_flow(journal, flow, run) == (run, RunStatus.FINISHED)
    assert told(journal, run) == before
    assert log == ["a/1/1"]


async def test_calling_a_step_again_gives_the_recorded_output(journal: Journal) -> None:
    log: list[str] = []

    async def flow(run: Run) -> Text:
        first = await run.step(spec("a"), gives((1, 2), log), tuple[int, int])
        again = await run.step(spec("a"), gives((3, 4), log), tuple[int, int])
        return Text(f"{first} {again}")

    run, _ = await run_flow(journal, flow)
    assert journal.reader.artifact(str(history(journal, run).result)) == b'{"text":"(1, 2) (1, 2)"}'
    assert log == ["a/1/1"]


async def test_a_resumed_run_takes_recorded_outputs_and_makes_a_new_attempt_at_the_rest(home: Path) -> None:
    log: list[str] = []
    is_broken = True

    async def fragile(attempt: Attempt) -> str:
        log.append(attempt.key.partition("/")[2])
        if is_broken:
            raise Stop("broken")
        return "b"

    async def flow(run: Run) -> Text:
        first = await run.step(spec("a"), gives("a", log), str)
        return Text(first + await run.step(spec("b", "a"), fragile, str))

    async with journal_in(home) as journal:
        run, status = await run_flow(journal, flow)
        assert status is RunStatus.FAILED
        assert history(journal, run).step("b").state is StepState.INTERRUPTED
        fault = history(journal, run).fault
        assert fault is not None
        assert (fault.code, fault.message) == ("internal", "Stop: broken")
    is_broken = False
    async with journal_in(home) as journal:
        assert await run_flow(journal, flow, run) == (run, RunStatus.FINISHED)
        assert log == ["a/1/1", "b/1/1", "b/1/2"]
        assert "run.resumed" in told(journal, run)
        assert history(journal, run).fault is None


async def test_an_error_of_the_tree_fails_the_attempt_and_the_step_may_be_tried_again(
    journal: Journal,
) -> None:
    tries: list[str] = []

    async def work(attempt: Attempt) -> str:
        tries.append(attempt.key[-1])
        if len(tries) == 1:
            raise EngineOverloaded("The engine is busy.")
        return "done"

    async def flow(run: Run) -> Text:
        with pytest.raises(EngineOverloaded):
            await run.step(spec("a"), work, str)
        return Text(await run.step(spec("a"), work, str))

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert tries == ["1", "2"]
    assert told(journal, run)[1:5] == [
        "step.started a/1/1",
        "step.failed a/1/1",
        "step.started a/1/2",
        "step.finished a/1/2",
    ]
    states = [attempt.state for attempt in history(journal, run).step("a").last.attempts]
    assert states == [StepState.FAILED, StepState.FINISHED]


async def test_an_error_that_nobody_catches_fails_the_run_with_its_hint(journal: Journal) -> None:
    async def work(attempt: Attempt) -> str:
        raise PatchMalformed("The patch is none.", hint="Try again.")

    async def flow(run: Run) -> Text:
        async with anyio.create_task_group() as group:
            group.start_soon(run.step, spec("a"), work, str)
        raise AssertionError

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FAILED
    assert history(journal, run).fault == Fault("patch_malformed", "The patch is none.", "Try again.")
    assert journal.reader.run(run).fault == Fault("patch_malformed", "The patch is none.", "Try again.")


async def test_steps_run_side_by_side(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        met = anyio.Event()
        here: list[int] = []

        async def work(attempt: Attempt) -> int:
            here.append(1)
            if len(here) == 5:
                met.set()
            await met.wait()
            return len(here)

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(run.step, spec(f"propose.{number}"), work, int)
        return Text(str(len(here)))

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert [step.state for step in history(journal, run).steps.values()] == [StepState.FINISHED] * 5


async def test_two_steps_of_the_same_name_cannot_run_at_once(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        async def work(attempt: Attempt) -> int:
            return await run.step(spec("a"), gives(1), int)

        return Text(str(await run.step(spec("a"), work, int)))

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FAILED
    assert "same name" in str(history(journal, run).fault)


async def test_a_step_cannot_read_what_has_no_output(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        with pytest.raises(RunStateError, match="reads later, which has no output yet"):
            await run.step(spec("a", "later"), gives(1), int)
        return Text(str(await run.step(spec("a"), gives(1), int)))

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert "step.started a/1/1" in told(journal, run)


async def test_an_output_of_another_form_than_the_flow_says_is_refused(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        await run.step(spec("a"), gives("text"), int)
        raise AssertionError

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FAILED
    assert "does not have the form" in str(history(journal, run).fault)


async def test_a_dropped_step_stays_dropped_and_raises_its_fault_again(home: Path) -> None:
    async def fails(attempt: Attempt) -> str:
        raise EngineOverloaded("Too busy.")

    async def flow(run: Run) -> Text:
        try:
            await run.step(spec("a"), fails, str)
        except EngineOverloaded as error:
            await run.drop("a", Fault(error.code, error.message, error.hint))
        return Text(await run.step(spec("b", "a"), late, str))

    async def late(attempt: Attempt) -> str:
        if not is_late:
            raise Stop
        return "b"

    is_late = False
    async with journal_in(home) as journal:
        run, _ = await run_flow(journal, flow)
        before = told(journal, run)
        assert before.count("step.failed a/1/1") == 2
        assert history(journal, run).step("a").state is StepState.DROPPED
        notice = history(journal, run).notices[0]
        assert (notice.text, notice.level) == ("The run goes on without a: Too busy.", "warning")
    is_late = True
    async with journal_in(home) as journal:
        _, status = await run_flow(journal, flow, run)
        assert status is RunStatus.FINISHED
        assert not any(line.startswith("step.failed a") for line in told(journal, run)[len(before) :])
        assert history(journal, run).step("b").reads == {"a": 1}


async def test_a_step_that_was_cancelled_by_its_flow_can_be_dropped(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        began = anyio.Event()

        async def slow(attempt: Attempt) -> str:
            began.set()
            await anyio.sleep_forever()
            raise AssertionError

        async with anyio.create_task_group() as group:
            group.start_soon(run.step, spec("a"), slow, str)
            await began.wait()
            group.cancel_scope.cancel()
        await run.drop("a", Fault("enough", "Two agree."))
        return Text("done")

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert told(journal, run)[1:4] == ["step.started a/1/1", "step.failed a/1/1", "notice a/1/1"]


async def test_a_step_that_finished_or_never_began_cannot_be_dropped(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        await run.step(spec("a"), gives(1), int)
        for name in ("a", "b"):
            with pytest.raises(RunStateError, match="has not failed"):
                await run.drop(name, Fault("x", "y"))
        return Text("done")

    assert (await run_flow(journal, flow))[1] is RunStatus.FINISHED


async def test_a_step_that_somebody_reopened_cannot_be_dropped_by_an_old_attempt(journal: Journal) -> None:
    seen: list[int] = []

    async def fails(attempt: Attempt) -> str:
        raise EngineOverloaded("Too busy.")

    async def flow(run: Run) -> Text:
        seen.append(run.revisions.get("a", 1))
        if len(seen) > 1:
            return Text("again")
        with pytest.raises(EngineOverloaded):
            await run.step(spec("a"), fails, str)
        with anyio.CancelScope(shield=True):
            await rerun(journal, run.id, "a", "me")
            with pytest.raises(StaleAttempt):
                await run.drop("a", Fault("x", "y"))
        return Text("late")

    _, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert seen == [1, 2]


async def test_a_result_of_an_attempt_that_was_overtaken_is_refused(journal: Journal) -> None:
    outputs: list[str] = []

    async def flow(run: Run) -> Text:
        async def work(attempt: Attempt) -> str:
            if attempt.key.endswith("/1/1"):
                with anyio.CancelScope(shield=True):
                    await attempt_is_written(journal, run.id)
                    await rerun(journal, run.id, "a", "me")
                return "late"
            return "fresh"

        outputs.append(await run.step(spec("a"), work, str))
        return Text(outputs[-1])

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert outputs == ["fresh"]
    seen = history(journal, run).step("a")
    assert [one.state for one in seen.revisions] == [StepState.INTERRUPTED, StepState.FINISHED]
    assert journal.reader.artifact(str(seen.last.output)) == b'"fresh"'


async def attempt_is_written(journal: Journal, run: str) -> None:
    with anyio.fail_after(5):
        async with journal.live(run) as feed:
            while not any(isinstance(event.data, StepStarted) for event in journal.reader.events(run)):
                await feed.receive()


async def test_a_notice_is_recorded_once_however_often_the_flow_is_called(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        await run.step(spec("a"), gives(1), int)
        await run.notice("Two files were too long.", "warning")
        await run.notice("Fine.")
        return Text("")

    run, _ = await run_flow(journal, flow)
    await rerun(journal, run, "a", "me")
    await run_flow(journal, flow, run)
    assert [(one.text, one.level) for one in history(journal, run).notices] == [
        ("Two files were too long.", "warning"),
        ("Fine.", "info"),
        ("me asked to run a again.", "info"),
    ]


async def test_seeds_derive_from_the_run_the_step_and_the_revision(journal: Journal) -> None:
    seeds: list[int] = []

    async def flow(run: Run) -> Text:
        async def work(attempt: Attempt) -> int:
            assert attempt.seed == run.seed_for("a")
            return attempt.seed

        seeds.append(await run.step(spec("a"), work, int))
        return Text("")

    run, _ = await run_flow(journal, flow)
    await rerun(journal, run, "a", "me")
    await run_flow(journal, flow, run)
    assert seeds == [seed_of(7, "a", 1), seed_of(7, "a", 2)]
    assert len({*seeds, seed_of(7, "b", 1), seed_of(8, "a", 1)}) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_of(7, "a", 1) == 1418353364


async def test_the_route_and_the_engine_of_a_step_are_recorded(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        routed = StepSpec("a", StepKind.PROPOSE, engine="small", route="first in the role's list")
        return Text(await run.step(routed, gives("x"), str))

    run, _ = await run_flow(journal, flow)
    step = history(journal, run).step("a")
    assert (step.engine, step.route) == ("small", "first in the role's list")


async def test_a_run_without_steps_finishes(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        assert run.started.command == "explain"
        assert run.seed == 7
        assert not run.is_replay
        return Text("nothing to do")

    run, status = await run_flow(journal, flow)
    assert (status, told(journal, run)) == (RunStatus.FINISHED, ["run.started", "run.finished"])


async def test_a_group_of_errors_is_told_by_its_first_error_of_the_tree(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        raise ExceptionGroup(
            "two", [Stop("defect"), ExceptionGroup("in", [NaestroError("Known.", hint="Do.")])]
        )

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FAILED
    assert history(journal, run).fault == Fault("error", "Known.", "Do.")
    assert History.of(journal.reader.events(run)).status is RunStatus.FAILED


async def test_a_retry_of_a_step_that_somebody_reopened_is_refused(journal: Journal) -> None:
    keys: list[str] = []

    async def fails(attempt: Attempt) -> str:
        keys.append(attempt.key.partition("/")[2])
        if len(keys) == 1:
            raise EngineOverloaded("Too busy.")
        return "done"

    async def flow(run: Run) -> Text:
        if keys:
            return Text(await run.step(spec("a"), fails, str))
        with pytest.raises(EngineOverloaded):
            await run.step(spec("a"), fails, str)
        with anyio.CancelScope(shield=True):
            await rerun(journal, run.id, "a", "me")
            with pytest.raises(StaleAttempt, match="the step has moved on"):
                await run.step(spec("a"), fails, str)
        return Text("late")

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert keys == ["a/1/1", "a/1/2", "a/2/1"]
    assert [one.attempt for one in history(journal, run).step("a").revisions[0].attempts] == [1]


async def test_an_error_of_work_that_was_overtaken_is_told_as_that(journal: Journal) -> None:
    kinds: list[type[Exception]] = []

    async def work(attempt: Attempt) -> str:
        if attempt.key.endswith("a/2/1"):
            return "fresh"
        await attempt_is_written(journal, attempt.key.partition("/")[0])
        await rerun(journal, attempt.key.partition("/")[0], "a", "me")
        await attempt.given("prompt", "refused")
        try:
            await anyio.sleep_forever()
        finally:
            raise EngineOverloaded("The connection broke.")

    async def flow(run: Run) -> Text:
        with anyio.CancelScope(shield=run.revisions.get("a", 1) == 1):
            try:
                return Text(await run.step(spec("a"), work, str))
            except NaestroError as error:
                kinds.append(type(error))
                raise
        raise AssertionError

    assert (await run_flow(journal, flow))[1] is RunStatus.FINISHED
    assert kinds == [StaleAttempt]
