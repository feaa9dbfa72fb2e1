"""The control API in the caller's own process: the caller holds the journal's lock and works on the runs.

Above stand the composition root and the front ends; below it commands and runs. It owns no engine and opens no
journal: `app` hands both over. A run works in a task of the client's task group and outlives whoever follows it.
"""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

from anyio.abc import TaskGroup

from naestro.client.api import Command, Difference, EngineStatus
from naestro.commands.undo import undo_change
from naestro.errors import RunStateError
from naestro.runs import fork, interrupts, replay
from naestro.runs.execution import Execution
from naestro.runs.history import ENDINGS, History
from naestro.runs.journal import Journal
from naestro.runs.run import Run
from naestro.types import Delta, Digest, Event, Json, RunInfo, RunStarted, RunStatus, Value

Flow = Callable[[Run], Awaitable[Value]]


@dataclass(frozen=True, slots=True)
class _Work:
    """A run that this process works on."""

    execution: Execution
    last_seq: int
    """The newest event when the work began: an ending after it ends this work."""

    def is_ended_by(self, event: Event) -> bool:
        return event.seq > self.last_seq and type(event.data) in ENDINGS


@dataclass(frozen=True, slots=True)
class Core:
    """What the composition root gives the client, so that this module chooses no concrete class."""

    journal: Journal
    prepare: Callable[[Command], tuple[str, dict[str, Json]]]
    """The root of the command's workspace, and the settings to record; raises what is wrong with either."""
    flow: Callable[[RunStarted], AbstractAsyncContextManager[Flow]]
    """The flow of a recorded run, with the engines that it needs for as long as the context is open."""
    engines: Callable[[str], Awaitable[list[EngineStatus]]]


class LocalClient:
    """`naestro.client.api.Client` over a journal that this process holds."""

    def __init__(self, core: Core, tasks: TaskGroup) -> None:
        """Work on runs in `tasks`, which the caller owns and ends."""
        self._core = core
        self._journal = core.journal
        self._tasks = tasks
        self._working: dict[str, _Work] = {}

    async def start(self, command: Command) -> str:
        """Start a run; its id."""
        root, settings = self._core.prepare(command)
        started = RunStarted(
            command=command.name,
            task=command.task,
            workspace=root,
            origin=command.origin,
            settings=settings,
            seed=command.seed if command.seed is not None else secrets.randbelow(2**31),
        )
        return self._work(await self._journal.create_run(started), started, last_seq=1)

    async def resume(self, run: str) -> str:
        """Go on with a run; its whole id. Raises `RunStateError` when it works or has finished."""
        info = await self.get(run)
        if info.id in self._working:
            raise RunStateError(f"The run {info.id} is being worked on.")
        if info.status is RunStatus.FINISHED:
            raise RunStateError(
                f"The run {info.id} has finished.",
                hint=f"Re-run a step (`naestro rerun {info.id} STEP`), patch one, or fork the run.",
            )
        history = History.of(await self.history(info.id))
        assert history.started is not None
        return self._work(info.id, history.started, last_seq=history.last_seq)

    async def list(self, *, limit: int = 50, workspace: str | None = None) -> list[RunInfo]:
        """The latest runs, newest first."""
        return await self._journal.read(self._journal.reader.runs, limit, workspace)

    async def get(self, run: str) -> RunInfo:
        """One run, by id, a unique beginning of one, or `last`."""
        return await self._journal.read(self._journal.reader.run, run)

    async def history(self, run: str, after: int = 0) -> list[Event]:
        """The recorded events after number `after`, in order."""
        return await self._journal.read(self._journal.reader.events, run, after)

    @asynccontextmanager
    async def events(self, run: str, after: int = 0) -> AsyncGenerator[AsyncIterator[Event | Delta]]:
        """Follow a run until it ends or stops; ends at once when nobody works on it."""
        async with aclosing(self._follow(run, after)) as stream:
            yield stream

    async def cancel(self, run: str, reason: str) -> None:
        """Stop a run's work at once; returns when that is recorded."""
        await self._execution(run).cancel(reason)

    async def park(self, run: str) -> None:
        """Stop working on a run without cancelling it."""
        await self._execution(run).stop("parked")

    async def respond(self, run: str, interrupt: str, answer: str, *, by: str) -> None:
        """Answer an interrupt."""
        await interrupts.answer(self._journal, run, interrupt, answer, by=by)

    async def patch(self, run: str, step: str, target: str, text: str, *, by: str) -> int:
        """Replace a step's `output` or an input; the step's new revision."""
        if target == "output":
            return await interrupts.patch_output(self._journal, run, step, text.encode(), by=by)
        return await interrupts.patch_input(self._journal, run, step, target, text, by=by)

    async def rerun(self, run: str, step: str, *, by: str) -> int:
        """Open a new revision of a step and of all that depends on it; its number."""
        return await interrupts.rerun(self._journal, run, step, by=by)

    async def fork(self, run: str, *, at: str | None = None) -> str:
        """A new run that keeps the outputs which do not depend on step `at`; its id."""
        return await fork.fork(self._journal, run, at=at)

    async def replay(self, run: str) -> str:
        """Run a run's command again with the recorded seeds, prompts and engines; the new run's id."""
        new = await replay.prepare_execution(self._journal, run)
        return await self.resume(new)

    async def compare(self, before: str, after: str) -> list[Difference]:
        """Where two runs differ, step by step."""
        found = await self._journal.read(replay.compare, self._journal.reader, before, after)
        return [Difference(step=one.step, what=one.kind, diff=one.diff) for one in found]

    async def artifact(self, digest: Digest) -> bytes:
        """A recorded blob."""
        return await self._journal.read(self._journal.reader.artifact, digest)

    async def undo(self, run: str, *, by: str) -> list[str]:
        """Take back the patch that a run applied; the paths that were restored."""
        return await undo_change(self._journal, (await self.get(run)).id)

    async def engines(self, workspace: str) -> list[EngineStatus]:
        """The engines that the settings of a workspace name."""
        return await self._core.engines(workspace)

    def _work(self, run: str, started: RunStarted, *, last_seq: int) -> str:
        """Begin to work on a run in a task of its own."""
        work = _Work(Execution(self._journal, run), last_seq)
        self._working[run] = work
        self._tasks.start_soon(self._run, run, started, work.execution, name=f"run {run}")
        return run

    async def _run(self, run: str, started: RunStarted, execution: Execution) -> None:
        try:
            await execution.run(self._flow_of(started))
        finally:
            del self._working[run]

    def _flow_of(self, started: RunStarted) -> Flow:
        async def flow(run: Run) -> Value:
            async with self._core.flow(started) as work:
                return await work(run)

        return flow

    def _execution(self, run: str) -> Execution:
        if run not in self._working:
            raise RunStateError(f"Nobody works on the run {run} here.")
        return self._working[run].execution

    async def _follow(self, run: str, after: int) -> AsyncGenerator[Event | Delta]:
        """What is recorded after `after`, then what comes; a reader that fell behind reads on from the journal."""
        seen = after
        while True:
            async with self._journal.live(run) as live:
                work = self._working.get(run)
                for event in await self.history(run, seen):
                    seen = event.seq
                    yield event
                    if work is not None and work.is_ended_by(event):
                        return
                if work is None:
                    return
                async for item in live:
                    if isinstance(item, Delta):
                        yield item
                    elif item.seq > seen:
                        seen = item.seq
                        yield item
                        if work.is_ended_by(item):
                            return
