"""What of a workspace may be indexed: one walk through its folders, on the same rules as every other read.

Ignored files, secret-looking ones and what belongs to git are never met; links are not followed; a nested repository
or submodule is a folder like any other. What is met and not taken in (binary, too large, minified, generated) is
named with the reason, so that a person can be told. Above, `difference` compares it with the `manifest`; below lie the
rules themselves (`policy`). It opens no file: what a file says is looked at by `reading`.
"""

import os
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from naestro.policy.ignore import Ignores
from naestro.policy.workspace import FILE_SIZE_MAX, FOLDERS_MAX, Workspace, refusal

FILES_MAX = 400_000
"""Files of one walk: beyond lies a disk, no workspace; the rest is named in the status."""
WARNINGS_MAX = 20
"""Folders and names that are told one by one; the others are counted."""

LEFT_OUT_FOLDERS = frozenset(
    {"node_modules", "bower_components", "jspm_packages", "site-packages", "__pycache__", "__pypackages__"}
    | {".venv", ".tox", ".nox", ".eggs", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"}
    | {
        ".hg",
        ".svn",
        ".bzr",
        ".jj",
        ".gradle",
        ".terraform",
        ".next",
        ".nuxt",
        ".svelte-kit",
        ".parcel-cache",
    }
    | {".turbo", ".yarn", ".pnpm-store", ".cache", ".direnv", ".idea", ".vs", ".dart_tool", ".bundle"}
)
"""Folders that tools fill with copies of other people's code or with caches; a workspace without a .gitignore, too."""
ENVIRONMENT_MARK = "pyvenv.cfg"
"""The file that makes a folder a virtual environment, whatever it is called."""

_BINARY_WORDS = """
    7z a aac ai apk ar arrow avi avif bin blend bmp br bz2 cab class cur dat db deb dex dll dmg doc docx dylib ear
    egg eot eps exe feather fig flac fla flv gem gif glb gz heic icns ico img iso jar jpeg jpg jxl la lib lz lz4
    lzma m4a m4v mid mkv mo mov mp3 mp4 mpeg mpg msi nib npy npz o obj odp ods odt ogg ogv onnx opus orc otf out
    parquet pb pdb pdf pickle pkl png ppt pptx psd pt pth pyc pyd pyo rar rlib rmeta rpm safetensors sketch so
    sqlite sqlite3 swf tar tbz tgz tif tiff ttf war wasm wav webm webp whl wma wmv woff woff2 xcf xls xlsx xz
    zip zst gguf keras h5 hdf5 mat rds nc grib wmf emf
"""
_BINARY_ENDINGS = frozenset(_BINARY_WORDS.split())
"""Of files that nobody opens to read."""
_GENERATED_NAME = re.compile(
    r"""(?xi)
    (?: [.-]min\.(?:js|mjs|cjs|css) | \.(?:bundle|chunk)\.(?:js|css) | \.map | \.snap )$
    | ^(?: package-lock\.json | npm-shrinkwrap\.json | yarn\.lock | pnpm-lock\.ya?ml | bun\.lockb? | deno\.lock
        | cargo\.lock | poetry\.lock | uv\.lock | pdm\.lock | pipfile\.lock | composer\.lock | gemfile\.lock
        | go\.sum | flake\.lock | mix\.lock | pubspec\.lock | podfile\.lock | packages\.lock\.json | gradle\.lockfile )$
    | (?: _pb2(?:_grpc)?\.pyi? | \.pb\.(?:go|cc|h) | \.g\.dart | \.freezed\.dart | \.designer\.cs | \.g\.cs )$
    """
)
"""Names that tools give to what they write: minified code, locks, compiled protocols."""


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """What the system says of a file without opening it; it changes whenever the content does."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """The stamp in a status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class Seen(NamedTuple):
    """A file that a walk met."""

    path: str
    """Relative to the workspace's root, with `/`."""
    stamp: Stamp
    skipped: str
    """Why it is not even opened (`binary`, …); empty where it is."""


@dataclass(slots=True)
class Walk:
    """One walk; to be iterated once. What it met besides files stands in its fields afterwards."""

    workspace: Workspace
    files_max: int = FILES_MAX
    stop: threading.Event = field(default_factory=threading.Event)
    """Once it is set, the walk ends soon, with less than there is."""
    ignores: Ignores = field(init=False)
    folders: list[str] = field(default_factory=list[str])
    """Each folder that was listed, the root (empty) first."""
    unreadable: list[str] = field(default_factory=list[str])
    """Folders that could not be listed, for a person to read; at most WARNINGS_MAX of them."""
    unnameable: int = 0
    """Names that cannot be written in one line of UTF-8, which nothing here reads."""
    is_cut: bool = False
    """Whether there are more than `files_max` files."""

    def __post_init__(self) -> None:
        """Read the rules as they are now."""
        self.ignores = self.workspace.ignores()

    def __iter__(self) -> Iterator[Seen]:
        """Each file that may be asked for, folder by folder."""
        for count, seen in enumerate(self._folder("")):
            if count >= self.files_max:
                self.is_cut = True
                return
            yield seen

    def _folder(self, folder: str) -> Iterator[Seen]:
        entries = self._entries(folder)
        if folder and any(entry.name == ENVIRONMENT_MARK for entry in entries):
            return
        self.folders.append(folder)
        for entry in entries:
            if self.stop.is_set():
                return
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:  # it went away in the meantime
                continue
            if stat.S_ISDIR(status.st_mode):
                if not is_left_out_folder(path, self.ignores):
                    yield from self._folder(path)
            elif stat.S_ISREG(status.st_mode) and not refusal(path, self.ignores):
                yield seen_as(path, status)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """What lies in a folder, in the order of the alphabet; nothing of one that cannot be listed, or has gone."""
        found: list[os.DirEntry[str]] = []
        try:
            with os.scandir(self.workspace.root / folder) as entries:
                for entry in entries:
                    if entry.name.isprintable():
                        found.append(entry)
                    else:
                        self.unnameable += 1
        except FileNotFoundError:
            pass
        except OSError as error:
            if len(self.unreadable) < WARNINGS_MAX:
                self.unreadable.append(f"{folder or '.'} ({error.strerror})")
        found.sort(key=lambda entry: entry.name)
        return found


def walk(workspace: Workspace, stop: threading.Event | None = None) -> Walk:
    """A walk through `workspace`, which ends soon once `stop` is set."""
    return Walk(workspace, stop=stop or threading.Event())


def look(workspace: Workspace, path: str, ignores: Ignores) -> Seen | None:
    """The one file at `path` as a walk would meet it, or None where it would not."""
    if not path.isprintable() or any(map(_is_left_out_name, path.split("/")[:-1])) or refusal(path, ignores):
        return None
    # A link on the way leads to a file that has another name; reading follows none either.
    target = workspace.root / path
    try:
        status = os.lstat(target)
        is_plain = stat.S_ISREG(status.st_mode) and os.path.realpath(target.parent) == str(target.parent)
    except OSError:
        return None
    return seen_as(path, status) if is_plain else None


def is_left_out_folder(path: str, ignores: Ignores) -> bool:
    """Whether nothing below the folder at `path` is indexed."""
    if path.count("/") >= FOLDERS_MAX or _is_left_out_name(path.rpartition("/")[2]):
        return True
    return refusal(path, ignores, is_folder=True) is not None


def is_left_out_by_name(path: str) -> bool:
    """Whether a file is not indexed, as far as its path tells."""
    *folders, name = path.split("/")
    return any(map(_is_left_out_name, folders)) or _left_out(name, 0) != ""


def seen_as(path: str, status: os.stat_result) -> Seen:
    """A file with the reason, if any, why it is not opened."""
    return Seen(path, Stamp.of(status), _left_out(path.rpartition("/")[2], status.st_size))


def _is_left_out_name(name: str) -> bool:
    return name in LEFT_OUT_FOLDERS


def _left_out(name: str, size_bytes: int) -> str:
    ending = name.rpartition(".")[2].lower()
    if ending in _BINARY_ENDINGS:
        return "binary"
    if size_bytes > FILE_SIZE_MAX:
        return f"larger than {FILE_SIZE_MAX} bytes"
    return "generated" if _GENERATED_NAME.search(name) else ""
