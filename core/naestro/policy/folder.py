"""An open folder of the workspace, reached from its root without following a single symlink.

Paths are checked first and used later; in between somebody may put a link in the place of a folder. So every read
and write goes through the folder's descriptor: the system itself refuses a link on the way. `workspace` reads by
it, `changes` writes by it. It knows bytes and names, no rules of what may be read.
"""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Without O_NONBLOCK opening a pipe would wait for its writer."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NotPlainFile(OSError):
    """A folder, a pipe, a device or a link stands where a file should be."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file and what must stay as it is when they change."""

    data: bytes
    status: os.stat_result

    @property
    def mode(self) -> int:
        """Permission bits."""
        return stat.S_IMODE(self.status.st_mode)


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder; `open_folder` closes it."""

    descriptor: int

    def read(self, name: str, size_max: int | None = None) -> Content | None:
        """A regular file whole, or None where there is nothing; raises OSError otherwise.

        Of a file over `size_max` bytes one byte more than that is read.
        """
        try:
            descriptor = os.open(name, _FILE, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _plain(error, name) from error
        # A raw opening first: Python's own file object refuses a folder and leaves its descriptor open.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise NotPlainFile(errno.EINVAL, "not a regular file", name)
        with os.fdopen(descriptor, "rb") as file:
            return Content(file.read() if size_max is None else file.read(size_max + 1), status)

    def create(self, name: str, data: bytes, like: os.stat_result | None, mode: int | None) -> None:
        """Write a new file and wait until it is on the disk; raises FileExistsError where one is.

        It gets the owner of `like` where the system allows that, and `mode`, or the process's default.
        """
        descriptor = os.open(name, _NEW, 0o600 if mode is not None else 0o666, dir_fd=self.descriptor)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if like is not None:
                with suppress(PermissionError):
                    os.fchown(descriptor, like.st_uid, like.st_gid)
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(descriptor)

    def rename(self, name: str, target: str) -> None:
        """Put `name` in the place of `target`, whether or not that exists, in one moment."""
        os.replace(name, target, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        """Remove a file; nothing there is as good."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.descriptor)

    def is_writable(self, name: str = ".") -> bool:
        """Whether files of this folder (or the file `name`) may be changed, by permission bits and by the system.

        A file without any write bit counts as protected even for a user whom the system would let.
        """
        try:
            mode = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return True
        wanted = os.W_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)
        return bool(mode & 0o222) and os.access(name, wanted, dir_fd=self.descriptor, effective_ids=True)

    def sync(self) -> None:
        """Wait until the folder's list of names is on the disk."""
        os.fsync(self.descriptor)


@contextmanager
def open_folder(root: Path, path: str) -> Generator[Folder]:
    """The folder at `path`, relative to `root`; "" is the root itself.

    Raises OSError: FileNotFoundError where there is none, NotPlainFile where a link or a file stands on the way.
    """
    descriptor = os.open(root, _FOLDER)
    try:
        for part in PurePosixPath(path).parts:
            descriptor = _descend(descriptor, part)
        yield Folder(descriptor)
    finally:
        os.close(descriptor)


def _descend(parent: int, name: str) -> int:
    """Open the folder `name` in `parent`; `parent` is closed only when that worked."""
    try:
        child = os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        raise _plain(error, name) from error
    os.close(parent)
    return child


def _plain(error: OSError, name: str) -> OSError:
    """The same error, or NotPlainFile where the system says that a link, or a file for a folder, is in the way."""
    if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK, errno.ENXIO}:
        return NotPlainFile(error.errno, "a link or something else stands in the way", name)
    return error
