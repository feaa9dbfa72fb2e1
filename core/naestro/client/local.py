"""The control API in the caller's own process: the caller holds the journal's lock and works on the runs.

Above stand the composition root and the front ends; below it commands and runs. It owns no engine and opens no
journal: `app` hands both over. A run works in a task of the client's task group and outlives whoever follows it.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from anyio.abc import TaskGroup

from naestro.client.api import Command, Difference, EngineStatus
from naestro.client.working import Working
from naestro.commands.undo import undo_change
from naestro.errors import RunStateError
from naestro.runs import fork, interrupts, replay
from naestro.runs.execution import Flow
from naestro.runs.history import History
from naestro.runs.journal import Journal
from naestro.runs.run import Run
from naestro.types import Delta, Digest, Event, Json, RunInfo, RunStarted, RunStatus, Value


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
        self._working = Working(core.journal, tasks)

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
        run = await self._journal.create_run(started)
        return self._working.begin(run, self._flow_of(started), last_seq=1)

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
        return self._working.begin(info.id, self._flow_of(history.started), last_seq=history.last_seq)

    async def runs(self, *, limit: int = 50, workspace: str | None = None) -> list[RunInfo]:
        """The latest runs, newest first."""
        return await self._journal.read(self._journal.reader.runs, limit, workspace)

    async def get(self, run: str) -> RunInfo:
        """One run, by id, a unique beginning of one, or `last`."""
        return await self._journal.read(self._journal.reader.run, run)

    async def history(self, run: str, after: int = 0) -> list[Event]:
        """The recorded events after number `after`, in order."""
        return await self._journal.read(self._journal.reader.events, run, after)

    def events(self, run: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Event | Delta]]:
        """Follow a run until it ends or stops; ends at once when nobody works on it."""
        return self._working.follow(run, after)

    async def cancel(self, run: str, reason: str) -> None:
        """Stop a run's work at once; returns when that is recorded."""
        await self._working.cancel(run, reason)

    async def park(self, run: str) -> None:
        """Stop working on a run without cancelling it."""
        await self._working.park(run)

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
        return await self._journal.read(replay.compare, self._journal.reader, before, after)

    async def artifact(self, digest: Digest) -> bytes:
        """A recorded blob."""
        return await self._journal.read(self._journal.reader.artifact, digest)

    async def undo(self, run: str, *, by: str) -> list[str]:
        """Take back the patch that a run applied; the paths that were restored."""
        return await undo_change(self._journal, (await self.get(run)).id)

    async def engines(self, workspace: str) -> list[EngineStatus]:
        """The engines that the settings of a workspace name."""
        return await self._core.engines(workspace)

    def _flow_of(self, started: RunStarted) -> Flow:
        async def flow(run: Run) -> Value:
            async with self._core.flow(started) as work:
                return await work(run)

        return flow
