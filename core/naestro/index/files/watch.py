"""What changes in a workspace, told as soon as it is quiet again: by the system's own notices, never by looking.

Only folders that a walk enters are watched, each by itself: a `node_modules` or a build folder costs nothing. What git
does to many files (a checkout, a rebase, a pull) is told as one change, when git has let go of its lock. `open_index`
lies above, watchfiles below. It opens no file of the workspace.
"""

import os
import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from naestro.policy.git_folder import exclude_file, git_folder, repository_above

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

STEP_MS: Final = 15
"""Between two looks at what the system has told; a change is told when one of them brings nothing new."""
IDLE_STEP_MS: Final = 60
"""The same after a while without any change: a workspace that nobody works in costs next to nothing."""
IDLE_AFTER_S: Final = 120.0
DEBOUNCE_MS: Final = 300
"""At most so long after the first of many changes it is told what there is."""
GIT_S: Final = 30.0
"""Git's lock is waited for that long; a longer one was left behind by a git that was killed."""
GIT_QUIET_S: Final = 0.15
"""After git is done: a rebase or a pull goes on at once."""
FOLDERS_MAX: Final = 60_000
"""Folders that are watched one by one: half of what systems commonly allow one user."""
TRIES: Final = 5
"""To watch folders of which one goes away at that moment."""
PATHS_MAX: Final = 200
"""More changed paths than that are looked for by a walk."""

MANY: Final = 100
"""Notices while git is at work, from which on it is a branch switch or the like: two or three come for each file."""

_LIMIT = re.compile(r"os error (?:12|23|24|28)\b|limit", re.IGNORECASE)
"""No memory, too many open files, no room for one more watch."""


class CannotWatch(Exception):
    """The system tells no changes here; the message is a sentence for a person."""


class Stop(Protocol):
    """Ends a wait from another thread."""

    def is_set(self) -> bool:
        """Whether it is to end."""
        ...


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed."""

    paths: frozenset[str] | None
    """Files, relative to the root with `/`; None: it takes a walk to tell."""


@dataclass(slots=True)
class _Git:
    """The files of the repository that say what git does."""

    folder: Path
    """Where HEAD and the lock are; in a linked worktree that is not `.git`."""
    exclude: Path
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Name what matters."""
        heads = ("HEAD", "ORIG_HEAD", "MERGE_HEAD", "index.lock")
        self.names = frozenset({*(str(self.folder / name) for name in heads), str(self.exclude)})

    @property
    def lock(self) -> Path:
        """There while git changes files."""
        return self.folder / "index.lock"

    @classmethod
    def of(cls, root: Path) -> "_Git | None":
        """That of the repository that `root` lies in, or None where there is none that git would take."""
        top = repository_above(root)
        folder = git_folder(top) if top else None
        return cls(folder.resolve(), Path(os.path.realpath(exclude_file(folder)))) if folder else None


