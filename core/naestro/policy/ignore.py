"""Which files the workspace's owner keeps out: `.gitignore`, `.git/info/exclude` and `.naestroignore`.

The patterns mean what they mean to git (by `pathspec`): the last match wins, a deeper file wins over a shallower
one, and nothing below an ignored folder can be named again. Git itself is not started, so that a workspace's git
configuration runs nothing; hence a file that git tracks although a pattern matches it counts as ignored here.
`workspace` asks; this module reads pattern files and nothing else.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

PATTERNS_SIZE_MAX = 1024 * 1024
"""Bytes of one pattern file that are read; git's largest collections have a few thousand lines."""


class _Spec(Protocol):
    def check_file(self, file: str) -> "_Result": ...


class _Result(Protocol):
    @property
    def include(self) -> bool | None: ...


@dataclass(slots=True)
class Ignores:
    """The rules of one folder tree, read as they are needed and kept for the life of this object."""

    root: Path
    """The workspace's root, symlinks resolved."""
    _repository: Path = field(init=False)
    _specs: dict[tuple[Path, str], _Spec | None] = field(
        default_factory=dict[tuple[Path, str], "_Spec | None"]
    )
    _folders: dict[str, str | None] = field(default_factory=dict[str, "str | None"])

    def __post_init__(self) -> None:
        """Find the repository that the root lies in: its upper pattern files count too."""
        self._repository = git_root(self.root) or self.root

    def ignored_by(self, path: str, *, is_folder: bool = False) -> str | None:
        """The name of the file of patterns that keeps `path` out, or None; `path` is relative, `/` between parts."""
        parent, _, _ = path.rpartition("/")
        if parent:
            reason = self._folder(parent)
            if reason:
                return reason
        return self._matched(path, is_folder=is_folder)

    def _folder(self, path: str) -> str | None:
        if path not in self._folders:
            self._folders[path] = self.ignored_by(path, is_folder=True)
        return self._folders[path]

    def _matched(self, path: str, *, is_folder: bool) -> str | None:
        whole = self.root / path
        for name, top in ((".gitignore", self._repository), (".naestroignore", self.root)):
            if self._verdict(whole, top, name, is_folder=is_folder):
                return name
        return None

    def _verdict(self, path: Path, top: Path, name: str, *, is_folder: bool) -> bool:
        """What the deepest file of patterns that says anything about `path` says."""
        for folder in path.parents:
            verdict = self._says(folder, name, path, is_folder=is_folder)
            if verdict is not None:
                return verdict
            if folder == top:
                break
        return name == ".gitignore" and bool(self._says(top, "", path, is_folder=is_folder))

    def _says(self, folder: Path, name: str, path: Path, *, is_folder: bool) -> bool | None:
        spec = self._spec(folder, name)
        if spec is None:
            return None
        relative = path.relative_to(folder).as_posix()
        return spec.check_file(f"{relative}/" if is_folder else relative).include

    def _spec(self, folder: Path, name: str) -> _Spec | None:
        """The patterns of `folder/name`; the name "" stands for the repository's own `info/exclude`."""
        key = folder, name
        if key not in self._specs:
            self._specs[key] = _parse(folder / name if name else exclude_file(folder))
        return self._specs[key]


def git_root(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds a `.git`."""
    return next((folder for folder in (start, *start.parents) if os.path.lexists(folder / ".git")), None)


def exclude_file(repository: Path) -> Path:
    """Where the repository keeps its own excludes; in a linked worktree `.git` is a file that names the place."""
    git = repository / ".git"
    if git.is_file():
        pointer = _first_line(git).removeprefix("gitdir:").strip()
        git = repository / pointer
        common = _first_line(git / "commondir")
        git = git / common
    return git / "info" / "exclude"


def _first_line(path: Path) -> str:
    lines = _read(path).splitlines()
    return lines[0].strip() if lines else ""


def _parse(path: Path) -> _Spec | None:
    text = _read(path)
    if not text.strip():
        return None
    from pathspec import GitIgnoreSpec

    lines: list[str] = []
    for line in text.removeprefix("\ufeff").split("\n"):
        try:
            GitIgnoreSpec.from_lines([line.removesuffix("\r")])
        except ValueError:
            continue  # git passes over a pattern that it cannot read
        lines.append(line.removesuffix("\r"))
    return GitIgnoreSpec.from_lines(lines)


def _read(path: Path) -> str:
    """The text of a file of patterns; one that is missing, or cannot be read, says nothing."""
    try:
        with path.open("rb") as file:
            return file.read(PATTERNS_SIZE_MAX).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
