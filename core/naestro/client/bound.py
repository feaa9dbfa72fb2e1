"""The client as one caller has it: runs work with that caller's environment and use the editor that it lends.

`local` above owns what several callers share; below it stand `working`, `recorded` and the commands. It owns no engine
and opens no journal: `app` hands both over in a `Core`.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import anyio.to_thread

from naestro.client.api import Command, EngineStatus, Files, Indexing, LendableTooling, Machine
from naestro.client.files import LocalFiles
from naestro.client.lending import LentEditor
from naestro.client.recorded import RecordedRuns
from naestro.client.working import Working
from naestro.commands.undo import last_change, undo_change
from naestro.config import environment
from naestro.errors import RunStateError
from naestro.policy.editor import Editor
from naestro.runs import replay
from naestro.runs.execution import Flow
from naestro.runs.history import History
from naestro.runs.journal import Journal
from naestro.runs.reader import LAST
from naestro.runs.run import Run
from naestro.types import Delta, Event, Json, Origin, RunStarted, RunStatus, Value

WITH_EDITORS = (Origin.ACP, Origin.LSP)
"""Doors behind which an editor stands: a run that came through one may be lent an editor again later."""


@dataclass(frozen=True, slots=True)
class Core:
    """What the composition root gives the client, so that this module chooses no concrete class.

    Each is called with the caller's environment in force (`naestro.config.environment`).
    """

    journal: Journal
    prepare: Callable[[Command], tuple[str, dict[str, Json]]]
    """The root of the command's workspace, and the settings to record; raises what is wrong with either. Called in a
    worker thread."""
    flow: Callable[[RunStarted, Editor | None], AbstractAsyncContextManager[Flow]]
    """The flow of a recorded run, with the engines that it needs for as long as the context is open."""
    engines: Callable[[str], Awaitable[list[EngineStatus]]]
    machine: Callable[[Mapping[str, str] | None], Machine]
    """The machine as a caller with that environment sees it; None: this process's own."""
    index: Callable[[Mapping[str, str] | None], Indexing]
    """The code index for a caller with that environment; None: this process's own."""
    tooling: Callable[[Mapping[str, str] | None], LendableTooling]
    """The servers of tools for a caller with that environment; None: this process's own."""
    close_indexes: Callable[[], Awaitable[None]]
    """Ends what is under way of the code indexes."""
    files: Files = field(default_factory=LocalFiles)
    """The text files of each workspace; one for all callers, who share its threads."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom runs are started for."""

    environment: Mapping[str, str] | None = None
    """All variables; None: those of this process."""
    editor: Editor | None = None


class BoundClient(RecordedRuns):
    """`naestro.client.api.CallerClient` for one caller."""

    def __init__(self, core: Core, working: Working, caller: Caller) -> None:
        """Share `core` and `working` with other callers."""
        super().__init__(core.journal)
        self._core = core
        self._working = working
        self._caller = caller

    @property
    def machine(self) -> Machine:
        """Models, servers and settings."""
        return self._core.machine(self._caller.environment)

    @property
    def index(self) -> Indexing:
        """The code index of each workspace."""
        return self._core.index(self._caller.environment)

    @property
    def files(self) -> Files:
        """The text files of each workspace."""
        return self._core.files

    @property
    def tooling(self) -> LendableTooling:
        """The servers of tools of each workspace."""
        return self._core.tooling(self._caller.environment)

    def with_editor(self, editor: Editor) -> "BoundClient":
        """The same client; runs that it starts or resumes use `editor`."""
        return BoundClient(self._core, self._working, Caller(self._caller.environment, editor))

    def adopt(self, run: str) -> None:
        """Lend this client's editor to a run in hand; nothing happens where there is no editor or no such run."""
        if self._caller.editor is not None:
            self._working.lend(run, self._caller.editor)

    async def start(self, command: Command) -> str:
        """Start a run; its id."""
        self._working.check_open()
        with environment(self._caller.environment):
            root, settings = await anyio.to_thread.run_sync(self._core.prepare, command)
        started = RunStarted(
            command=command.name,
            task=command.task,
            workspace=root,
            origin=command.origin,
            settings=settings,
            seed=command.seed if command.seed is not None else secrets.randbelow(2**31),
        )
        run = await self._journal.create_run(started)
        return self._begin(run, started, last_seq=1)

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
        return self._begin(info.id, history.started, last_seq=history.last_seq)

    def events(self, run: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Event | Delta]]:
        """Follow a run until it ends or stops; ends at once when nobody works on it.

        Raises at its end what stopped the work without an event: a journal that cannot be written, a defect.
        """
        return self._working.follow(run, after)

    async def cancel(self, run: str, reason: str) -> None:
        """Stop a run's work at once; returns when that is recorded."""
        await self._working.cancel(run, reason)

    async def park(self, run: str) -> None:
        """Stop working on a run without cancelling it."""
        await self._working.park(run)

    async def replay(self, run: str) -> str:
        """Run a run's command again with the recorded seeds, prompts and engines; the new run's id."""
        self._working.check_open()
        new = await replay.prepare_execution(self._journal, run)
        return await self.resume(new)

    async def undo(self, run: str, *, by: str) -> list[str]:
        """Take back the patch that a run applied; the paths that were restored.

        `last` means the newest run whose patch is still applied: one that changed nothing has nothing to take back.
        """
        is_last = run.strip().lower() == LAST
        changed = await last_change(self._journal) if is_last else None
        return await undo_change(self._journal, changed or (await self.get(run)).id)

    async def engines(self, workspace: str) -> list[EngineStatus]:
        """The engines that the settings of a workspace name."""
        with environment(self._caller.environment):
            return await self._core.engines(workspace)

    def _begin(self, run: str, started: RunStarted, *, last_seq: int) -> str:
        """Work on a run; its task, and so everything that the run does, has the caller's environment."""

        def flow_with(lent: LentEditor) -> Flow:
            return self._flow_of(started, lent)

        with environment(self._caller.environment):
            return self._working.begin(run, flow_with, last_seq=last_seq, editor=self._caller.editor)

    def _flow_of(self, started: RunStarted, lent: LentEditor) -> Flow:
        async def flow(run: Run) -> Value:
            has_editor = lent.is_there or started.origin in WITH_EDITORS
            async with self._core.flow(started, lent if has_editor else None) as work:
                return await work(run)

        return flow
