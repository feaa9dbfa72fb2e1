"""Where git keeps a repository: which folder begins one, where its own files are, as git finds them.

`ignore` and `workspace` beside it ask, and the index's watcher above. Nothing here starts git. What is found is what
git finds (gitrepository-layout, gitglossary on "gitfile"): an empty `.git` begins no repository, a file of that name
leads to one elsewhere (a submodule, a linked worktree) or to none. GIT_DIR and its like, which make a repository of
folders that hold no `.git`, are no matter of a workspace, nor whom a repository belongs to (`safe.directory`): its
rules only hide files.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

POINTER_SIZE_MAX = 8192
"""Bytes of a file that names a folder; no system knows longer paths."""
OWN_NAMES = frozenset(
    {
        "HEAD",
        "branches",
        "common",
        "config",
        "config.worktree",
        "description",
        "hooks",
        "index",
        "info",
        "lfs",
    }
    | {"logs", "modules", "objects", "packed-refs", "refs", "remotes", "rr-cache", "shallow", "worktrees"}
)
"""What git keeps in a repository's folder (gitrepository-layout), besides files like `FETCH_HEAD`."""


def git_root(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds a `.git`, whatever that is: where a person's project begins."""
    return next((folder for folder in (start, *start.parents) if os.path.lexists(folder / ".git")), None)


def device_of(folder: Path) -> int:
    """The file system of a folder; 0 for what cannot be asked."""
    try:
        return folder.stat().st_dev
    except OSError:
        return 0


def repository_above(start: Path, device: Callable[[Path], int] = device_of) -> Path | None:
    """The top of the repository that `start` lies in, as git finds it: not beyond the border of a file system."""
    own = device(start)
    for folder in (start, *start.parents):
        if device(folder) != own:
            return None
        if git_folder(folder):
            return folder
    return None


def git_folder(top: Path) -> Path | None:
    """Where git keeps the repository whose files begin at `top`; None where none begins there."""
    git = top / ".git"
    if not os.path.lexists(git):
        return None
    if os.path.isfile(git):  # noqa: PTH113  a link that leads to itself is none, and no error
        pointer = _first_line(git)
        if not pointer.startswith("gitdir:"):
            return None
        git = top / pointer.removeprefix("gitdir:").strip()
    return git if is_repository_folder(git) else None


def common_folder(git: Path) -> Path:
    """What linked worktrees share: the folder of the repository that `git` belongs to, itself as a rule."""
    return git / _first_line(git / "commondir")


def exclude_file(git: Path) -> Path:
    """Where the repository kept in `git` has its own excludes."""
    return common_folder(git) / "info" / "exclude"


def beginning_of(path: Path, size_max: int) -> bytes:
    """At most `size_max` bytes of a file; nothing of one that is missing, cannot be read or is no plain file."""
    try:
        # Without O_NONBLOCK opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # ValueError: a `.git` file may name any bytes as its place
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with os.fdopen(descriptor, "rb") as file:
        try:
            return file.read(size_max)
        except OSError:  # pragma: no cover - a disk that fails
            return b""


def is_gits_own(name: str) -> bool:
    """Whether git gives this name to something in a repository's folder."""
    return name in OWN_NAMES or name.endswith("_HEAD")


def is_repository_folder(git: Path) -> bool:
    """Whether git would take the folder for where a repository is kept, a bare one or not."""
    common = common_folder(git)
    is_folder = os.path.isdir  # a path of any bytes is no folder, and no error
    return os.path.lexists(git / "HEAD") and is_folder(common / "objects") and is_folder(common / "refs")


def _first_line(path: Path) -> str:
    """The first line of a small file; nothing of one that cannot be read. No path holds a NUL: git stops there."""
    said = os.fsdecode(beginning_of(path, POINTER_SIZE_MAX))
    return said.partition("\n")[0].partition("\0")[0].strip()
