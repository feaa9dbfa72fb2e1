"""Sessions: what a conversation in the editor is, kept as documents, so that it outlives every connection and daemon.

`agent` and `turn` above read and change them; below is the client's `documents`. A session is read from the store each
time, never kept in memory: two windows may show the same one, and the daemon may have been restarted in between. It
knows no run's events and no protocol type.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakValueDictionary

import anyio
import msgspec

from naestro.client.api import Documents
from naestro.errors import InputError, NaestroError
from naestro.types import Json

COLLECTION = "acp.sessions"
PAGE_SESSIONS = 50
"""Sessions that one answer to `session/list` names."""

TURNS_BYTES_MAX = 900_000
"""What the turns of one session may have as JSON: a document has at most 1 MiB. The oldest are forgotten first."""

TEXT_CHARS_MAX = 50_000
"""Kept of one prompt and of one reply; the run behind them has the whole."""

CUT = "… (cut)"
TITLE_CHARS = 80
MODES = ("ask", "council", "auto")
DEFAULT_MODE = "council"

_locks: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()
"""One lock for each session that is being changed, over all connections of this process."""


class NoSession(NaestroError):
    """No session of that id exists."""

    code = "no_session"
    default_hint = "Ask `session/list` for the sessions there are, or begin one with `session/new`."


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt and what came of it."""

    prompt: str
    run: str | None = None
    """The run behind it; None for what needed none, such as `/help`."""
    reply: str = ""
    """What the agent said, as shown; empty while the run works."""
    at: str = ""
    """When it was asked: UTC, RFC 3339."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation; replaced, never changed in place."""

    id: str
    cwd: str
    """The absolute folder that the editor named."""
    workspace: str
    """The same folder with its symlinks resolved."""
    created: str
    """UTC, RFC 3339, as `updated`."""
    updated: str
    title: str = ""
    mode: str = DEFAULT_MODE
    """One of `MODES`."""
    options: dict[str, str] = {}
    """What the person chose: `pipeline`, `consensus`, `engines`, `proposers`; absent: as the settings say."""
    turns: list[Turn] = []
    additional_directories: list[str] = []
    mcp_servers: list[dict[str, Json]] = []
    """As the editor gave them; kept in memory only, since they may carry secrets."""
    closed: bool = False

    def stands_in(self, root: str) -> bool:
        """Whether the session's folder lies in the workspace `root`."""
        return Path(self.workspace).is_relative_to(root)


