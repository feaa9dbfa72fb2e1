"""The composition root: where concrete classes are chosen and put together.

A front end opens a client here; nothing below knows which classes stand behind the protocols that it works with.
"""

import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from naestro.client.api import Client, Command, EngineStatus, Indexing, LendableTooling
from naestro.client.documents import JournalDocuments
from naestro.client.indexing import LocalIndexing
from naestro.client.local import Core, LocalClient
from naestro.client.machine import LocalMachine, load_leniently
from naestro.commands import explain, judge, orchestrate, review, test
from naestro.config import (
    Loaded,
    Settings,
    environment,
    home,
    load_settings,
    require_available,
    settings_for_journal,
    settings_from_journal,
)
from naestro.config_sources import Source, dotted, flatten
from naestro.council.sitting import Kit
from naestro.engines.catalogue import engine_settings
from naestro.engines.embedded import Home
from naestro.engines.engine import Engine
from naestro.engines.fetch import installed
from naestro.engines.shelf import Shelf
from naestro.errors import IndexFault, InputError, NoEngine
from naestro.index.grounding import IndexSearcher
from naestro.policy.editor import Editor, ToolLender
from naestro.policy.trust import is_trusted
from naestro.policy.workspace import Workspace
from naestro.routing.pool import Pool
from naestro.runs.execution import Flow
from naestro.runs.journal import Journal, open_journal
from naestro.runs.run import Run
from naestro.tools.servers.lent import Lent
from naestro.tools.tool import PlainTools
from naestro.types import Json, RunStarted, Value

if TYPE_CHECKING:
    from naestro.index.scheduling import Indexes
    from naestro.index.workspace_index import WorkspaceIndex

log = logging.getLogger(__name__)

COMMANDS: Mapping[str, Callable[[Run, Kit], Awaitable[Value]]] = {
    "orchestrate": orchestrate.orchestrate,
    "explain": explain.explain,
    "judge": judge.judge,
    "test": test.test,
    "review": review.review,
}
"""The flow of each command."""
WITHOUT_WORDS = ("review",)
"""Commands that mean something without a text."""

SWITCH_S = 0.0005
"""How long a worker thread (a commit, a search) may keep the interpreter while the event loop waits. Python's own 5 ms,
met a few times between two steps, cost more than all that the steps do."""


@asynccontextmanager
async def open_client(holder: str) -> AsyncGenerator[Client]:
    """A client that works in this process and holds the journal for `holder`, a command in words; see `open_core`.

    It indexes nothing by itself: it may end before that were done.
    """
    async with open_core(holder, is_lasting=False) as client:
        yield client


@asynccontextmanager
async def open_indexing() -> AsyncGenerator[Indexing]:
    """The code index in this process, without a journal; nothing is indexed or watched by itself."""
    async with _open_indexes(is_following=False) as indexes:
        yield LocalIndexing(indexes)


@asynccontextmanager
async def open_core(holder: str, *, is_lasting: bool = True) -> AsyncGenerator[LocalClient]:
    """All of the core in this process, which holds the journal for `holder`, a command in words.

    Where it `is_lasting`, workspaces that are worked in are indexed and watched, as their settings say.
    When the block ends, runs that still work are parked, and engines that were started end. A daemon calls
    `shut_down` first, so that its successor goes on with them.
    A journal over the person's size limit loses its oldest ended runs first.
    Raises `JournalLocked` at once when another process holds the journal.
    """
    sys.setswitchinterval(SWITCH_S)
    limit_bytes = load_settings(None).settings.journal.max_size_bytes
    async with (
        open_journal(home(), holder=holder, max_size_bytes=limit_bytes) as journal,
        anyio.create_task_group() as servers,
        Shelf(Home(logs=home() / "logs", tasks=servers)) as shelf,
        _open_indexes(is_following=is_lasting) as indexes,
        anyio.create_task_group() as tasks,
    ):
        core = Core(
            journal=journal,
            prepare=prepare,
            flow=partial(_open_flow, journal, shelf, indexes, {}),
            engines=partial(_engine_states, shelf),
            machine=_machine_of,
            index=partial(LocalIndexing, indexes),
            tooling=partial(_tooling_of, journal, Lent()),
            close_indexes=indexes.close,
        )
        yield LocalClient(core, tasks)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def _open_indexes(*, is_following: bool) -> "AsyncGenerator[Indexes]":
    """The code indexes of this process; what is under way of them ends with the block."""
    from naestro.index.scheduling import Indexes

    async with anyio.create_task_group() as tasks:
        async with Indexes(tasks, _index_settings, is_following=is_following) as indexes:
            yield indexes
        tasks.cancel_scope.cancel()


def _index_settings(root: Path) -> Settings:
    """The settings by which a workspace is indexed: what its own file may not say is left out, since nobody asked."""
    return load_settings(root, is_trusted=is_trusted, is_strict=False).settings


def _machine_of(variables: Mapping[str, str] | None) -> LocalMachine:
    """The machine as a caller with these variables sees it: settings are read with them."""

    def load(root: Path | None) -> Loaded:
        with environment(variables):
            return load_leniently(root)

    return LocalMachine(load)


def settings_of(workspace: Path, overrides: Mapping[str, Json] = {}) -> Loaded:
    """The settings that count in a workspace (its root); `overrides` are nested like `naestro.toml`."""
    entries = flatten(overrides, Source("command line"))
    flat = {dotted(path): entry.value for path, entry in entries.items()}
    return load_settings(workspace, flat, is_trusted=is_trusted)


