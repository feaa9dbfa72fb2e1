"""The workspace: the folder tree that holds everything Naestro may read or change, and its border.

Every path of a person, a model or a protocol becomes a file here and nowhere else: symlinks resolved, inside the
root, not ignored, not secret-looking, and text of bearable size. Above, `index` and `council` read through it and
`changes` writes by its rules; below lie the rules themselves. It knows no patch and no model.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from naestro.errors import MissingFile, OutsideWorkspace, UnreadableFile, WorkspaceError
from naestro.policy.buffers import Buffers, see
from naestro.policy.folder import Content, NotPlainFile, open_folder
from naestro.policy.git_folder import git_root
from naestro.policy.ignore import Ignores
from naestro.policy.secrets import holds_private_key, secret_name
from naestro.policy.text import BinaryContent, TextFile, decode

SETTINGS_NAME = "naestro.toml"
"""The file that marks a workspace's root, and the only one that Naestro writes there by itself, by request."""

FILE_SIZE_MAX = 1024 * 1024
"""Bytes: a larger file is data or generated, and would fill every engine's context."""

FOLDERS_MAX = 100
"""Folders above one file: no person's tree is deeper, and a model's path may be."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """One folder tree; `find` gives the one that a folder lies in."""

    root: Path
    """Absolute, symlinks resolved."""
    buffers: Buffers | None = None
    """What the person's editor has open, which wins over the disk; then files are read in worker threads alone."""

    @classmethod
    def find(cls, start: Path) -> "Workspace":
        """The workspace of `start`: the nearest `naestro.toml` upwards, else the git root, else `start` itself."""
        try:
            folder = Path(os.path.realpath(start, strict=True))
        except (OSError, ValueError) as error:
            raise WorkspaceError(f"{_shown(str(start))} is no folder that can be opened.") from error
        if not folder.is_dir():
            folder = folder.parent
        marked = (f for f in (folder, *folder.parents) if (f / SETTINGS_NAME).is_file())
        return cls(next(marked, None) or git_root(folder) or folder)

    def resolve(self, path: str) -> Path:
        """Where `path` (absolute, or relative to the root) leads, symlinks resolved; it need not exist.

        Raises OutsideWorkspace where that is not inside the root.
        """
        try:
            target = Path(os.path.realpath(self.root / path))
        except ValueError as error:  # a NUL, or characters that no file system can hold
            raise OutsideWorkspace(f"{_shown(path)} is no file name.") from error
        if not target.is_relative_to(self.root):
            raise OutsideWorkspace(f"{_shown(path)} lies outside the workspace {_shown(str(self.root))}.")
        return target

    def relative(self, path: str) -> str:
        """`path` as every event and prompt names it: relative to the root, `/` between parts, symlinks resolved."""
        return self.resolve(path).relative_to(self.root).as_posix()

    def is_folder(self, path: str) -> bool:
        """Whether `path` leads to a folder; raises OutsideWorkspace where it leads outside."""
        try:
            return self.resolve(path).is_dir()
        except OSError:  # a name that is too long, a folder that may not be entered
            return False

    def is_there(self, path: str) -> bool:
        """Whether anything lies at `path`, as far as can be seen; raises OutsideWorkspace where it leads outside."""
        try:
            return self.resolve(path).exists()
        except OSError:
            return False

    def ignores(self) -> Ignores:
        """The rules as they are now; who reads many files at once hands them to each `read`."""
        return Ignores(self.root)

    def admit(self, path: str, ignores: Ignores | None = None) -> str:
        """`relative(path)`, when a file there may be read and written by the rules of names.

        Raises OutsideWorkspace, or UnreadableFile when it, or the name that leads to it, is ignored, looks secret or
        belongs to git.
        """
        target = self.relative(path)
        if target == ".":
            raise UnreadableFile(f"{_shown(path)} is not read: it is the workspace itself, no file.")
        rules = ignores or self.ignores()
        # A link must not lead around the rules, in neither direction: both names are held to them.
        for name in dict.fromkeys((target, self._as_named(path) or target)):
            reason = refusal(name, rules)
            if reason:
                raise UnreadableFile(f"{_shown(path)} is not read: {reason}.")
        return target

    def read(self, path: str, ignores: Ignores | None = None) -> TextFile:
        """The text file at `path`, as the editor has it where `buffers` has it open.

        Raises OutsideWorkspace; MissingFile where nothing is there; UnreadableFile with the reason when it is
        ignored, secret-looking, binary, over FILE_SIZE_MAX or not to be opened.
        """
        target = self.admit(path, ignores)
        seen = see(self.root / target, self._content(path, target), self.buffers)
        if seen.data is None:
            raise MissingFile(f"There is no file {_shown(path)} in the workspace.", path=target)
        if len(seen.data) > FILE_SIZE_MAX:
            raise UnreadableFile(f"{_shown(path)} is not read: it is larger than {FILE_SIZE_MAX} bytes.")
        try:
            file = decode(target, seen.data, seen.mode)
        except BinaryContent as error:
            raise UnreadableFile(f"{_shown(path)} is not read: its content is {error}.") from error
        if holds_private_key(file.text):
            raise UnreadableFile(f"{_shown(path)} is not read: a private key is in it.")
        return file

    def files(self, ignores: Ignores | None = None) -> Iterator[str]:
        """Each file that `read` may be asked for, relative and in the order of the alphabet, folder by folder.

        Links are left out (what they lead to is listed by its own name), and so are names that cannot be written in
        one line of UTF-8.
        """
        yield from self._walk("", ignores or self.ignores())

    def names(self, folder: str) -> list[str]:
        """What of one folder (relative; empty: the root) the rules let through, folders with a `/` at their end.

        Raises OutsideWorkspace.
        """
        above, rules = self.relative(folder), self.ignores()
        if above != "." and refusal(above, rules, is_folder=True):
            return []
        prefix = "" if above == "." else f"{above}/"
        entries = _entries(self.root / above)
        kept = ((n, d) for n, d in entries if not refusal(prefix + n, rules, is_folder=d))
        return [f"{name}/" if is_folder else name for name, is_folder in kept]

    def _walk(self, folder: str, ignores: Ignores) -> Iterator[str]:
        for name, is_folder in _entries(self.root / folder):
            path = f"{folder}/{name}" if folder else name
            if refusal(path, ignores, is_folder=is_folder):
                continue
            if is_folder:
                yield from self._walk(path, ignores)
            else:
                yield path

    def _as_named(self, path: str) -> str | None:
        """`path` relative to the root with its links kept, or None where that is not inside."""
        named = Path(os.path.normpath(self.root / path))
        return named.relative_to(self.root).as_posix() if named.is_relative_to(self.root) else None

    def _content(self, path: str, target: str) -> Content | None:
        """What lies on the disk at `target`; of a file over FILE_SIZE_MAX one byte more than that."""
        folder, _, name = target.rpartition("/")
        try:
            with open_folder(self.root, folder) as opened:
                return opened.read(name, FILE_SIZE_MAX)
        except FileNotFoundError:
            return None
        except NotPlainFile as error:
            raise UnreadableFile(f"{_shown(path)} is not read: it is no regular file.") from error
        except OSError as error:
            raise UnreadableFile(f"{_shown(path)} cannot be read: {error.strerror}.") from error


