"""Indexes of workspaces as a front end meets them, without a table: fixed answers, and a run that goes by steps.

They stand where `naestro.index.scheduling.Indexes` does, for tests of doors; each keeps what it was asked.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from naestro.config import load_settings
from naestro.errors import InputError, NaestroError
from naestro.index.found import (
    Found,
    IndexProgress,
    IndexStatus,
    MapReply,
    Match,
    Place,
    SearchReply,
)
from naestro.index.only import EVERYTHING, Only

FOUND = Found(
    path="naestro/runs/retry.py",
    start=3,
    end=6,
    score=7.25,
    why="defines retry_policy; says retry",
    text='def retry_policy(error):\n    """Decide."""\n    return error.is_retryable\n',
    symbol="retry_policy",
    kind="function",
    language="python",
)
PLACE = Place("naestro/runs/retry.py", 3, 6, "function", "retry_policy", "def retry_policy(error):")
USE = Place("naestro/app.py", 9, 9, "reference", "retry_policy", "    retry_policy(error)")
MATCH = Match("naestro/app.py", 9, "    retry_policy(error)")
MAP = MapReply(text="naestro/runs/retry.py\n  def retry_policy(error):\n", tokens=16, files=1, files_in_all=2)
STEPS = (
    IndexProgress("walking", files=2),
    IndexProgress("parsing", files=1, files_in_all=2, chunks=3, seconds=0.5, seconds_left=1.0),
    IndexProgress("done", files=2, files_in_all=2, chunks=5, seconds=1.5),
)


class KnownIndexes:
    """Answers in fixed words, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.used: list[Path] = []
        self.steps = STEPS
        self.fault: NaestroError | None = None
        """Ends a run behind its first step."""
        self.goes = anyio.Event()
        """A run waits for it behind its first step."""
        self.goes.set()

    async def close(self) -> None:
        """End a run that waits."""
        self.steps = (self.steps[0], IndexProgress("failed", detail="It was stopped."))
        self.goes.set()

    def use(self, root: Path) -> None:
        self.used.append(root)

    async def search(
        self,
        root: Path,
        question: str,
        limit: int = 10,
        buffers: Mapping[str, str | None] = {},
        only: Only = EVERYTHING,
    ) -> SearchReply:
        self.asked.append(("search", root, question, limit, dict(buffers), only))
        is_automatic = load_settings(root).settings.index.automatic
        found = [] if question == "nothing" else [FOUND]
        return SearchReply(found, 1, ["new.py"], is_indexing=is_automatic, detail="Searched by words alone.")

    async def symbol(self, root: Path, name: str, limit: int = 50) -> list[Place]:
        self.asked.append(("symbol", root, name, limit))
        return [PLACE] if name == PLACE.name else []

    async def references(self, root: Path, name: str, limit: int = 200) -> list[Place]:
        self.asked.append(("references", root, name, limit))
        return [USE] if name == PLACE.name else []

    async def outline(self, root: Path, path: str, buffers: Mapping[str, str | None] = {}) -> list[Place]:
        self.asked.append(("outline", root, path, dict(buffers)))
        return [PLACE]

    async def map(self, root: Path, budget_tokens: int = 2000, question: str = "") -> MapReply:
        self.asked.append(("map", root, budget_tokens, question))
        return MAP

    async def grep(
        self, root: Path, regex: str, limit: int = 200, buffers: Mapping[str, str | None] = {}
    ) -> list[Match]:
        self.asked.append(("grep", root, regex, limit, dict(buffers)))
        if regex == "(":
            raise InputError("`(` is no regular expression: a parenthesis is not closed.")
        return [MATCH]

    async def status(self, root: Path) -> IndexStatus:
        self.asked.append(("status", root))
        return IndexStatus(
            workspace=str(root),
            files=2,
            chunks=5,
            skipped_files=3,
            unseen_files=1,
            embedder="static",
            size_bytes=1_500_000,
            is_indexing=False,
            is_watching=True,
            updated="2026-01-31T12:00:00Z",
            skipped={"binary": 2, "minified": 1},
        )

    @asynccontextmanager
    async def updating(
        self, root: Path, *, is_anew: bool = False
    ) -> AsyncIterator[AsyncIterator[IndexProgress]]:
        self.asked.append(("updating", root, is_anew))
        yield self._steps()

    async def _steps(self) -> AsyncIterator[IndexProgress]:
        number = 0
        while number < len(self.steps):
            if number and self.fault is not None:
                raise self.fault
            if number:
                await self.goes.wait()
            yield self.steps[number]
            number += 1
