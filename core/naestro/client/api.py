"""The control API as a caller sees it: one interface, whoever holds the core.

`local.py` implements it in the process that holds the journal, `http.py` over the daemon's control API. Protocol
servers and the command line know this module and `naestro.types`, and nothing else of the core.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from naestro.index.found import IndexProgress, IndexStatus, MapReply, Match, Place, SearchReply
from naestro.index.only import EVERYTHING, Only, is_pattern
from naestro.policy.editor import Editor, TerminalOutcome
from naestro.runs.replay import Difference
from naestro.runs.waterfall import Bar, Waterfall, seconds, usage_words, waterfall
from naestro.types import Delta, Digest, Event, Json, Origin, RunInfo, Value

__all__ = [
    "EVERYTHING",
    "Bar",
    "Client",
    "Command",
    "Difference",
    "Documents",
    "Editor",
    "EngineStatus",
    "FileText",
    "Files",
    "FoundServer",
    "IndexProgress",
    "IndexStatus",
    "Indexing",
    "LendableTooling",
    "Machine",
    "MapReply",
    "Match",
    "ModelStatus",
    "Only",
    "Place",
    "PullProgress",
    "SearchReply",
    "ServerTool",
    "TerminalOutcome",
    "ToolServer",
    "ToolServerLook",
    "Tooling",
    "Waterfall",
    "is_pattern",
    "seconds",
    "usage_words",
    "waterfall",
]


class Command(Value, kw_only=True, frozen=True):
    """What a person asks for."""

    name: str
    """`orchestrate`, `explain`, `judge`, `test` or `review`."""
    task: dict[str, Json]
    """The command's own arguments: `{"text": …, "files": […]}`, `{"target": …}`, `{"text": …, "candidates": […]}`."""
    workspace: str
    """Absolute path of a folder in the workspace."""
    origin: Origin
    settings: dict[str, Json] = {}
    """The caller's own settings, nested like `naestro.toml`; they win over files and environment."""
    seed: int | None = None
    """Makes a run repeatable; None draws one."""


class EngineStatus(Value, kw_only=True, frozen=True):
    """One engine of the settings, and whether it can answer."""

    name: str
    model: str
    context_tokens: int
    is_local: bool
    is_ready: bool
    detail: str


class ModelStatus(Value, kw_only=True, frozen=True):
    """One model of the catalogue, and whether it is on this machine."""

    name: str
    size_bytes: int
    licence: str
    source: str
    """Where it would be fetched from, in words a person understands."""
    is_installed: bool
    is_recommended: bool = False
    """Whether the first use should offer it."""


class PullProgress(Value, kw_only=True, frozen=True):
    """How far the fetching of a model is; the last one has `done_bytes == total_bytes`."""

    name: str
    done_bytes: int
    total_bytes: int
    detail: str = ""
    """What is being done, in a few words."""


class FoundServer(Value, kw_only=True, frozen=True):
    """A server on loopback that speaks the OpenAI API."""

    kind: str
    """`ollama`, `lm-studio`, `vllm`, `llama.cpp` or `openai`."""
    base_url: str
    models: list[str]
    """The models that it names, none of them loaded by asking."""


class ToolServer(Value, kw_only=True, frozen=True):
    """A server of tools that speaks the Model Context Protocol; nothing is started to tell this."""

    name: str
    origin: str
    """`settings`, `.mcp.json` or `editor`."""
    starts: str
    """Its command or address, secrets left out."""
    patterns: list[str]
    """What is allowed of its tools, by name or pattern; empty: nothing."""
    log: str
    """Where what it writes to its standard error lies."""


class ServerTool(Value, kw_only=True, frozen=True):
    """A tool of a server."""

    name: str
    called: str
    """Its name for a model."""
    description: str
    title: str
    schema: dict[str, Json]
    hints: dict[str, Json]
    """What the server says of it: `read_only_hint` and the like; not to be relied on."""
    digest: str
    """Of all of this; by it one knows that it changed."""
    standing: str
    """`allowed`, `off`, `new` (it came after the look) or `changed` (then the whole server is off)."""


class ToolServerLook(Value, kw_only=True, frozen=True):
    """A server of tools that was started to be looked at."""

    server: ToolServer
    tools: list[ServerTool]
    lost: dict[str, str]
    """Tools with a broken description, and what is wrong with each."""


