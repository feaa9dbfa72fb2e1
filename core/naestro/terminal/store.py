"""The user's journal for commands that need no engine: read by anyone, or held for a change."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from naestro.config import Settings, home, load_settings
from naestro.runs.reader import Reader, open_reader

if TYPE_CHECKING:
    from naestro.runs.journal import Journal


def open_store() -> Reader:
    """A reader of the user's journal, a context manager; it takes no lock."""
    return open_reader(home())


@asynccontextmanager
async def open_writer(holder: str) -> AsyncGenerator[tuple["Journal", Settings]]:
    """The user's journal, held for `holder`, a command in words, with the user's own settings."""
    from naestro.runs.journal import open_journal

    settings = load_settings(None).settings
    async with open_journal(home(), holder=holder) as journal:
        yield journal, settings
