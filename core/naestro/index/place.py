"""Where the index of a workspace lies, and who may write there: one process, for as long as it lives.

`holdings` has a `Lease`. It knows neither manifest nor table.
"""

import fcntl
import os
from hashlib import sha256
from pathlib import Path

from naestro.config import cache
from naestro.errors import IndexUnavailable

OWNER_ONLY = 0o700
OTHERS = 0o077
_HINT = "Free some room or mend the rights of Naestro's cache folder (NAESTRO_CACHE)."


def indexes() -> Path:
    """The folder of all indexes of the person, and of the cache of vectors."""
    return cache() / "index"


def index_of(root: Path) -> Path:
    """The folder of one workspace's index."""
    digest = sha256(os.fsencode(root)).hexdigest()
    return indexes() / digest[:16]


def made(folder: Path) -> Path:
    """`folder`, made for its owner alone where it is missing, and so the one it lies in. Raises IndexUnavailable."""
    try:
        folder.parent.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        folder.mkdir(mode=OWNER_ONLY, exist_ok=True)
        if folder.stat().st_mode & OTHERS:  # a library that made it first knows nothing of that
            folder.chmod(OWNER_ONLY)
    except OSError as error:
        raise IndexUnavailable(
            f"The folder of the index cannot be made: {error.strerror}.",
            hint=_HINT,
        ) from error
    return folder


class Lease:
    """The right to write one index; the system takes it back when the process ends, however it does."""

    def __init__(self, folder: Path) -> None:
        """For the index in `folder`, which is there; ask `take`."""
        self._file = folder / "lock"
        self._descriptor: int | None = None

    @classmethod
    def inherited(cls, folder: Path, descriptor: int) -> "Lease":
        """That of the process that started this one, as its open file: held until both have let go of it."""
        lease = cls(folder)
        lease._descriptor = descriptor
        return lease

    @property
    def descriptor(self) -> int:
        """The open file, for a child process to inherit; it is held."""
        assert self._descriptor is not None
        return self._descriptor

    @property
    def is_held(self) -> bool:
        """Whether this process writes."""
        return self._descriptor is not None

    @property
    def is_lost(self) -> bool:
        """Whether somebody took the folder away from under this process: another one would take what lies there now."""
        if self._descriptor is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self._descriptor), self._file.lstat())
        except OSError:
            return True

    def take(self) -> bool:
        """Whether this process writes now; it does not wait for another one. Raises IndexUnavailable."""
        if self.is_held:
            return True
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise IndexUnavailable(f"The index cannot be locked: {error.strerror}.", hint=_HINT) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def give(self) -> None:
        """Let another process write."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