def refusal(path: str, ignores: Ignores, *, is_folder: bool = False) -> str | None:
    """Why the rules of names keep `path` (relative) out, or None."""
    if path.count("/") > FOLDERS_MAX:
        return f"it lies more than {FOLDERS_MAX} folders deep"
    if any(part.lower() == ".git" for part in path.split("/")):
        return "it belongs to git"
    if ignores.is_of_bare_repository(path):
        return "it belongs to git, in a bare repository"
    pattern = secret_name(path)
    if pattern and not is_folder:
        return f"its name looks like a secret ({pattern})"
    source = ignores.ignored_by(path, is_folder=is_folder)
    return f"it is ignored by {source}" if source else None


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """The folders and regular files of one folder, sorted; none of one that cannot be opened."""
    found: list[tuple[str, bool]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                mode = entry.stat(follow_symlinks=False).st_mode
                if _is_nameable(entry.name) and (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                    found.append((entry.name, stat.S_ISDIR(mode)))
    except OSError:
        return sorted(found)
    return sorted(found)


def _is_nameable(name: str) -> bool:
    return name.isprintable()


def _shown(path: str) -> str:
    """`path` as a message may print it on one line, not too long."""
    text = path if path.isprintable() else ascii(path)
    return text if len(text) <= 200 else f"{text[:197]}..."
