"""The conformance suite of runs: kill, fence, cancel, fork and patch, as a flow meets them over any store.

Each check is one promise and takes the place where a store keeps its runs; `CHECKS` names them all. Another store is
held to the same by one more place in `test_runs_conformance.py`. `journal` beside this holds the store itself to its
own promises; nothing here knows files or tables.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import anyio
import pytest

from naestro.errors import StaleAttempt
from naestro.runs.attempt import Attempt
from naestro.runs.execution import Execution, execute
from naestro.runs.fork import fork
from naestro.runs.interrupts import answer, patch_output
from naestro.runs.journal import Journal
from naestro.runs.loading import load_history
from naestro.runs.records import StepState
from naestro.runs.run import Run, StepSpec
from naestro.types import Origin, RunStarted, RunStatus, StepKind, Usage, Value

WAIT_S = 20.0
STARTED = RunStarted("orchestrate", {}, "/w", Origin.CLI, {}, seed=1)


class Place(Protocol):
    """Where one store keeps its runs."""

    def open(self, holder: str = "conformance") -> AbstractAsyncContextManager[Journal]:
        """Own the store."""
        ...

    def crashed(self) -> "Place":
        """Another place with what is durable here at this moment: what a killed owner leaves."""
        ...

    def take_over(self) -> None:
        """Do what another owner does when the first one has lost its lock."""
        ...


class Words(Value, frozen=True):
    """Requests, responses and results."""

    text: str


class Council:
    """A flow of four steps with a call each, a question at the end, and a count of what was done."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.called: list[str] = []
        self.stalls_in: str | None = None
        """The step whose call stalls after its first word."""
        self.has_stalled = anyio.Event()

    async def __call__(self, run: Run) -> Words:
        async with anyio.create_task_group() as group:
            for name in ("propose.1", "propose.2"):
                group.start_soon(self._step, run, name)
        merged = await self._step(run, "synthesize", "propose.1", "propose.2")
        verdict = await self._step(run, "adjudicate", "synthesize")
        said = await run.ask("apply", "approve", "Apply?", ["yes", "no"], merged.encode(), "synthesize")
        return Words(f"{verdict} {said}")

    async def _step(self, run: Run, name: str, *reads: str) -> str:
        async def work(attempt: Attempt) -> str:
            self.begun.append(attempt.key.partition("/")[2])
            read = [await run.step(StepSpec(one, StepKind.PROPOSE), work, str) for one in reads]
            return f"{name}({','.join(read)}){await self._call(attempt, name)}"

        return await run.step(StepSpec(name, StepKind.PROPOSE, reads), work, str)

    async def _call(self, attempt: Attempt, name: str) -> str:
        async with attempt.call("engine", Words(name)) as call:
            if call.recorded is not None:
                return "="
            self.called.append(name)
            call.token("word")
            if name == self.stalls_in:
                self.has_stalled.set()
                await anyio.sleep_forever()
            await call.finish(Words(name), Usage(1, 1))
        return "!"


async def run_to_end(journal: Journal, run: str, council: Council, said: str = "yes") -> str:
    """Execute, answer what is asked, and return the result."""
    with anyio.fail_after(WAIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(execute, journal, run, council)
            async with journal.live(run) as feed:
                while not (seen := await load_history(journal, run)).status.is_final:
                    for question in seen.open_interrupts:
                        await answer(journal, run, question.interrupt, said, "me")
                    await feed.receive()
    return (await journal.read(journal.reader.artifact, str(seen.result))).decode()


async def check_a_kill_runs_no_finished_step_twice(place: Place) -> None:
    council = Council()
    council.stalls_in = "synthesize"
    async with place.open() as journal, anyio.create_task_group() as group:
        run = await journal.create_run(STARTED)
        group.start_soon(execute, journal, run, council)
        await council.has_stalled.wait()
        async with journal.live(run) as feed:
            while not (await load_history(journal, run)).open_calls:
                await feed.receive()
        after = place.crashed()
        group.cancel_scope.cancel()
    council.stalls_in = None
    async with after.open() as journal:
        result = await run_to_end(journal, run, council)
        seen = await load_history(journal, run)
    assert result == '{"text":"adjudicate(synthesize(propose.1()!,propose.2()!)!)! yes"}'
    assert sorted(council.begun) == [
        "adjudicate/1/1",
        "propose.1/1/1",
        "propose.2/1/1",
        "synthesize/1/1",
        "synthesize/1/2",
    ]
    assert [call.state for call in seen.step("synthesize").last.calls] == ["unknown", "finished"]


async def check_a_result_of_an_owner_that_was_overtaken_is_refused(place: Place) -> None:
    council = Council()
    async with place.open() as journal:
        run = await journal.create_run(STARTED)

        async def flow(run: Run) -> Words:
            place.take_over()
            return await council(run)

        with pytest.raises(StaleAttempt):
            await execute(journal, run, flow)
        seen = await load_history(journal, run)
    assert (seen.last_seq, seen.steps) == (1, {})


async def check_a_cancel_ends_the_work_at_once_and_shutting_down_is_no_cancel(place: Place) -> None:
    council = Council()
    council.stalls_in = "propose.2"
    async with place.open() as journal:
        run = await journal.create_run(STARTED)
        for is_cancelled, status in ((False, RunStatus.STOPPED), (True, RunStatus.CANCELLED)):
            council.has_stalled = anyio.Event()
            execution = Execution(journal, run, council)
            async with anyio.create_task_group() as group:
                group.start_soon(execution.run)
                await council.has_stalled.wait()
                if is_cancelled:
                    execution.cancel("Enough.")
                else:
                    group.cancel_scope.cancel()
            seen = await load_history(journal, run)
            assert (seen.status, seen.open_calls) == (status, [])
            assert seen.step("propose.2").last.calls[-1].state == "cancelled"


async def check_a_fork_repeats_only_what_depends_on_its_point(place: Place) -> None:
    council, again = Council(), Council()
    async with place.open() as journal:
        run = await journal.create_run(STARTED)
        first = await run_to_end(journal, run, council)
        forked = await fork(journal, run, at="synthesize")
        second = await run_to_end(journal, forked, again)
    assert first == second
    assert again.called == ["synthesize", "adjudicate"]


async def check_a_patch_repeats_only_what_depends_on_it_and_keeps_the_old(place: Place) -> None:
    council, again = Council(), Council()
    async with place.open() as journal:
        run = await journal.create_run(STARTED)
        await run_to_end(journal, run, council)
        await patch_output(journal, run, "propose.2", b'"mine"', "me")
        result = await run_to_end(journal, run, again, said="no")
        seen = await load_history(journal, run)
        old = await journal.read(journal.reader.artifact, str(seen.step("propose.2").revisions[0].output))
    assert result == '{"text":"adjudicate(synthesize(propose.1()!,mine)!)! no"}'
    assert again.called == ["synthesize", "adjudicate"]
    assert old == b'"propose.2()!"'
    assert [one.state for one in seen.step("adjudicate").revisions] == [StepState.FINISHED] * 2


CHECKS: list[Callable[[Place], Awaitable[None]]] = [
    check_a_kill_runs_no_finished_step_twice,
    check_a_result_of_an_owner_that_was_overtaken_is_refused,
    check_a_cancel_ends_the_work_at_once_and_shutting_down_is_no_cancel,
    check_a_fork_repeats_only_what_depends_on_its_point,
    check_a_patch_repeats_only_what_depends_on_it_and_keeps_the_old,
]