class Watcher:
    """Watches the folders of one workspace; `close` it. One thread waits at a time."""

    def __init__(self, root: Path, folders: Sequence[str], *, folders_max: int = FOLDERS_MAX) -> None:
        """Watch `folders`, relative to `root`. Raises CannotWatch."""
        if len(folders) > folders_max:
            raise CannotWatch(f"The workspace has {len(folders)} folders, too many to be watched.")
        self.folders = frozenset(folders)
        self._root = root
        self._start = f"{root}{os.sep}" if str(root) != os.sep else os.sep
        self._git = _Git.of(root)
        self.git_s = GIT_S
        """How long git's lock is waited for."""
        self.on_many: Callable[[], object] = bool
        """Called while git changes more than `MANY` files, before it is done, from the thread that waits."""
        self._changed_at = time.monotonic()
        self._stale_lock = 0
        git = (str(self._git.folder), str(self._git.exclude.parent)) if self._git else ()
        paths = [f"{self._start}{folder}".rstrip(os.sep) or os.sep for folder in folders]
        try:
            self._rust = _watching([*dict.fromkeys([*paths, *git])])
        except UnicodeEncodeError as error:
            raise CannotWatch("The workspace's path is no UTF-8 text, and cannot be watched.") from error
        except (OSError, RuntimeError) as error:
            raise _cannot(error) from error

    def wait(self, stop: Stop) -> Changed | None:
        """What changed next; None when `stop` was set. Raises CannotWatch."""
        while True:
            told = self._told(stop, 0 if self._is_idle() else int(IDLE_AFTER_S * 1000))
            if told is None:
                return None
            changed = self._changed(told | self._after_git(told, stop))
            if changed is not None:
                self._changed_at = time.monotonic()
                return changed

    def use(self) -> None:
        """Say that somebody works here: changes are told at once for a while."""
        self._changed_at = time.monotonic()

    def close(self) -> None:
        """End watching."""
        self._rust.close()

    def _is_idle(self) -> bool:
        return time.monotonic() - self._changed_at > IDLE_AFTER_S

    def _told(self, stop: Stop, timeout_ms: int) -> set[str] | None:
        """Paths that the system tells of, none after `timeout_ms` (0: never); None when `stop` was set."""
        step = IDLE_STEP_MS if self._is_idle() else STEP_MS
        try:
            told = self._rust.watch(DEBOUNCE_MS, step, timeout_ms, stop)
        except (OSError, RuntimeError) as error:
            raise _cannot(error) from error
        if told == "timeout":
            return set()
        return None if isinstance(told, str) else {path for _, path in told}

    def _after_git(self, told: Collection[str], stop: Stop) -> set[str]:
        """What else is told until git is done, where it is at work."""
        more: set[str] = set()
        if self._git is None or not (told and (self._is_locked() or self._git.names.intersection(told))):
            return more
        deadline = time.monotonic() + self.git_s
        is_told = False
        while not stop.is_set():
            if not is_told and len(more) + len(told) > MANY:
                is_told = True
                self.on_many()
            heard = self._told(stop, int(GIT_QUIET_S * 1000))
            more |= heard or set()
            if not heard and not self._is_locked():
                break
            if time.monotonic() > deadline:
                self._stale_lock = _inode(self._git.lock)
                break
        return more

    def _is_locked(self) -> bool:
        inode = _inode(self._git.lock) if self._git else 0
        return inode not in (0, self._stale_lock)

    def _changed(self, told: Collection[str]) -> Changed | None:
        """What that means; None where it means nothing."""
        paths = {path[len(self._start) :] for path in told if path.startswith(self._start)}
        paths = {path for path in paths if ".git" not in path.split("/")}
        if self._git and any(path in self._git.names and path != str(self._git.lock) for path in told):
            return Changed(None)
        if not paths:
            return None
        return Changed(None if len(paths) > PATHS_MAX else frozenset(paths))


def _watching(paths: Sequence[str]) -> "RustNotify":
    """A watch of those of `paths` that are there and may be read. Raises OSError, RuntimeError.

    watchfiles could leave the others out by itself, but would then say nothing of the system's limit either.
    """
    from watchfiles._rust_notify import RustNotify

    for left in reversed(range(TRIES)):
        there = [path for path in paths if os.access(path, os.R_OK, effective_ids=True)]
        try:
            return RustNotify(there, False, False, 0, False, False)
        except (FileNotFoundError, PermissionError):  # since it was looked at
            if not left:
                raise
    raise AssertionError  # pragma: no cover - the last try raises


def _inode(path: Path) -> int:
    """Of what lies at `path`; 0 where nothing does."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _cannot(error: OSError | RuntimeError) -> CannotWatch:
    said = str(error)
    if _LIMIT.search(said):
        return CannotWatch(
            "The system's limit for watching files is reached (fs.inotify.max_user_watches, max_user_instances or"
            " ulimit -n)."
        )
    return CannotWatch(f"The system tells no changes here ({said}).")
