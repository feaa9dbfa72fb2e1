"""What this daemon is: its version, its environment, and the files that it was loaded from.

`listener` compares it with what each front end says of itself; `idle` looks whether the files are still the same. A
daemon that differs makes room for another, so that no front end works with code of two versions.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import anyio

import naestro

PROTOCOLS_GROUP = "naestro.protocols"
FRESH_S = 1.0
"""Front ends that come in a burst share one look at the files."""


class Identity:
    """Of this process, as it was when it started."""

    def __init__(self, folders: tuple[Path, ...] = ()) -> None:
        """With the packages in `folders`; without any, those of Naestro and of its protocols."""
        self.version = naestro.__version__
        self.prefix = sys.prefix
        self._folders = folders or tuple(package_folders())
        self._fingerprint = fingerprint(self._folders)
        self._looked_at = float("-inf")
        self._has_changed = False

    def is_same(self, version: object, prefix: object) -> bool:
        """Whether a front end is of the same version and environment."""
        return (version, prefix) == (self.version, self.prefix)

    def has_changed(self) -> bool:
        """Whether the files differ from those that this process was loaded from. Takes about 2 ms."""
        now = anyio.current_time()
        if not self._has_changed and now >= self._looked_at + FRESH_S:
            self._looked_at = now
            self._has_changed = fingerprint(self._folders) != self._fingerprint
        return self._has_changed


def package_folders() -> Iterator[Path]:
    """The folder of Naestro's package, and of each package that brings a protocol; none of them is loaded."""
    names = {"naestro"} | {entry.module.partition(".")[0] for entry in entry_points(group=PROTOCOLS_GROUP)}
    for name in sorted(names):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent


def fingerprint(folders: tuple[Path, ...]) -> str:
    """One text for all files in `folders`: it differs when a file came, went or was written."""
    digest = hashlib.sha256()
    for folder in folders:
        for line in sorted(_files(os.fspath(folder))):
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files(folder: str) -> Iterator[str]:
    try:
        found = list(os.scandir(folder))
    except OSError:
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__":
                yield from _files(entry.path)
        else:
            # A link's own state: what an editor's lock file points to does not matter.
            about = entry.stat(follow_symlinks=False)
            yield f"{entry.path}\0{about.st_mtime_ns}\0{about.st_size}\n"