class Sessions:
    """All sessions of the user, as one connection sees them."""

    def __init__(self, documents: Documents) -> None:
        """Keep them in `documents`; the MCP servers that an editor hands over stay here, in memory."""
        self._documents = documents
        self._mcp_servers: dict[str, list[dict[str, Json]]] = {}

    @property
    def lent_to(self) -> list[str]:
        """The ids of the sessions whose servers of tools lie here."""
        return list(self._mcp_servers)

    async def create(
        self, cwd: str, directories: Sequence[str], servers: Sequence[dict[str, Json]]
    ) -> Session:
        """A new session in `cwd`. Raises `InputError` for a folder that is none."""
        root = checked_folder(cwd)
        now = utc_now()
        session = Session(
            id=_new_id(),
            cwd=cwd,
            workspace=str(root.resolve()),
            created=now,
            updated=now,
            additional_directories=[_checked(directory) for directory in directories],
            mcp_servers=list(servers),
        )
        return await self.save(session)

    async def find(self, session_id: str) -> Session:
        """The session, whoever made it. Raises `NoSession`."""
        session = self._whole(await self._documents.get(COLLECTION, session_id))
        if session is None:
            raise NoSession(f"There is no such session: {session_id}.")
        return session

    async def open(
        self, session_id: str, cwd: str, directories: Sequence[str], servers: Sequence[dict[str, Json]]
    ) -> Session:
        """A session that an editor goes on with, in the folder that it names now. Raises `NoSession`, `InputError`."""
        root = str(checked_folder(cwd).resolve())
        extra = [_checked(directory) for directory in directories]

        def reopen(session: Session) -> Session:
            return msgspec.structs.replace(
                session,
                cwd=cwd,
                workspace=root,
                additional_directories=extra,
                mcp_servers=list(servers),
                closed=False,
            )

        return await self.change(session_id, reopen)

    async def save(self, session: Session) -> Session:
        """Keep `session`, with as many of its turns as fit; durable when this returns. What was kept.

        After an await, `change` is the safer one.
        """
        self._mcp_servers[session.id] = session.mcp_servers
        session = msgspec.structs.replace(session, turns=_fitting(session.turns))
        kept = msgspec.structs.replace(session, mcp_servers=[])
        await self._documents.put(COLLECTION, session.id, msgspec.to_builtins(kept))
        return session

    async def change(self, session_id: str, edit: Callable[[Session], Session]) -> Session:
        """Keep what `edit` makes of the session as it is now, whoever else changes it. Raises `NoSession`."""
        async with _locks.setdefault(session_id, anyio.Lock()):
            session = await self.find(session_id)
            edited = edit(session)
            return session if edited == session else await self.save(edited)

    async def fork(
        self, session_id: str, cwd: str, directories: Sequence[str], servers: Sequence[dict[str, Json]]
    ) -> Session:
        """A new session with the turns and choices of another. Raises `NoSession`, `InputError`."""
        source = await self.find(session_id)
        new = await self.create(cwd, directories, servers)
        return await self.save(
            msgspec.structs.replace(
                new, title=source.title, mode=source.mode, options=source.options, turns=source.turns
            )
        )

    async def delete(self, session_id: str) -> None:
        """Forget a session; its runs stay in the journal. It is no fault when there is none."""
        self._mcp_servers.pop(session_id, None)
        await self._documents.delete(COLLECTION, session_id)

    async def page(self, cwd: str | None, cursor: str | None) -> tuple[list[Session], str | None]:
        """Sessions, the latest first, in folder `cwd` where one is given; and the cursor of the next page."""
        documents = await self._documents.list(COLLECTION)
        kept = [session for _, value in documents if (session := self._whole(value)) is not None]
        root = None if cwd is None else _absolute(cwd).resolve()
        wanted = [session for session in kept if root is None or root == Path(session.workspace)]
        wanted.sort(key=_order, reverse=True)
        if cursor is not None:
            before = _position(cursor)
            wanted = [session for session in wanted if _order(session) < before]
        page = wanted[:PAGE_SESSIONS]
        more = len(wanted) > len(page)
        return page, "|".join(_order(page[-1])) if more else None

    def _whole(self, value: Json | None) -> Session | None:
        """The session that was kept as `value`; None where another version kept what cannot be read here."""
        try:
            session = msgspec.convert(value, Session)
        except msgspec.ValidationError:
            return None
        servers = self._mcp_servers.get(session.id)
        return msgspec.structs.replace(session, mcp_servers=servers) if servers else session


def title_of(prompt: str) -> str:
    """A session's title: the first line of its first prompt, cut at a word; empty where it says nothing."""
    line = next((stripped for line in prompt.splitlines() if (stripped := line.strip())), "")
    if len(line) <= TITLE_CHARS:
        return line
    return f"{line[: TITLE_CHARS - 1].rsplit(' ', 1)[0]}…"


def _fitting(turns: Sequence[Turn]) -> list[Turn]:
    """The latest of `turns`, as far as they fit into a document, each with texts of bearable length."""
    kept: list[Turn] = []
    size_bytes = 0
    for turn in reversed(turns):
        shorter = msgspec.structs.replace(turn, prompt=_cut(turn.prompt), reply=_cut(turn.reply))
        size_bytes += len(msgspec.json.encode(shorter)) + 1
        if size_bytes > TURNS_BYTES_MAX:
            break
        kept.append(shorter)
    return kept[::-1]


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - len(CUT)] + CUT


def utc_now() -> str:
    """Now, as RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def checked_folder(path: str) -> Path:
    """`path` as the folder that it names. Raises `InputError` where it is relative or no folder."""
    folder = _absolute(path)
    try:
        is_folder = folder.is_dir()
    except (OSError, ValueError):  # no permission, a name that is too long, a zero byte
        is_folder = False
    if not is_folder:
        raise InputError(f"There is no folder {path!r}.", hint="Open a folder that exists on this machine.")
    return folder


def _absolute(path: str) -> Path:
    if not Path(path).is_absolute():
        raise InputError(f"The folder {path!r} is relative.", hint="Send an absolute path.")
    if "\0" in path:
        raise InputError(f"There is no folder {path!r}.", hint="Open a folder that exists on this machine.")
    return Path(path)


def _checked(path: str) -> str:
    checked_folder(path)
    return path


def _new_id() -> str:
    """Ordered by time, and not to be guessed."""
    return f"{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(10)}"


def _order(session: Session) -> tuple[str, str]:
    return session.updated, session.id


def _position(cursor: str) -> tuple[str, str]:
    updated, separator, session_id = cursor.partition("|")
    if not separator:
        raise InputError(
            "The cursor is none of this agent's.", hint="Ask for the first page, without a cursor."
        )
    return updated, session_id
