"""Git's global file of ignored names, the person's own for all repositories: `core.excludesFile`, or where git looks.

`ignore` beside it reads the file; this module says where it is. The configuration has includes and conditions, so git
itself is asked, by `git config`, which runs nothing that a configuration names: once in a process, once more for a
repository whose own configuration may say something else, and again when a file of the configuration changed. Without
git, or where it cannot read its configuration, the place is the one that git takes by default.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from naestro.policy.git_folder import beginning_of, common_folder

GIT_S = 5.0
"""Git answers within milliseconds; a home folder on a network that hangs costs so long, once."""
KNOWN_MAX = 4096
"""Repositories whose place is remembered."""
CONFIG_SIZE_MAX = 1024 * 1024
"""Bytes of a repository's configuration that are searched; they have a few hundred."""
_KEY = "core.excludesfile"
_MAY_SAY = re.compile(rb"excludesfile|include", re.IGNORECASE)
_COUNTS = re.compile(r"(?:HOME|XDG_CONFIG_HOME|GIT_.*)\Z")
"""Variables that the place depends on."""
_NOWHERE = Path("/")
"""Where git is asked what holds without a repository."""
_SYSTEM = Path("/etc/gitconfig")
"""Where most gits have it; another place is known once anything stands in it."""

Stamp = tuple[int, int, int] | None
"""Modification in nanoseconds, size and inode of a file; None where it is not there."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What git said of one repository, and what that depends on."""

    place: Path | None
    stamps: Mapping[Path, Stamp]
    is_for_all: bool = False
    """Whether it holds for every repository whose own configuration says nothing of it."""

    @property
    def is_current(self) -> bool:
        """Whether no file of the configuration changed since."""
        return all(_stamp(path) == stamp for path, stamp in self.stamps.items())


class GlobalIgnores:
    """What git said, remembered for one process; safe from any thread."""

    def __init__(self, *, git_s: float = GIT_S, known_max: int = KNOWN_MAX) -> None:
        """Nothing is asked yet."""
        self._git_s = git_s
        self._known_max = known_max
        self._known: dict[tuple[Path, frozenset[tuple[str, str]]], _Known] = {}
        self._lock = Lock()

    def file_of(self, top: Path, git: Path) -> Path | None:
        """Where the global patterns for the repository at `top`, kept in `git`, stand; None where none are to hold.

        The file itself need not be there.
        """
        from naestro.config import (
            environment_for_git,
        )  # not above: workers of the index do without the settings

        asking = _Asking(environment_for_git(), self._git_s)
        for_all = self._remembered(_NOWHERE, asking, lambda: asking.ask(_NOWHERE, _NOWHERE))
        return self._remembered(top, asking, lambda: asking.of(top, git, for_all)).place

    def _remembered(self, top: Path, asking: "_Asking", ask: Callable[[], _Known]) -> _Known:
        """What is known of `top`, asked anew where a file that it depends on changed."""
        key = top, frozenset(item for item in asking.environment.items() if _COUNTS.match(item[0]))
        with self._lock:
            known = self._known.get(key)
        if known is None or not known.is_current:
            known = ask()
            with self._lock:
                if len(self._known) >= self._known_max:
                    self._known.clear()
                self._known[key] = known
        return known


@dataclass(frozen=True, slots=True)
class _Asking:
    """One look at the configuration, by one environment."""

    environment: Mapping[str, str]
    git_s: float

    def of(self, top: Path, git: Path, for_all: _Known) -> _Known:
        """What holds for one repository; git is asked where its configuration, or a condition, may say another."""
        own = {path: _stamp(path) for path in _own(git)}
        if for_all.is_for_all and not any(
            _MAY_SAY.search(beginning_of(path, CONFIG_SIZE_MAX)) for path in own
        ):
            return _Known(for_all.place, {**for_all.stamps, **own})
        return self.ask(top, git)

    def ask(self, top: Path, git: Path) -> _Known:
        """Ask git; the files are looked at before, so that one that changes meanwhile is looked at again."""
        first = {path: _stamp(path) for path in (*_usual(self.environment), *_own(git))}
        listed = self._said(top, "--list", "--show-origin", "-z")
        if listed is None:
            return _Known(_default(self.environment), first)
        entries = [*_entries(listed, top)]
        stamps = {path: _stamp(path) for path in _files(entries, git)} | first
        is_for_all = not any(key.startswith("includeif.") for _, key, _ in entries)
        if not any(key == _KEY for _, key, _ in entries):
            return _Known(_default(self.environment), stamps, is_for_all)
        said = (self._said(top, "--type=path", "-z", "--get", _KEY) or "").removesuffix("\0")
        return _Known(
            top / said if said else None, stamps, is_for_all and (not said or Path(said).is_absolute())
        )

    def _said(self, top: Path, *arguments: str) -> str | None:
        """What `git config` prints; None where there is no git, or it fails."""
        import subprocess

        try:
            done = subprocess.run(
                ["git", "config", *arguments],
                cwd=top,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self.git_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def _default(environment: Mapping[str, str]) -> Path | None:
    folder = _settings_folder(environment)
    return folder / "ignore" if folder else None


def _settings_folder(environment: Mapping[str, str]) -> Path | None:
    """Git's own below the person's settings (gitignore, "$XDG_CONFIG_HOME/git")."""
    if chosen := environment.get("XDG_CONFIG_HOME"):
        return Path(chosen, "git")
    home = environment.get("HOME")
    return Path(home, ".config", "git") if home else None


def _usual(environment: Mapping[str, str]) -> Iterator[Path]:
    """The files that may hold the person's and the system's configuration, there or not."""
    yield Path(environment.get("GIT_CONFIG_SYSTEM") or _SYSTEM)
    if chosen := environment.get("GIT_CONFIG_GLOBAL"):
        yield Path(chosen)
    elif folder := _settings_folder(environment):
        yield folder / "config"
    if home := environment.get("HOME"):
        yield Path(home, ".gitconfig")


def _own(git: Path) -> Iterator[Path]:
    """The files that may hold the repository's."""
    yield common_folder(git) / "config"
    yield git / "config.worktree"


def _entries(listed: str, top: Path) -> Iterator[tuple[Path | None, str, str]]:
    """The file (None: no file), key and value of each entry."""
    parts = listed.split("\0")
    for origin, entry in zip(parts[::2], parts[1::2], strict=False):
        kind, _, place = origin.partition(":")
        key, _, value = entry.partition("\n")
        yield (top / place if kind == "file" else None), key, value


def _files(entries: list[tuple[Path | None, str, str]], git: Path) -> Iterator[Path]:
    """The files that spoke, those that they include, met or not, and what a condition depends on."""
    for file, key, value in entries:
        if file is None:
            continue
        yield file
        if key == "include.path" or (key.startswith("includeif.") and key.endswith(".path")):
            yield file.parent / Path(value).expanduser()
        if key.startswith("includeif.onbranch:"):
            yield git / "HEAD"


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


global_ignore_file = GlobalIgnores().file_of
"""`GlobalIgnores.file_of` of this process."""