class Tooling(Protocol):
    """The servers of tools of a workspace, named by the absolute path of a folder in it.

    Every method may raise a `NaestroError`: `InputError` for a server that there is not, `ToolError` for one that
    cannot be reached.
    """

    async def servers(self, workspace: str) -> list[ToolServer]:
        """All that the settings and a trusted `.mcp.json` name."""
        ...

    async def look(self, workspace: str, server: str) -> ToolServerLook:
        """Start a server, and tell its tools."""
        ...

    async def allow(
        self, workspace: str, server: str, patterns: list[str], *, seen: Mapping[str, str] = {}
    ) -> ToolServerLook:
        """Allow the tools that fit `patterns`; none: what was allowed before, as it is described now.

        `seen` are digests of what the person saw; a tool that changed since is refused.
        """
        ...

    async def deny(self, workspace: str, server: str, patterns: list[str]) -> bool:
        """Take back `patterns`, or all that was allowed of the server; whether there was anything."""
        ...

    async def log(self, workspace: str, server: str) -> str:
        """What the server wrote to its standard error of late."""
        ...


class LendableTooling(Tooling, Protocol):
    """The same for a protocol server in this process, whose editor may bring servers of its own."""

    async def lend(self, session: str, workspace: str, servers: Sequence[Mapping[str, Json]]) -> list[str]:
        """The editor of `session` lends `servers`, as the Agent Client Protocol has them, and no others.

        They are kept in memory only, until `take_back`. What is returned is to be told to the person, a sentence each:
        what of them is off, and how to switch it on.
        """
        ...

    def take_back(self, session: str) -> None:
        """The editor of `session` lends nothing any more."""
        ...


class Documents(Protocol):
    """Small JSON documents that a protocol server keeps over restarts: its sessions, what the person allowed."""

    async def put(self, collection: str, key: str, value: Json) -> None:
        """Keep `value` under `key`, in place of what was there; durable when this returns."""
        ...

    async def get(self, collection: str, key: str) -> Json | None:
        """What lies under `key`; None where nothing does."""
        ...

    async def list(self, collection: str) -> list[tuple[str, Json]]:
        """All of a collection as (key, value), the latest put first."""
        ...

    async def delete(self, collection: str, key: str) -> None:
        """Remove what lies under `key`, if anything does."""
        ...


class Machine(Protocol):
    """What is on this machine besides runs."""

    async def models(self) -> list[ModelStatus]:
        """The catalogue, in its order."""
        ...

    def pull(self, name: str) -> AbstractAsyncContextManager[AsyncIterator[PullProgress]]:
        """Fetch a model, with its progress at most ten times a second. Leaving the context early stops the fetch."""
        ...

    async def servers(self) -> list[FoundServer]:
        """Model servers that answer on loopback now; takes at most a second."""
        ...

    async def settings(self, workspace: str) -> dict[str, tuple[str, str]]:
        """Each setting by its dotted key: its value as JSON, secrets masked, and where it came from."""
        ...


class FileText(Value, kw_only=True, frozen=True):
    """Lines of a text file of a workspace."""

    path: str
    """From the workspace's root, symlinks resolved."""
    start: int
    """The first line of `text`, from 1."""
    text: str
    """With line feeds between the lines; empty where the file has no such lines."""
    lines: int
    """How many the file has."""


class Files(Protocol):
    """The text files of a workspace, inside its border: what is ignored, secret-looking or elsewhere is refused.

    A workspace is named by the absolute path of a folder in it. Every method may raise a `NaestroError`.
    """

    async def root(self, workspace: str) -> str:
        """The workspace's root: the nearest folder with a `naestro.toml`, else that of git, else the one named."""
        ...

    async def read(self, workspace: str, path: str, *, start: int = 1, end: int | None = None) -> FileText:
        """The lines `start` to `end`, inclusive, of the file at `path`; None: to its last."""
        ...

    async def names(self, workspace: str, beginning: str, *, limit: int = 100) -> list[str]:
        """The files and folders (with a `/` at their end) of one folder whose paths begin so, by the alphabet."""
        ...