def prepare(command: Command) -> tuple[str, dict[str, Json]]:
    """The root of the command's workspace and the settings to record.

    Raises `InputError` for an unknown command or an empty task, `ConfigError` for what the settings say wrong,
    `NoEngine` for a role's engine that is not there: a run keeps its settings, so resuming it would not mend that.
    """
    if command.name not in COMMANDS:
        raise InputError(f"There is no command {command.name!r}; there are {', '.join(COMMANDS)}.")
    if command.name not in WITHOUT_WORDS and not str(command.task.get("text", "")).strip():
        raise InputError("The task is empty.", hint="Say in a few words what is wanted.")
    root = Workspace.find(Path(command.workspace)).root
    settings = settings_of(root, command.settings).settings
    require_available(settings)
    engines = list(engine_settings(settings, installed()))
    _check_roles(settings, engines)
    return str(root), settings_for_journal(_with_local_models(settings, engines))


def _check_roles(settings: Settings, engines: list[str]) -> None:
    """Raise `NoEngine` for the first role that names an engine which is none of `engines`."""
    for role, one in settings.roles:
        for name in one.engines:
            if name not in engines:
                raise NoEngine(
                    f"No engine is called {name!r}, which roles.{role}.engines names; "
                    f"there are: {', '.join(engines) or 'none'}.",
                    hint="Correct the name, configure that engine, or fetch its model with `naestro models pull`.",
                )


def _with_local_models(settings: Settings, engines: list[str]) -> Settings:
    """`settings` with the local ones of `engines` by name: a resumed or replayed run has the same engines."""
    local = [name for name in engines if name not in settings.engines]
    flags = settings.flags.model_copy(update={"local_models": tuple(local)})
    return settings.model_copy(update={"flags": flags})


@asynccontextmanager
async def _open_flow(
    journal: Journal,
    shelf: Shelf,
    indexes: "Indexes",
    limiters: dict[int, anyio.CapacityLimiter],
    started: RunStarted,
    editor: Editor | None,
) -> AsyncGenerator[Flow]:
    """The flow of a recorded run with its kit, made from the settings that the run was started with.

    Isolation counts as it is now, too: a run that was started without it sends nothing out when it goes on under it.
    """
    settings = settings_from_journal(started.settings)
    workspace = Workspace(Path(started.workspace))
    now = load_settings(workspace.root, is_trusted=is_trusted, is_strict=False).settings
    if now.isolated:
        settings = settings.model_copy(update={"isolated": True})
    roles = settings.roles
    preferences = {
        "proposer": roles.proposer.engines,
        "critic": roles.critic.engines,
        "synthesizer": roles.synthesizer.engines,
        "judge": roles.judge.engines,
    }
    searcher = IndexSearcher(await _open_index(indexes, workspace.root), workspace)
    limit = settings.flags.concurrency_max
    limiter = limiters.setdefault(limit, anyio.CapacityLimiter(limit))
    pool = Pool(shelf.engines(settings), preferences, limiter)
    plain = Kit(workspace, pool, settings, searcher, journal, editor)
    command = COMMANDS[started.command]
    async with _open_kit(plain, now) as kit:

        async def flow(run: Run) -> Value:
            return await command(run, kit)

        yield flow


@asynccontextmanager
async def _open_kit(kit: Kit, now: Settings) -> AsyncGenerator[Kit]:
    """`kit` with its tools, where its settings offer any; servers end with the block.

    Servers are those that there are `now`: what they are given may be secret, so that no run records it.
    """
    if not kit.settings.tools.enabled:
        yield kit
        return
    from naestro.tools.builtin import BuiltinTools, Desk
    from naestro.tools.servers.definition import all_definitions, file_trust

    own = BuiltinTools(Desk(kit.files, kit.searcher)) if kit.settings.tools.builtin else None
    root = kit.workspace.root
    lent = kit.editor.tool_servers if isinstance(kit.editor, ToolLender) else ()
    definitions = all_definitions(root, now, is_trusted=file_trust(root), lent=lent)
    if not definitions.servers:
        yield replace(kit, tools=PlainTools(own, definitions.troubles))
        return
    from naestro.tools.servers.allowed import Permissions
    from naestro.tools.servers.source import open_tools
    from naestro.tools.servers.way import Terms

    permissions = Permissions(JournalDocuments(kit.journal))
    terms = Terms(kit.settings.tools, home() / "logs", kit.settings.isolated)
    async with open_tools(own, definitions, terms, permissions) as tools:
        yield replace(kit, tools=tools)


def _tooling_of(journal: Journal, lent: Lent, variables: Mapping[str, str] | None) -> LendableTooling:
    """The servers of tools as a caller with these variables sees them."""
    from naestro.client.tooling import LocalTooling

    def load(root: Path) -> Settings:
        return load_settings(root, is_trusted=is_trusted, is_strict=False).settings

    return LocalTooling(JournalDocuments(journal), load, home() / "logs", lent, variables)


async def _open_index(indexes: "Indexes", root: Path) -> "WorkspaceIndex | None":
    """The index of a workspace, made and followed as its settings say; None where it cannot be opened here."""
    try:
        return await indexes.open(root)
    except IndexFault as fault:
        log.warning("The index of %s cannot be used: %s", root, fault.message)
        return None


async def _engine_states(shelf: Shelf, workspace: str) -> list[EngineStatus]:
    settings = settings_of(Workspace.find(Path(workspace)).root).settings
    return [await _state(engine) for engine in shelf.engines(settings)]


async def _state(engine: Engine) -> EngineStatus:
    info, health = engine.info, await engine.health()
    return EngineStatus(
        name=info.name,
        model=info.model,
        context_tokens=info.context_tokens,
        is_local=info.is_local,
        is_ready=health.is_ready,
        detail=health.detail,
    )
