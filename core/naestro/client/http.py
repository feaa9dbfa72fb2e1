"""The control API over the daemon's own socket: what the command line works with.

`app` opens it; below stands `http_wire`, which calls and follows. Each method is one call of the daemon's method of
that name. What counts of the caller's environment travels with each call that starts work. What a protocol server
needs besides (documents, fetching models) is not offered here: it works inside the daemon.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from functools import partial

import anyio.to_thread
import msgspec

from naestro.client.api import (
    Command,
    Difference,
    Documents,
    EngineStatus,
    FoundServer,
    Indexing,
    Machine,
    ModelStatus,
    PullProgress,
    Tooling,
)
from naestro.client.http_index import HttpIndexing
from naestro.client.http_tooling import HttpTooling
from naestro.client.http_wire import BASE_URL, CONNECT_S, Reach, Wire
from naestro.errors import DaemonRefused, RunStateError
from naestro.runs.retention import PruneReport
from naestro.types import Delta, Digest, Event, RunInfo, RunStatus, decode_event

Environment = Callable[[str], Mapping[str, str]]
"""What of the caller's environment counts in a workspace, an absolute path."""

STARTS_WITHIN = "Start it with --in-process, or ask inside the daemon."


class _RunId(msgspec.Struct, frozen=True):
    run: str


class _Revised(msgspec.Struct, frozen=True):
    revision: int


class _Restored(msgspec.Struct, frozen=True):
    paths: list[str]


class _Artifact(msgspec.Struct, frozen=True):
    data: bytes


class _Setting(msgspec.Struct, frozen=True):
    key: str
    value: str
    source: str


class HttpRecord:
    """What only reads; every call of it may be made twice."""

    def __init__(self, wire: Wire, environment: Environment) -> None:
        """Call over `wire`, for a caller with `environment`."""
        self._wire = wire
        self._environment = environment

    async def runs(self, *, limit: int = 50, workspace: str | None = None) -> list[RunInfo]:
        """The latest runs, newest first."""
        params = {"limit": limit, "workspace": workspace}
        return await self._wire.call("runs.list", params, list[RunInfo], is_repeatable=True)

    async def get(self, run: str) -> RunInfo:
        """One run, by id, a unique beginning of one, or `last`."""
        return await self._wire.call("runs.get", {"run": run}, RunInfo, is_repeatable=True)

    async def history(self, run: str, after: int = 0) -> list[Event]:
        """The recorded events after number `after`, in order."""
        params = {"run": run, "after": after}
        raw = await self._wire.call("runs.history", params, list[msgspec.Raw], is_repeatable=True)
        return [decode_event(bytes(event)) for event in raw]

    def events(self, run: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Event | Delta]]:
        """Follow a run until it ends or stops, over the loss of a daemon too."""
        return self._follow(run, after)

    async def compare(self, before: str, after: str) -> list[Difference]:
        """Where two runs differ, step by step."""
        params = {"before": before, "after": after}
        return await self._wire.call("runs.compare", params, list[Difference], is_repeatable=True)

    async def artifact(self, digest: Digest) -> bytes:
        """A recorded blob."""
        found = await self._wire.call("runs.artifact", {"digest": digest}, _Artifact, is_repeatable=True)
        return found.data

    async def engines(self, workspace: str) -> list[EngineStatus]:
        """The engines that the settings of a workspace name."""
        params = {"workspace": workspace, "environment": self._environment(workspace)}
        return await self._wire.call("engines.list", params, list[EngineStatus], is_repeatable=True)

    @asynccontextmanager
    async def _follow(self, run: str, after: int) -> AsyncGenerator[AsyncIterator[Event | Delta]]:
        async with aclosing(self._wire.follow(run, after, partial(self._take_up, run))) as items:
            yield items

    async def _take_up(self, run: str) -> None:
        """Reach a daemon, and have it go on with the run; it does so by itself, and may have done so already."""
        await self._wire.connect()
        info = await self.get(run)
        if info.status in {RunStatus.STOPPED, RunStatus.WAITING}:
            params = {"run": info.id, "environment": self._environment(info.workspace)}
            with suppress(RunStateError):
                await self._wire.call("runs.resume", params, object, is_repeatable=True)