class Indexing(Protocol):
    """The code index of a workspace, each named by the absolute path of a folder in it.

    A question never waits for an index run: it is answered from what is there, by the words of the files as they are
    where no index is. `buffers` are what an editor has of files and did not save, by path from the workspace's root;
    None: deleted there. Every method may raise a `NaestroError`: `InputError` for what is beyond a limit.
    """

    async def use(self, workspace: str) -> None:
        """Say that a workspace is worked in: its index is made and kept fresh, if `index.automatic` says so."""
        ...

    async def search(
        self,
        workspace: str,
        query: str,
        *,
        limit: int = 10,
        buffers: Mapping[str, str | None] = {},
        only: Only = EVERYTHING,
    ) -> SearchReply:
        """The places of `only` that answer `query`, the best first; at most `limit`, 1 to 200."""
        ...

    async def symbol(self, workspace: str, name: str, *, limit: int = 50) -> list[Place]:
        """Where `name`, bare or qualified, is defined."""
        ...

    async def references(self, workspace: str, name: str, *, limit: int = 100) -> list[Place]:
        """Where `name` is used."""
        ...

    async def outline(
        self, workspace: str, path: str, *, buffers: Mapping[str, str | None] = {}
    ) -> list[Place]:
        """What the file at `path`, from the workspace's root, defines, from its top to its end."""
        ...

    async def map(self, workspace: str, *, budget_tokens: int = 2048, question: str = "") -> MapReply:
        """The repository map within about `budget_tokens`, about `question` where there is one."""
        ...

    async def grep(
        self, workspace: str, pattern: str, *, limit: int = 200, buffers: Mapping[str, str | None] = {}
    ) -> list[Match]:
        """The lines that the regular expression `pattern` matches, by path and line."""
        ...

    async def status(self, workspace: str) -> IndexStatus:
        """What the index holds now."""
        ...

    def update(
        self, workspace: str, *, rebuild: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[IndexProgress]]:
        """Bring the index to what the disk says, or anew from nothing, with the progress as it comes.

        The last progress has the phase `done`, `failed` or `waiting` (another process writes this index). A run that
        goes on is joined. Leaving the context early leaves the run to the process that works on it.
        """
        ...


class Parts(Protocol):
    """What a client offers besides runs."""

    @property
    def documents(self) -> Documents:
        """What a protocol server keeps over restarts."""
        ...

    @property
    def machine(self) -> Machine:
        """Models, servers and settings."""
        ...

    @property
    def index(self) -> Indexing:
        """The code index of each workspace."""
        ...

    @property
    def tooling(self) -> Tooling:
        """The servers of tools of each workspace."""
        ...


class Client(Parts, Protocol):
    """What a front end may ask of the core. Every method may raise a `NaestroError`."""

    async def start(self, command: Command) -> str:
        """Start a run; its id."""
        ...

    async def resume(self, run: str) -> str:
        """Go on with a run that stopped, was cancelled, failed or was patched; its whole id."""
        ...

    async def runs(self, *, limit: int = 50, workspace: str | None = None) -> list[RunInfo]:
        """The latest runs, newest first."""
        ...

    async def get(self, run: str) -> RunInfo:
        """One run, by id, a unique beginning of one, or `last`."""
        ...

    async def history(self, run: str, after: int = 0) -> list[Event]:
        """The recorded events after number `after`, in order."""
        ...

    def events(self, run: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Event | Delta]]:
        """Follow a run: what is recorded after number `after`, then what comes, until it ends or stops."""
        ...

    async def cancel(self, run: str, reason: str) -> None:
        """Stop a run's work at once; returns when that is recorded."""
        ...

    async def park(self, run: str) -> None:
        """Stop working on a run without cancelling it: it waits for `resume`."""
        ...

    async def respond(self, run: str, interrupt: str, answer: str, *, by: str) -> None:
        """Answer an interrupt, in this process or after a restart."""
        ...

    async def patch(self, run: str, step: str, target: str, text: str, *, by: str) -> int:
        """Replace a step's `output` or an input such as `prompt`; the step's new revision."""
        ...

    async def rerun(self, run: str, step: str, *, by: str) -> int:
        """Open a new revision of a step and of all that depends on it; its number."""
        ...

    async def fork(self, run: str, *, at: str | None = None) -> str:
        """A new run that keeps the outputs which do not depend on step `at`; its id. It does not start by itself."""
        ...

    async def replay(self, run: str) -> str:
        """Run a run's command again with the recorded seeds, prompts and engines; the new run's id."""
        ...

    async def compare(self, before: str, after: str) -> list[Difference]:
        """Where two runs differ, step by step."""
        ...

    async def artifact(self, digest: Digest) -> bytes:
        """A recorded blob."""
        ...

    async def undo(self, run: str, *, by: str) -> list[str]:
        """Take back the patch that a run applied; the paths that were restored."""
        ...

    async def engines(self, workspace: str) -> list[EngineStatus]:
        """The engines that the settings of a workspace name."""
        ...


class CallerClient(Client, Protocol):
    """A client of one caller, whose environment counts for the runs that it starts or resumes."""

    @property
    def tooling(self) -> LendableTooling:
        """The servers of tools of each workspace."""
        ...

    @property
    def files(self) -> Files:
        """The text files of each workspace."""
        ...

    def with_editor(self, editor: Editor) -> "CallerClient":
        """The same client; runs that it starts or resumes use `editor` until they end."""
        ...

    def adopt(self, run: str) -> None:
        """Lend this client's editor to a run that is worked on already, in place of the one that it had.

        Nothing happens where this client has no editor, or nobody works on the run.
        """
        ...
