"""Which files the workspace's owner keeps out: `.gitignore`, git's own and global excludes, and `.naestroignore`.

The patterns mean what they mean to git (by `pathspec`): the last match wins, a deeper file wins over a shallower one,
those over `.git/info/exclude` and that over the global file, and nothing below an ignored folder can be named again. A
repository within (a submodule, a linked worktree, a clone) has rules of its own, and those around it say whether it is
there at all; a `.naestroignore` holds within too. Git's index is not asked, so that a workspace's git configuration
runs nothing; hence a file that git tracks although a pattern matches it counts as ignored here. `workspace` asks; this
module reads pattern files and nothing else; `git_folder` and `global_ignores` say where those of git are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from naestro.policy.git_folder import (
    beginning_of,
    exclude_file,
    git_folder,
    is_gits_own,
    is_repository_folder,
    repository_above,
)
from naestro.policy.global_ignores import global_ignore_file

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


@dataclass(frozen=True, slots=True)
class _Patterns:
    """The patterns of one file, and the folder that they are relative to."""

    start: int
    """Characters of that folder at the beginning of a path from the repository's top."""
    rules: list[_Rule]
    screen: re.Pattern[str]
    """Matches wherever a rule may: most paths meet no rule, and this is one expression instead of a hundred."""

    def say(self, path: str, *, is_folder: bool) -> bool | None:
        """Whether the last pattern that means `path` ignores it; None where none does."""
        relative = path[self.start :]
        if not self.screen.search(f"{relative}/" if is_folder else relative):
            return None
        matching = (rule for rule in reversed(self.rules) if rule.matches(relative, is_folder=is_folder))
        found = next(matching, None)
        return found.is_ignoring if found else None


_Layers = dict[str, tuple[_Patterns, ...]]
"""For each kind of file, the patterns that hold in one folder: those of the deepest file first."""


@dataclass(slots=True)
class Ignores:
    """The rules of one folder tree, read as they are needed and kept for the life of this object."""

    root: Path
    """The workspace's root, symlinks resolved."""
    _above: str = field(init=False)
    """Where the root lies in its repository: empty, or ending in `/`."""
    _layers: dict[str, _Layers] = field(default_factory=dict[str, _Layers])
    _folders: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    _bare: dict[str, bool] = field(default_factory=dict[str, bool])

    def __post_init__(self) -> None:
        """Read the rules at the root, and those above it in the same repository."""
        top = repository_above(self.root) or self.root
        above = self.root.relative_to(top).as_posix()
        self._above = "" if above == "." else f"{above}/"
        inherited: _Layers = {".gitignore": _of_repository(top, 0) or (), ".naestroignore": ()}
        for folder in reversed(self.root.parents):
            if folder.is_relative_to(top):
                start = 0 if folder == top else len(folder.relative_to(top).as_posix()) + 1
                inherited[".gitignore"] = _patterns(folder / ".gitignore", start) + inherited[".gitignore"]
        self._layers[""] = self._joined("", inherited)

    def ignored_by(self, path: str, *, is_folder: bool = False) -> str | None:
        """The name of the file of patterns that keeps `path` out, or None; `path` is relative, `/` between parts."""
        parent = path.rpartition("/")[0]
        if parent and (reason := self._folder(parent)):
            return reason
        whole = self._above + path
        for name, layers in self._layers_of(parent).items():
            said = (patterns.say(whole, is_folder=is_folder) for patterns in layers)
            if next((verdict for verdict in said if verdict is not None), False):
                return name
        return None

    def is_of_bare_repository(self, path: str) -> bool:
        """Whether `path` is, or lies in, what git keeps in a folder that is itself a repository's.

        A person's own files and linked worktrees may lie beside that.
        """
        names = path.split("/")
        return any(
            is_gits_own(name) and self._is_bare("/".join(names[:depth])) for depth, name in enumerate(names)
        )

    def _is_bare(self, folder: str) -> bool:
        if folder not in self._bare:
            self._bare[folder] = is_repository_folder(self.root / folder)
        return self._bare[folder]

    def _folder(self, path: str) -> str | None:
        if path not in self._folders:
            self._folders[path] = self.ignored_by(path, is_folder=True)
        return self._folders[path]

    def _layers_of(self, folder: str) -> _Layers:
        """What holds in `folder`; it is asked for after the folders above it, so that this goes one step deep."""
        if folder not in self._layers:
            above = self._layers_of(folder.rpartition("/")[0])
            own = _of_repository(self.root / folder, len(self._above) + len(folder) + 1)
            if own is not None:
                above = {**above, ".gitignore": own}
            self._layers[folder] = self._joined(f"{folder}/", above)
        return self._layers[folder]

    def _joined(self, folder: str, above: _Layers) -> _Layers:
        start = len(self._above) + len(folder)
        return {name: _patterns(self.root / folder / name, start) + layers for name, layers in above.items()}


def _of_repository(top: Path, start: int) -> tuple[_Patterns, ...] | None:
    """The patterns that the repository at `top` has besides its files'; None where no repository begins there."""
    git = git_folder(top)
    if git is None:
        return None
    everywhere = global_ignore_file(top, git)
    return _patterns(exclude_file(git), start) + (_patterns(everywhere, start) if everywhere else ())


def _patterns(path: Path, start: int) -> tuple[_Patterns, ...]:
    """The patterns of the file at `path`; none where it says nothing."""
    rules = list(_parse(_read(path)))
    if not rules:
        return ()
    screen = "|".join(f"(?:{rule.regex.pattern})" for rule in rules).replace("(?P<ps_d>/)", "/")
    return (_Patterns(start, rules, re.compile(screen)),)


def _parse(text: str) -> Iterator[_Rule]:
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
    """The text of a file of patterns; one that is missing, cannot be read or is no plain file says nothing."""
    return beginning_of(path, PATTERNS_SIZE_MAX).decode("utf-8", "surrogateescape")
