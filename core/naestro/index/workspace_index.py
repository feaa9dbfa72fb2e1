"""The index of one workspace, as everything above uses it: kept fresh, searched, mapped, looked up.

All methods block and may be called from any thread; a search never waits for an index run. `scheduling` holds one for
each workspace that is used and says when to refresh it; below lie the run (`indexing`), the table (`store`), the
`manifest` and the questions (`search`, `lookup`, `map`, `grep`). It knows no event loop and no front end.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType

from naestro.config import Settings
from naestro.index.found import IndexProgress, IndexStatus, MapReply, Match, Place, SearchReply
from naestro.index.manifest import Manifest
from naestro.index.store import Store
from naestro.policy.workspace import Workspace


def silent(_progress: IndexProgress) -> None:
    """Hear progress and tell nobody."""


class WorkspaceIndex:
    """The open index of one workspace; `close` it, or use it as a context manager.

    The first process to open it writes; every other one reads what that one has written, and takes its place at the
    next `refresh` after it has gone.
    """

    def __init__(self, workspace: Workspace, settings: Settings, folder: Path | None = None) -> None:
        """Open the index of `workspace`; `folder` is where it lies, by default in the cache of the person.

        An index that is damaged, or was made with another embedder, is thrown away here and built at the next
        `refresh`; the status says so. Raises `IndexUnavailable` where its folder cannot be made.
        """
        raise NotImplementedError

    @property
    def manifest(self) -> Manifest:
        """What is indexed, and the names in it."""
        raise NotImplementedError

    @property
    def store(self) -> Store:
        """The chunks; opened when it is first asked for, which takes a second in a process that had none open."""
        raise NotImplementedError

    def refresh(
        self,
        paths: Collection[str] | None = None,
        *,
        progress: Callable[[IndexProgress], None] = silent,
        stop: threading.Event | None = None,
        is_anew: bool = False,
    ) -> IndexProgress:
        """Bring the index to what the disk says: of `paths` alone (relative), or of the whole workspace.

        `progress` is called in this thread, a few times a second at most; `stop`, once set, ends the run soon, what
        was done stays. `is_anew` throws away what is there first. One run at a time: a second one waits for the first.
        Returns the last progress: its phase is `done`, `waiting` where another process writes this index, or `failed`
        with the reason; it raises nothing for what lies in the workspace.
        """
        raise NotImplementedError

    def search(
        self, question: str, limit: int = 10, *, buffers: Mapping[str, str | None] = {}
    ) -> SearchReply:
        """The places that answer `question`, the best first; `buffers` are unsaved texts by path."""
        raise NotImplementedError

    def symbol(self, name: str, limit: int = 50) -> list[Place]:
        """Where `name` (bare or qualified) is defined."""
        raise NotImplementedError

    def references(self, name: str, limit: int = 200) -> list[Place]:
        """Where `name` is used."""
        raise NotImplementedError

    def outline(self, path: str, *, buffers: Mapping[str, str | None] = {}) -> list[Place]:
        """What a file defines, from its top to its end. Raises `WorkspaceError` for a file that is not read."""
        raise NotImplementedError

    def map(self, budget_tokens: int = 2000, question: str = "") -> MapReply:
        """The repository map within about `budget_tokens`, about `question` where there is one."""
        raise NotImplementedError

    def grep(self, regex: str, limit: int = 200, *, buffers: Mapping[str, str | None] = {}) -> list[Match]:
        """Lines that match. Raises `InputError` for what is no regular expression."""
        raise NotImplementedError

    def status(self) -> IndexStatus:
        """What the index holds now."""
        raise NotImplementedError

    def compact(self) -> None:
        """Make searches fast and the folder small again after many changes; for idle time, takes a second or two."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the files and of the lock; a run that is going on ends first."""
        raise NotImplementedError

    def __enter__(self) -> "WorkspaceIndex":
        """This index."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
