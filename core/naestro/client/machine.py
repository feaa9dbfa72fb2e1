"""What is on this machine besides runs: the catalogue's models, servers on loopback, the settings.

It implements `Machine` of `api` in this process; above stand the in-process client and the composition root, below
it the fetching of models, the finding of servers and the settings. It needs no journal and holds no state but the way
to read the settings, which the caller's own environment may change.
"""

import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import anyio

from naestro.client.api import FoundServer, ModelStatus, PullProgress
from naestro.config import Loaded, ModelSource, Settings, load_settings
from naestro.engines import fetch
from naestro.engines.catalogue import Catalogue, Model, catalogue
from naestro.engines.discover import PORTS, find_servers
from naestro.errors import NaestroError
from naestro.policy.trust import is_trusted
from naestro.policy.workspace import Workspace

RECOMMENDED = "demo"
"""The purpose of the model that the first use offers: small enough to be here soon, good enough to be of use."""
PROGRESS_S = 0.1
"""Seconds between two signs of progress that only count bytes."""
_FROM: dict[ModelSource, str] = {
    "hub": "from the model hub",
    "packages": "from packages of the Python index",
}

LoadSettings = Callable[[Path | None], Loaded]
"""Reads the settings of a workspace's root, or the user's own for None; says what it left out, and refuses nothing."""


def load_leniently(root: Path | None) -> Loaded:
    """The settings by this process's own environment."""
    return load_settings(root, is_trusted=is_trusted, is_strict=False)


class LocalMachine:
    """`naestro.client.api.Machine` for the machine that this process runs on."""

    def __init__(self, load: LoadSettings = load_leniently, *, rows: Catalogue | None = None) -> None:
        """Read settings by `load`; `rows` take the place of the catalogue that comes with this version."""
        self._load = load
        self._rows = rows or catalogue()

    async def models(self) -> list[ModelStatus]:
        """The catalogue, in its order."""
        settings = self._load(None).settings
        here = fetch.installed(self._rows)
        return [
            ModelStatus(
                name=model.name,
                size_bytes=model.size_bytes,
                licence=model.licence,
                source=_source(model, settings, self._rows.hub_url),
                is_installed=model.name in here,
                is_recommended=model.purpose == RECOMMENDED,
            )
            for model in self._rows.models
        ]

    def pull(self, name: str) -> AbstractAsyncContextManager[AsyncIterator[PullProgress]]:
        """Fetch a model; the iterator ends when it is here, or raises what `fetch.pull` raises.

        Leaving the context early stops the fetch; what came so far is kept, and the next pull goes on there.
        """
        return self._pull(name)

    @asynccontextmanager
    async def _pull(self, name: str) -> AsyncGenerator[AsyncIterator[PullProgress]]:
        settings = self._load(None).settings
        view, failure = _PullView(), None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._fetch, name, settings, view)
            try:
                yield view
            except NaestroError as error:
                failure = error  # raised below: what leaves a task group is wrapped into a group
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _fetch(self, name: str, settings: Settings, view: "_PullView") -> None:
        try:
            await fetch.pull(name, settings, view.take, rows=self._rows)
        except NaestroError as error:
            view.end(error)
        else:
            view.end()

    async def servers(self) -> list[FoundServer]:
        """Model servers that answer on loopback now; takes at most a second."""
        return [
            FoundServer(kind=server.kind, base_url=server.base_url, models=server.models)
            for server in await find_servers(PORTS)
        ]

    async def settings(self, workspace: str) -> dict[str, tuple[str, str]]:
        """Each setting by its dotted key: its value as JSON, secrets masked, and where it came from."""
        loaded = self._load(Workspace.find(Path(workspace)).root)
        return {row.key: (row.value, str(row.source)) for row in loaded.shown()}


class _PullView:
    """The progress of one fetch for one reader, who may be slower than the fetch.

    Sentences are all kept; of the counts that nobody read yet, only the newest is.
    """

    def __init__(self) -> None:
        self._unread: deque[PullProgress] = deque()
        self._news = anyio.Event()
        self._is_over = False
        self._error: NaestroError | None = None
        self._counted_at = 0.0

    def take(self, progress: fetch.Progress) -> None:
        """Take in what the fetch tells."""
        is_count = not progress.text
        if is_count and not self._is_due(progress):
            return
        if is_count and self._unread and self._unread[-1].detail == _detail(progress):
            self._unread.pop()
        self._unread.append(_spoken(progress))
        self._news.set()

    def _is_due(self, progress: fetch.Progress) -> bool:
        now = time.monotonic()
        if now - self._counted_at < PROGRESS_S and progress.done_bytes < progress.total_bytes:
            return False
        self._counted_at = now
        return True

    def end(self, error: NaestroError | None = None) -> None:
        """Note that nothing more comes, and why."""
        self._is_over, self._error = True, error
        self._news.set()

    def __aiter__(self) -> Self:
        """The one iterator that there is."""
        return self

    async def __anext__(self) -> PullProgress:
        """The next sign of progress; raises what ended the fetch."""
        while not self._unread and not self._is_over:
            self._news = anyio.Event()
            await self._news.wait()
        if self._unread:
            return self._unread.popleft()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration


def _spoken(progress: fetch.Progress) -> PullProgress:
    return PullProgress(
        name=progress.model,
        done_bytes=progress.done_bytes,
        total_bytes=progress.total_bytes,
        detail=_detail(progress),
    )


def _detail(progress: fetch.Progress) -> str:
    return progress.text or (_FROM[progress.source] if progress.source else "")


def _source(model: Model, settings: Settings, hub_url: str) -> str:
    """Where a pull would look for `model`, in the order in which it would."""
    if settings.isolated:
        return "nowhere: isolation mode is on"
    host = urlsplit(settings.models.hub_url or hub_url).hostname
    places = {"hub": f"the model hub at {host}"}
    if model.packages:
        places["packages"] = f"packages of the Python index ({model.packages})"
    return (
        ", else ".join(places[source] for source in settings.models.sources if source in places) or "nowhere"
    )
