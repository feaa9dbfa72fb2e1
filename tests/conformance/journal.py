"""The conformance suite of the journal: kill, fence, cancel, fork and patch, as far as they concern the store.

Each check is one promise and takes the place where a store keeps its runs; `CHECKS` names them all. Another store is
held to the same by one more `Place` in `test_journal_conformance.py`. Nothing here knows files or tables.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import anyio
import anyio.lowlevel
import pytest

from naestro.errors import JournalLocked, NotInJournal, RunStateError, StaleAttempt
from naestro.runs.journal import AttemptGuard, Draft, Journal, Reader, digest_of
from naestro.runs.retention import prune
from naestro.types import (
    Event,
    Notice,
    Origin,
    RunCancelled,
    RunResumed,
    RunStarted,
    RunStatus,
    StepFinished,
    StepKind,
    StepPatched,
    StepReopened,
    StepStarted,
    Tokens,
    Usage,
)

WAIT_S = 30.0
CHILD = "tests.conformance.journal_child"
SHOWN_BEFORE_KILL = 25


class Place(Protocol):
    """Where one store keeps its runs: opened again, it has what it had."""

    @property
    def address(self) -> tuple[str, str]:
        """What another process needs to find it: `module:class` of this type, and its one argument."""
        ...

    def open(self, holder: str = "conformance") -> AbstractAsyncContextManager[Journal]:
        """Own the store."""
        ...

    def reader(self) -> Reader:
        """Read the store from elsewhere."""
        ...

    def take_over(self) -> None:
        """Let another owner begin although the present one lives, as after a lost machine that was not lost."""
        ...


Check = Callable[[Place], Awaitable[None]]
CHECKS: list[Check] = []


def promise(check: Check) -> Check:
    CHECKS.append(check)
    return check


def begun(workspace: str = "/w") -> RunStarted:
    return RunStarted(
        command="explain",
        task={"target": "x.py"},
        workspace=workspace,
        origin=Origin.CLI,
        settings={},
        seed=7,
    )


def notice(text: str = "a word") -> Draft:
    return Draft(Notice(text))


def step_begins(step: str, revision: int = 1, attempt: int = 1) -> Draft:
    return Draft(StepStarted(StepKind.PROPOSE, {}), step, revision, attempt)


def step_ends(step: str, output: bytes, revision: int = 1, attempt: int = 1) -> Draft:
    return Draft(StepFinished(digest_of(output), Usage(), 5), step, revision, attempt)


async def begin_step(journal: Journal, run: str, step: str, **at: int) -> AttemptGuard:
    """Begin an attempt; the guard that its result needs."""
    await journal.write(run, step_begins(step, **at))
    return AttemptGuard(run, step, at.get("revision", 1), at.get("attempt", 1), journal.fence)


def status_elsewhere(place: Place, run: str) -> RunStatus:
    with place.reader() as reader:
        return reader.run(run).status


def assert_sound(reader: Reader) -> None:
    """Every run is numbered from 1 without a gap, and all runs together are too."""
    numbered = reader.all_events()
    assert [number for number, _ in numbered] == list(range(1, len(numbered) + 1))
    for run in {event.run for _, event in numbered}:
        events = reader.events(run)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.time for event in events] == sorted(event.time for event in events)


@promise
async def an_event_that_was_shown_survives_a_kill_and_numbers_go_on_without_a_gap(place: Place) -> None:
    run, shown = kill_while_it_writes(place)
    async with place.open() as journal:
        recovered = journal.reader.events(run)
        assert [event.seq for event in recovered][: len(shown)] == shown
        [more] = await journal.write(run, notice())
        assert more.seq == len(recovered) + 1
        assert_sound(journal.reader)


@promise
async def a_killed_owner_leaves_each_step_finished_with_its_output_or_not_finished(place: Place) -> None:
    run, _ = kill_while_it_writes(place)
    async with place.open() as journal:
        ends = [event for event in journal.reader.events(run) if isinstance(event.data, StepFinished)]
        assert ends
        for event in ends:
            assert isinstance(event.data, StepFinished)
            assert journal.reader.artifact(event.data.output) == f"output of {event.step}".encode()


@promise
async def a_killed_owner_leaves_no_lock_and_its_run_reads_as_stopped(place: Place) -> None:
    run, _ = kill_while_it_writes(place)
    assert status_elsewhere(place, run) is RunStatus.STOPPED
    async with place.open() as journal:
        assert journal.reader.run(run).status is RunStatus.STOPPED
        await journal.write(run, Draft(RunResumed(journal.fence)))
        assert journal.reader.run(run).status is RunStatus.RUNNING
        assert status_elsewhere(place, run) is RunStatus.RUNNING
    assert status_elsewhere(place, run) is RunStatus.STOPPED


@promise
async def a_second_owner_is_refused_and_told_who_the_first_is(place: Place) -> None:
    async with place.open("naestro orchestrate"):
        with pytest.raises(JournalLocked, match=f"naestro orchestrate.*{os.getpid()}"):
            async with place.open("naestro resume"):
                pytest.fail("two owners at once")


@promise
async def each_owner_has_a_larger_number_than_any_before(place: Place) -> None:
    fences: list[int] = []
    for _ in range(3):
        async with place.open() as journal:
            fences.append(journal.fence)
    assert fences == sorted(set(fences))


@promise
async def the_result_of_an_attempt_of_a_former_owner_is_refused(place: Place) -> None:
    async with place.open() as journal:
        run = await journal.create_run(begun())
        late = await begin_step(journal, run, "propose.1")
    async with place.open() as journal:
        await begin_step(journal, run, "propose.1", attempt=2)
        before = journal.reader.events(run)
        with pytest.raises(StaleAttempt):
            await journal.write(run, step_ends("propose.1", b"late"), artifacts=[b"late"], guard=late)
        assert journal.reader.events(run) == before
        with pytest.raises(NotInJournal):
            journal.reader.artifact(digest_of(b"late"))


@promise
async def an_owner_that_was_taken_over_can_write_nothing_more(place: Place) -> None:
    async with place.open() as journal:
        run = await journal.create_run(begun())
        place.take_over()
        with pytest.raises(StaleAttempt):
            await journal.write(run, notice())
        assert [event.seq for event in journal.reader.events(run)] == [1]


@promise
async def a_refused_result_disturbs_no_other_that_is_written_with_it(place: Place) -> None:
    async with place.open() as journal:
        run = await journal.create_run(begun())
        guard = await begin_step(journal, run, "propose.1")
        kept: list[Event] = []
        refused: list[StaleAttempt] = []

        async def finish(output: bytes) -> None:
            try:
                kept.extend(
                    await journal.write(run, step_ends("propose.1", output), artifacts=[output], guard=guard)
                )
            except StaleAttempt as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(finish, b"%d" % number)
                tasks.start_soon(journal.write, run, notice(str(number)))
        assert (len(kept), len(refused)) == (1, 4)
        assert len(journal.reader.events(run)) == 1 + 1 + 1 + 5
        assert_sound(journal.reader)


@promise
async def a_step_that_has_finished_takes_no_second_result(place: Place) -> None:
    async with place.open() as journal:
        run = await journal.create_run(begun())
        guard = await begin_step(journal, run, "propose.1")
        await journal.write(run, step_ends("propose.1", b"one"), artifacts=[b"one"], guard=guard)
        with pytest.raises(StaleAttempt):
            await journal.write(run, step_ends("propose.1", b"two"), artifacts=[b"two"], guard=guard)


@promise
async def a_cancelled_writer_is_kept_whole_or_not_at_all(place: Place) -> None:
    async with place.open() as journal:
        run = await journal.create_run(begun())
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(journal.write, run, notice(f"{number} a"), notice(f"{number} b"))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        await journal.write(run, notice("after"))
        texts = [event.data.text for event in journal.reader.events(run) if isinstance(event.data, Notice)]
        pairs = texts[:-1]
        assert texts[-1] == "after"
        assert [text[:-2] for text in pairs[::2]] == [text[:-2] for text in pairs[1::2]]
        assert_sound(journal.reader)


@promise
async def a_run_that_is_being_cancelled_can_still_write_how_it_ended(place: Place) -> None:
    async with place.open() as journal:
        run = await journal.create_run(begun())
        with anyio.CancelScope() as scope:
            scope.cancel()
            with anyio.CancelScope(shield=True):
                await journal.write(run, Draft(RunCancelled("asked to")))
        assert journal.reader.run(run).status is RunStatus.CANCELLED


@promise
async def what_was_queued_before_the_end_is_written_before_the_end(place: Place) -> None:
    with anyio.CancelScope() as scope:
        async with place.open() as journal:
            run = await journal.create_run(begun())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(journal.write, run, notice())
                await anyio.lowlevel.checkpoint()
                scope.cancel()
    assert scope.cancelled_caught
    with place.reader() as reader:
        assert [event.type for event in reader.events(run)] == ["run.started", "notice"]


@promise
async def the_artifacts_that_a_fork_copied_outlive_the_run_that_made_them(place: Place) -> None:
    async with place.open() as journal:
        first = await journal.create_run(begun())
        guard = await begin_step(journal, first, "propose.1")
        await journal.write(first, step_ends("propose.1", b"shared"), artifacts=[b"shared"], guard=guard)
        fork = await journal.create_run(begun())
        await journal.write(fork, step_ends("propose.1", b"shared"))
        for run in (first, fork):
            await journal.write(run, Draft(RunCancelled("done with")))
        await prune(journal, runs=[first])
        assert journal.reader.artifact(digest_of(b"shared")) == b"shared"
        await prune(journal, runs=[fork])
        with pytest.raises(NotInJournal):
            journal.reader.artifact(digest_of(b"shared"))


@promise
async def a_run_begins_once(place: Place) -> None:
    async with place.open() as journal:
        run = await journal.create_run(begun())
        with pytest.raises(RunStateError):
            await journal.write(run, Draft(begun()))
        with pytest.raises(NotInJournal):
            await journal.write("no-such-run", notice())
        assert len(journal.reader.all_events()) == 1


@promise
async def a_patched_output_ends_the_attempt_that_was_at_work_and_keeps_the_old_one_readable(
    place: Place,
) -> None:
    async with place.open() as journal:
        run = await journal.create_run(begun())
        guard = await begin_step(journal, run, "propose.1")
        await journal.write(run, step_ends("propose.1", b"old"), artifacts=[b"old"], guard=guard)
        reader_of_it = await begin_step(journal, run, "critique.1")
        patched = StepPatched("output", digest_of(b"old"), digest_of(b"new"), digest_of(b"-old +new"), "me")
        await journal.write(
            run,
            Draft(patched, "propose.1", 2),
            Draft(StepReopened("propose.1"), "critique.1", 2),
            artifacts=[b"new", b"-old +new"],
        )
        with pytest.raises(StaleAttempt):
            await journal.write(run, step_ends("critique.1", b"stale"), guard=reader_of_it)
        rows = {row.step: (row.revision, row.state, row.output) for row in journal.reader.steps(run)}
        assert rows == {
            "propose.1": (2, "finished", digest_of(b"new")),
            "critique.1": (2, "open", None),
        }
        assert journal.reader.artifact(digest_of(b"old")) == b"old"


@promise
async def the_views_follow_from_the_events_alone(place: Place) -> None:
    kill_while_it_writes(place)
    async with place.open() as journal:
        run = await journal.create_run(begun())
        await begin_step(journal, run, "propose.1")
        await journal.write(run, Draft(Tokens("propose.1/1/1/1", "text"), "propose.1", 1, 1))
        before = [(info, journal.reader.steps(info.id)) for info in journal.reader.runs()]
        await journal.rebuild()
        assert [(info, journal.reader.steps(info.id)) for info in journal.reader.runs()] == before


def kill_while_it_writes(place: Place) -> tuple[str, list[int]]:
    """Let another process write, kill it at a moment of chance; its run, and the numbers that it had shown."""
    child = subprocess.Popen([sys.executable, "-m", CHILD, *place.address], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        lines = [child.stdout.readline().strip() for _ in range(SHOWN_BEFORE_KILL)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().split()
    assert child.returncode == -signal.SIGKILL
    run, *shown = lines
    return run, [int(number) for number in shown]
