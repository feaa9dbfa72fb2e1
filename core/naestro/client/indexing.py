"""The code index in this process, as one caller asks it: limits are checked here, and settings are the caller's own.

It implements `Indexing` of `api`; above stand the client and the composition root, below it the indexes that this
process has open (`naestro.index.scheduling`). It knows nothing of how they are made.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from naestro.client.api import (
    EVERYTHING,
    IndexProgress,
    IndexStatus,
    MapReply,
    Match,
    Only,
    Place,
    SearchReply,
)
from naestro.config import environment
from naestro.errors import InputError
from naestro.policy.workspace import Workspace

QUERY_CHARS_MAX = 4_000
"""A stack trace may be a question; a longer text holds more words than a search can weigh."""
PATTERN_CHARS_MAX = 1_000
NAME_CHARS_MAX = 500
PATH_CHARS_MAX = 4_096
RESULTS_MAX = 200
PLACES_MAX = 10_000
"""Of definitions, uses and matching lines."""
BUDGET_MIN, BUDGET_MAX = 64, 100_000
"""Tokens of a repository map."""
BUFFERS_CHARS_MAX = 8 * 1024 * 1024
"""Of all unsaved texts together; an editor sends those that are open and changed."""


class OpenIndexes(Protocol):
    """The indexes of this process, by the root of their workspace; `naestro.index.scheduling.Indexes` is one."""

    def use(self, root: Path) -> None:
        """Make the index of `root` meanwhile, and keep it fresh; returns at once."""
        ...

    async def search(
        self,
        root: Path,
        question: str,
        limit: int = 10,
        buffers: Mapping[str, str | None] = {},
        only: Only = EVERYTHING,
    ) -> SearchReply:
        """The places of `only` that answer `question`."""
        ...

    async def symbol(self, root: Path, name: str, limit: int = 50) -> list[Place]:
        """Where `name` is defined."""
        ...

    async def references(self, root: Path, name: str, limit: int = 200) -> list[Place]:
        """Where `name` is used."""
        ...

    async def outline(self, root: Path, path: str, buffers: Mapping[str, str | None] = {}) -> list[Place]:
        """What a file defines."""
        ...

    async def map(self, root: Path, budget_tokens: int = 2000, question: str = "") -> MapReply:
        """The repository map."""
        ...

    async def grep(
        self, root: Path, regex: str, limit: int = 200, buffers: Mapping[str, str | None] = {}
    ) -> list[Match]:
        """The lines that match."""
        ...

    async def status(self, root: Path) -> IndexStatus:
        """What the index holds now."""
        ...

    def updating(
        self, root: Path, *, is_anew: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[IndexProgress]]:
        """Begin a run or join it, with its progress as it comes."""
        ...


class LocalIndexing:
    """`naestro.client.api.Indexing` over the indexes of this process."""

    def __init__(self, indexes: OpenIndexes, variables: Mapping[str, str] | None = None) -> None:
        """Ask `indexes` for a caller with this environment; None: this process's own."""
        self._indexes = indexes
        self._variables = variables

    async def use(self, workspace: str) -> None:
        """Say that a workspace is worked in; nothing is waited for."""
        with environment(self._variables):
            self._indexes.use(_root(workspace))

    async def search(
        self,
        workspace: str,
        query: str,
        *,
        limit: int = 10,
        buffers: Mapping[str, str | None] = {},
        only: Only = EVERYTHING,
    ) -> SearchReply:
        """The places of `only` that answer `query`, the best first."""
        check_text("question", query, QUERY_CHARS_MAX)
        if only != EVERYTHING:
            check_text("path", f"{only.path}.", PATH_CHARS_MAX)
            only = only.checked()
        _check_number("limit", limit, 1, RESULTS_MAX)
        _check_buffers(buffers)
        with environment(self._variables):
            return await self._indexes.search(_root(workspace), query, limit, buffers, only)

    async def symbol(self, workspace: str, name: str, *, limit: int = 50) -> list[Place]:
        """Where `name` is defined."""
        check_text("name", name, NAME_CHARS_MAX)
        _check_number("limit", limit, 1, PLACES_MAX)
        with environment(self._variables):
            return await self._indexes.symbol(_root(workspace), name, limit)

    async def references(self, workspace: str, name: str, *, limit: int = 100) -> list[Place]:
        """Where `name` is used."""
        check_text("name", name, NAME_CHARS_MAX)
        _check_number("limit", limit, 1, PLACES_MAX)
        with environment(self._variables):
            return await self._indexes.references(_root(workspace), name, limit)

    async def outline(
        self, workspace: str, path: str, *, buffers: Mapping[str, str | None] = {}
    ) -> list[Place]:
        """What a file defines."""
        check_text("path", path, PATH_CHARS_MAX)
        _check_buffers(buffers)
        with environment(self._variables):
            return await self._indexes.outline(_root(workspace), path, buffers)

    async def map(self, workspace: str, *, budget_tokens: int = 2048, question: str = "") -> MapReply:
        """The repository map."""
        _check_number("budget", budget_tokens, BUDGET_MIN, BUDGET_MAX)
        if question:
            check_text("question", question, QUERY_CHARS_MAX)
        with environment(self._variables):
            return await self._indexes.map(_root(workspace), budget_tokens, question)

    async def grep(
        self, workspace: str, pattern: str, *, limit: int = 200, buffers: Mapping[str, str | None] = {}
    ) -> list[Match]:
        """The lines that match."""
        check_text("regular expression", pattern, PATTERN_CHARS_MAX, is_blank_allowed=True)
        _check_number("limit", limit, 1, PLACES_MAX)
        _check_buffers(buffers)
        with environment(self._variables):
            return await self._indexes.grep(_root(workspace), pattern, limit, buffers)

    async def status(self, workspace: str) -> IndexStatus:
        """What the index holds now."""
        with environment(self._variables):
            return await self._indexes.status(_root(workspace))

    def update(
        self, workspace: str, *, rebuild: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[IndexProgress]]:
        """Bring the index to what the disk says."""
        return self._update(workspace, rebuild=rebuild)

    @asynccontextmanager
    async def _update(self, workspace: str, *, rebuild: bool) -> AsyncGenerator[AsyncIterator[IndexProgress]]:
        async with AsyncExitStack() as held:
            with environment(self._variables):
                updating = self._indexes.updating(_root(workspace), is_anew=rebuild)
                steps = await held.enter_async_context(updating)
            yield steps


def _root(workspace: str) -> Path:
    return Workspace.find(Path(workspace)).root


def check_text(name: str, text: str, max_chars: int, *, is_blank_allowed: bool = False) -> None:
    """Raise `InputError` where `text`, which a person knows as `name`, is empty or longer than is looked for."""
    if not (text if is_blank_allowed else text.strip()):
        raise InputError(f"The {name} is empty.", hint="Say what is looked for.")
    if len(text) > max_chars:
        raise InputError(
            f"The {name} has {len(text):,} characters; at most {max_chars:,} are looked for.",
            hint="Leave out what does not matter.",
        )


def _check_number(name: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise InputError(f"The {name} is {number:,}; it may be {least:,} to {most:,}.")


def _check_buffers(buffers: Mapping[str, str | None]) -> None:
    chars = sum(len(text or "") for text in buffers.values())
    if chars > BUFFERS_CHARS_MAX:
        raise InputError(
            f"The unsaved texts have {chars:,} characters; at most {BUFFERS_CHARS_MAX:,} are taken in.",
            hint="Save the large ones.",
        )
