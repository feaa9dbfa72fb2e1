"""Where a command's runs are worked on: in the daemon, which is found or started, or in this process.

`watch`, `changes`, `tables`, `looking` and `indexing` open what they need here; below stand the two kinds of client,
and `naestro.relay`, which finds the daemon. The core itself is imported only where the work is done here.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from naestro.client.api import Client, Indexing
from naestro.config import Settings, environment_for_daemon, home, load_settings
from naestro.errors import DaemonRefused, DaemonStartFailed
from naestro.policy.trust import is_trusted
from naestro.policy.workspace import Workspace
from naestro.runs.retention import PruneReport

if TYPE_CHECKING:
    from naestro.client.http import HttpClient


class Prune(Protocol):
    """Deletes ended runs older than `keep_days` (None: by size alone), then the oldest until the size fits."""

    async def __call__(
        self, *, keep_days: float | None, max_size_bytes: int | None, dry_run: bool
    ) -> PruneReport:
        """Tell what was deleted, or would be."""
        ...


def connect(holder: str, *, is_remote: bool) -> AbstractAsyncContextManager[Client]:
    """A client of the daemon, or one that works here and holds the journal for `holder`, a command in words.

    Raises `DaemonError` where the daemon cannot be reached, `JournalLocked` where another process holds the journal.
    """
    if is_remote:
        return _open_daemon()
    from naestro.app import open_client

    return open_client(holder)


@asynccontextmanager
async def open_pruning(holder: str, *, is_remote: bool) -> AsyncGenerator[Prune]:
    """The pruning of the journal, by the daemon or, with no engine and no run, here."""
    if is_remote:
        async with _open_daemon() as client:
            yield client.prune
        return
    from naestro.runs.journal import open_journal
    from naestro.runs.retention import prune

    async with open_journal(home(), holder=holder) as journal:
        yield partial(prune, journal)


@asynccontextmanager
async def open_indexing(*, is_remote: bool) -> AsyncGenerator[Indexing]:
    """The code index by the daemon, or in this process, which then needs no journal."""
    if is_remote:
        async with _open_daemon() as client:
            yield client.index
        return
    from naestro.app import open_indexing as open_here

    async with open_here() as index:
        yield index


def _open_daemon() -> "AbstractAsyncContextManager[HttpClient]":
    from naestro.client.http import open_http_client

    return open_http_client(reach_daemon, environment_in)


def reach_daemon() -> str:
    """Make sure that a daemon of this version runs; the path of its HTTP socket. Takes up to a minute.

    Raises `DaemonStartFailed` or `DaemonRefused`.
    """
    from naestro.relay.places import Trouble, find_places
    from naestro.relay.start import CONTROL, Hello, Patience, reach

    try:
        places = find_places()
        reach(places, Hello(CONTROL, is_replacing=True), Patience()).close()
    except Trouble as trouble:
        kind = DaemonRefused if trouble.is_final else DaemonStartFailed
        raise kind(trouble.message, hint=trouble.hint) from trouble
    return places.http_socket


def environment_in(workspace: str) -> Mapping[str, str]:
    """What of this process's environment counts in a workspace: settings, flags, and the keys that are named there."""
    root = Workspace.find(Path(workspace)).root
    settings = load_settings(root, is_trusted=is_trusted, is_strict=False).settings
    return environment_for_daemon(_key_names(settings) | _of_servers(root, settings))


def _key_names(settings: Settings) -> set[str]:
    return {engine.api_key_env for engine in settings.engines.values() if engine.api_key_env is not None}


def _of_servers(root: Path, settings: Settings) -> set[str]:
    """The variables that servers of tools need."""
    from naestro.tools.servers.definition import all_definitions, file_trust, variables_of

    return variables_of(all_definitions(root, settings, is_trusted=file_trust(root)))