class HttpClient(HttpRecord):
    """`naestro.client.api.Client` over the daemon's socket; `open_http_client` makes it."""

    @property
    def documents(self) -> Documents:
        """Not offered over HTTP."""
        raise DaemonRefused("Documents are not offered over HTTP.", hint=STARTS_WITHIN)

    @property
    def machine(self) -> Machine:
        """Models and settings; no more is offered over HTTP."""
        return HttpMachine(self._wire, self._environment)

    @property
    def index(self) -> Indexing:
        """The code index of each workspace."""
        return HttpIndexing(self._wire, self._environment)

    @property
    def tooling(self) -> Tooling:
        """The servers of tools of each workspace."""
        return HttpTooling(self._wire, self._environment)

    async def start(self, command: Command) -> str:
        """Start a run; its id."""
        params = {"command": command, "environment": self._environment(command.workspace)}
        return (await self._wire.call("runs.start", params, _RunId)).run

    async def resume(self, run: str) -> str:
        """Go on with a run; its whole id."""
        return await self._go_on("runs.resume", run)

    async def cancel(self, run: str, reason: str) -> None:
        """Stop a run's work at once; returns when that is recorded."""
        await self._wire.call("runs.cancel", {"run": run, "reason": reason}, object, is_repeatable=True)

    async def park(self, run: str) -> None:
        """Stop working on a run without cancelling it."""
        await self._wire.call("runs.pause", {"run": run}, object, is_repeatable=True)

    async def respond(self, run: str, interrupt: str, answer: str, *, by: str) -> None:
        """Answer an interrupt."""
        params = {"run": run, "interrupt": interrupt, "answer": answer, "by": by}
        await self._wire.call("runs.respond", params, object, is_repeatable=True)

    async def patch(self, run: str, step: str, target: str, text: str, *, by: str) -> int:
        """Replace a step's `output` or an input; the step's new revision."""
        params = {"run": run, "step": step, "target": target, "text": text, "by": by}
        return (await self._wire.call("runs.patch", params, _Revised)).revision

    async def rerun(self, run: str, step: str, *, by: str) -> int:
        """Open a new revision of a step and of all that depends on it; its number."""
        params = {"run": run, "step": step, "by": by}
        return (await self._wire.call("runs.rerun", params, _Revised)).revision

    async def fork(self, run: str, *, at: str | None = None) -> str:
        """A new run that keeps the outputs which do not depend on step `at`; its id."""
        return (await self._wire.call("runs.fork", {"run": run, "at": at}, _RunId)).run

    async def replay(self, run: str) -> str:
        """Run a run's command again; the new run's id."""
        return await self._go_on("runs.replay", run)

    async def undo(self, run: str, *, by: str) -> list[str]:
        """Take back the patch that a run applied; the paths that were restored."""
        return (await self._wire.call("runs.undo", {"run": run, "by": by}, _Restored)).paths

    async def prune(
        self, *, keep_days: float | None, max_size_bytes: int | None, dry_run: bool
    ) -> PruneReport:
        """Delete ended runs older than `keep_days`, then the oldest until the size fits."""
        params = {"keep_days": keep_days, "max_size_bytes": max_size_bytes, "dry_run": dry_run}
        return await self._wire.call("runs.prune", params, PruneReport)

    async def _go_on(self, method: str, run: str) -> str:
        info = await self.get(run)
        params = {"run": info.id, "environment": self._environment(info.workspace)}
        return (await self._wire.call(method, params, _RunId)).run


class HttpMachine:
    """`naestro.client.api.Machine`, as far as HTTP offers it."""

    def __init__(self, wire: Wire, environment: Environment) -> None:
        """Call over `wire`, for a caller with `environment`."""
        self._wire = wire
        self._environment = environment

    async def models(self) -> list[ModelStatus]:
        """The catalogue, in its order."""
        return await self._wire.call("models.list", {}, list[ModelStatus], is_repeatable=True)

    def pull(self, name: str) -> AbstractAsyncContextManager[AsyncIterator[PullProgress]]:
        """Not offered over HTTP."""
        raise DaemonRefused(f"Fetching {name} is not offered over HTTP.", hint="Run `naestro models pull`.")

    async def servers(self) -> list[FoundServer]:
        """Not offered over HTTP."""
        raise DaemonRefused("Looking for servers is not offered over HTTP.", hint=STARTS_WITHIN)

    async def settings(self, workspace: str) -> dict[str, tuple[str, str]]:
        """Each setting by its dotted key: its value as JSON, secrets masked, and where it came from."""
        params = {"workspace": workspace, "environment": self._environment(workspace)}
        rows = await self._wire.call("config.get", params, list[_Setting], is_repeatable=True)
        return {row.key: (row.value, row.source) for row in rows}


@asynccontextmanager
async def open_http_client(reach: Reach, environment: Environment) -> AsyncGenerator[HttpClient]:
    """A client of the daemon that `reach` finds or starts, now and whenever it is lost.

    The path of its socket must stay the same. Raises `DaemonError` where no daemon can be reached.
    """
    socket = await anyio.to_thread.run_sync(reach, abandon_on_cancel=True)
    from httpx2 import AsyncClient, AsyncHTTPTransport, Timeout

    transport = AsyncHTTPTransport(uds=socket)
    # A method answers when it is done, and a run may say nothing for long: only connecting has a limit.
    timeout = Timeout(None, connect=CONNECT_S)
    async with AsyncClient(transport=transport, base_url=BASE_URL, timeout=timeout) as http:
        yield HttpClient(Wire(http, reach), environment)
