"""Which files the workspace's owner keeps out: `.gitignore`, `.git/info/exclude` and `.naestroignore`.

The patterns mean what they mean to git (by `pathspec`): the last match wins, a deeper file wins over a shallower
one, and nothing below an ignored folder can be named again. Git itself is not started, so that a workspace's git
configuration runs nothing; hence a file that git tracks although a pattern matches it counts as ignored here.
`workspace` asks; this module reads pattern files and nothing else.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PATTERNS_SIZE_MAX = 1024 * 1024
"""Bytes of one pattern file that are read; git's largest collections have a few thousand lines."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One pattern, as `pathspec` compiles it."""

    regex: re.Pattern[str]
    is_ignoring: bool

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Whether the pattern means `path` itself, not only a folder above it: git asks for each folder first.

        In pathspec's expressions the group `ps_d` is the slash behind a folder that a pattern means.
        """
        found = self.regex.search(path)
        if found and not found.groupdict().get("ps_d"):
            return True
        ends = (found.end("ps_d") for found in self.regex.finditer(f"{path}/") if found.re.groups)
        return is_folder and any(end == len(path) + 1 for end in ends)


@dataclass(slots=True)
class Ignores:
    """The rules of one folder tree, read as they are needed and kept for the life of this object."""

    root: Path
    """The workspace's root, symlinks resolved."""
    _repository: Path = field(init=False)
    _rules: dict[tuple[Path, str], list[_Rule]] = field(default_factory=dict[tuple[Path, str], list[_Rule]])
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
        folder = path
        while folder != top:
            folder = folder.parent
            verdict = self._says(folder, name, path, is_folder=is_folder)
            if verdict is not None:
                return verdict
        return name == ".gitignore" and bool(self._says(top, "", path, is_folder=is_folder))

    def _says(self, folder: Path, name: str, path: Path, *, is_folder: bool) -> bool | None:
        """Whether the last pattern of `folder/name` that means `path` ignores it; None where none does."""
        rules = self._read(folder, name)
        if not rules:
            return None
        relative = path.relative_to(folder).as_posix()
        matching = (rule for rule in reversed(rules) if rule.matches(relative, is_folder=is_folder))
        found = next(matching, None)
        return found.is_ignoring if found else None

    def _read(self, folder: Path, name: str) -> list[_Rule]:
        """The patterns of `folder/name`; the name "" stands for the repository's own `info/exclude`."""
        key = folder, name
        if key not in self._rules:
            self._rules[key] = list(_parse(folder / name if name else exclude_file(folder)))
        return self._rules[key]


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


def _parse(path: Path) -> Iterator[_Rule]:
    text = _read(path)
    if not text.strip():
        return
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    for line in text.removeprefix("\ufeff").split("\n"):
        # pathspec takes `a/**/` for `a/`, but it means the folders below.
        plain = line.removesuffix("\r")
        try:
            regex, is_ignoring = GitIgnoreSpecPattern.pattern_to_regex(
                f"{plain}*/" if plain.endswith("/**/") else plain
            )
        except ValueError:
            continue  # git passes over a pattern that it cannot read
        if regex is not None and is_ignoring is not None:
            yield _Rule(re.compile(regex), is_ignoring)


def _read(path: Path) -> str:
    """The text of a file of patterns; one that is missing, or cannot be read, says nothing."""
    try:
        with path.open("rb") as file:
            return file.read(PATTERNS_SIZE_MAX).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
