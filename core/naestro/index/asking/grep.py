r"""Lines that a regular expression matches, in time linear in the text whatever the expression is.

An installed ripgrep looks where there is one, else RE2 in this process; both only say where. Each line is then read
through the workspace, so that its rules (ignored, secret-looking, outside, a private key) hold whatever a finder saw,
and a link that was put there meanwhile leads nowhere. Expressions are what Rust and RE2 both know: no look-around, no
back-references; a match stays within its line. `\w` and `\d` mean all of Unicode to ripgrep and ASCII to RE2.
"""

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from naestro.config import environment_for_child
from naestro.errors import InputError, WorkspaceError
from naestro.index.asking.overlay import admitted
from naestro.index.found import Match
from naestro.policy.text import BinaryContent, decode
from naestro.policy.workspace import FILE_SIZE_MAX, Workspace

GREP_LIMIT = 200
"""Lines that are found where nobody says how many: more than anybody reads."""
GREP_S = 20.0
"""Seconds after which a search is given up: a disk of the network may hang."""
LINE_CHARS_MAX = 500
"""Characters of a line that are shown."""
PATTERN_CHARS_MAX = 1000
"""Characters of an expression; a longer one is no question of a person."""
PROGRAM_SIZE_MAX = 5000
"""Steps of a compiled expression. At worst RE2 takes time in proportion to steps times text."""
ARGUMENTS_SIZE_MAX = 200_000
"""Bytes of paths on one command line; every system that Naestro runs on takes that."""
OPTIONS = """
    --no-config --no-messages --color=never --null --line-number --with-filename --no-heading --crlf --max-columns=150
"""
"""Of ripgrep. The text of the lines that it prints is not used, so long ones are left out."""


class Finder(Protocol):
    """Says in which lines of which files an expression matches."""

    def find(self, paths: Sequence[str], limit: int, deadline: float) -> Iterator[tuple[str, list[int]]]:
        """Paths in their order, each with its first `limit` lines, from 1, ascending; files without any are left out.

        Raises `InputError` for an expression that it does not take, `WorkspaceError` after `deadline`, by the
        monotonic clock.
        """
        ...


def grep(
    workspace: Workspace,
    pattern: str,
    limit: int = GREP_LIMIT,
    *,
    paths: Iterable[str] | None = None,
    buffers: Mapping[str, str | None] = {},
) -> list[Match]:
    """The first `limit` lines that `pattern` matches, in the order of path and line.

    `paths` are the files to look through, None for all of the workspace; `buffers` is what an editor has
    open, which counts instead of the disk. Raises `InputError` for an expression that cannot be used, `WorkspaceError`
    when the time is up.
    """
    expression = Expression(workspace.root, pattern)
    limit = max(1, limit)
    deadline = time.monotonic() + GREP_S
    rules = workspace.ignores()
    program = find_ripgrep(workspace.root)
    finder = Ripgrep(workspace.root, pattern, program, expression) if program else expression
    listed = sorted(set(workspace.files(rules) if paths is None else paths) - set(buffers))
    found: list[Match] = []
    for path, numbers in finder.find(listed, limit, deadline):
        with suppress(WorkspaceError):
            found += _matches(path, numbers, workspace.read(path, rules).lines)
        if len(found) >= limit:
            break
    for path, text in admitted(workspace, buffers, rules).items():
        found += _matches(path, expression.lines_of(text.encode("utf-8", "replace"), limit), text.split("\n"))
    return sorted(found, key=lambda match: (match.path, match.line))[:limit]


def _matches(path: str, numbers: Iterable[int], lines: Sequence[str]) -> list[Match]:
    # A file may have lost lines since the finder saw it.
    kept = [number for number in numbers if number <= len(lines)]
    return [Match(path=path, line=number, text=lines[number - 1][:LINE_CHARS_MAX]) for number in kept]


class Expression:
    """A checked expression; finds in this process, by RE2."""

    def __init__(self, root: Path, pattern: str) -> None:
        """Compile `pattern` for files below `root`. Raises `InputError` where it cannot be used."""
        import re2

        if not pattern or len(pattern) > PATTERN_CHARS_MAX or "\0" in pattern or "\n" in pattern:
            raise InputError(
                f"An expression has 1 to {PATTERN_CHARS_MAX} characters, and no line break.",
                hint=r"Write \n nowhere: each line is matched by itself.",
            )
        options = re2.Options()
        options.log_errors = False
        options.never_nl = True
        try:
            # By itself first, so that what is said against it speaks of what was typed.
            plain = re2.compile(pattern.encode("utf-8", "replace"), options)
            self._compiled = re2.compile(f"(?m:{pattern})".encode("utf-8", "replace"), options)
        except re2.error as error:
            raise _refused(pattern, _said(error)) from error
        if plain.programsize > PROGRAM_SIZE_MAX:
            raise _refused(pattern, "it is too large")
        self._root = root

    def find(self, paths: Sequence[str], limit: int, deadline: float) -> Iterator[tuple[str, list[int]]]:
        """See `Finder`."""
        for path in paths:
            if time.monotonic() > deadline:
                raise _late()
            numbers = self.lines_of(_content(f"{self._root}/{path}"), limit)
            if numbers:
                yield path, numbers

    def lines_of(self, text: bytes, limit: int) -> list[int]:
        r"""The numbers of the first `limit` lines of `text`, UTF-8 with `\n`, that match."""
        numbers: list[int] = []
        number, counted, at = 1, 0, 0
        while at <= len(text) and len(numbers) < limit:
            hit = self._compiled.search(text, at)
            if hit is None:
                break
            start = hit.start()
            if start == len(text) and text.endswith(b"\n"):
                break  # behind the last line stands no other one
            number += text.count(b"\n", counted, start)
            counted = start
            numbers.append(number)
            end = text.find(b"\n", start)
            at = end + 1 if end >= 0 else len(text) + 1
        return numbers


class Ripgrep:
    """Finds by a ripgrep program."""

    def __init__(self, root: Path, pattern: str, program: str, instead: Finder) -> None:
        """Look below `root` with `program`, an absolute path; where it does not start, `instead` looks."""
        self._root, self._pattern, self._program, self._instead = root, pattern, program, instead

    def find(self, paths: Sequence[str], limit: int, deadline: float) -> Iterator[tuple[str, list[int]]]:
        """See `Finder`."""
        for piece in _pieces(path for path in paths if _is_plain(f"{self._root}/{path}")):
            try:
                printed = self._run(piece, limit, deadline)
            except OSError:
                yield from self._instead.find(piece, limit, deadline)
                continue
            found = _lines_by_path(printed)
            yield from ((path, found[path]) for path in piece if path in found)

    def _run(self, paths: Sequence[str], limit: int, deadline: float) -> bytes:
        command = [self._program, *OPTIONS.split(), f"--max-count={limit}", "-e", self._pattern, "--"]
        # Led by `./`, a name that begins with a dash is no option, and `-` not the input.
        files = [f"./{path}" for path in paths]
        try:
            done = subprocess.run(
                [*command, *files],
                cwd=self._root,
                env=environment_for_child(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=max(0.0, deadline - time.monotonic()),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _late() from error
        # 2 also stands for a file that cannot be read; of those nothing is said here.
        if done.returncode == 2 and not done.stdout and done.stderr:
            raise _refused(self._pattern, done.stderr.decode("utf-8", "replace").strip().split("\n")[-1])
        return done.stdout


def _lines_by_path(printed: bytes) -> dict[str, list[int]]:
    """What ripgrep printed: a path, NUL, a number and a colon in each line."""
    found: dict[str, list[int]] = {}
    for line in printed.split(b"\n"):
        name, _, rest = line.partition(b"\0")
        number = rest.partition(b":")[0]
        if number.isdigit():
            found.setdefault(os.fsdecode(name).removeprefix("./"), []).append(int(number))
    return found


def find_ripgrep(root: Path) -> str | None:
    """The ripgrep that is installed, by its absolute path; one inside the workspace `root` is never started."""
    found = shutil.which("rg", path=environment_for_child().get("PATH"))
    if found is None or not Path(found).is_absolute() or Path(found).resolve().is_relative_to(root):
        return None
    return found


def _is_plain(path: str) -> bool:
    """Whether a regular file of bearable size lies there; ripgrep would wait for the writer of a pipe."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= FILE_SIZE_MAX


def _pieces(paths: Iterable[str]) -> Iterator[list[str]]:
    """The paths in pieces that fit on a command line."""
    piece: list[str] = []
    size_bytes = 0
    for path in paths:
        cost = len(os.fsencode(path)) + 16
        if piece and size_bytes + cost > ARGUMENTS_SIZE_MAX:
            yield piece
            piece, size_bytes = [], 0
        piece.append(path)
        size_bytes += cost
    if piece:
        yield piece


def _content(path: str) -> bytes:
    r"""A file's text as UTF-8 with `\n`; nothing of what is no regular file, too large or not to be read."""
    try:
        # By hand: a file object takes 50 µs for each of thousands of files, this takes 10.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_SIZE_MAX:
                return b""
            data = os.read(descriptor, status.st_size)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return b""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        with suppress(BinaryContent):
            return decode("", data, 0).text.encode("utf-8", "replace")
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def _refused(pattern: str, why: str) -> InputError:
    return InputError(
        f"The expression '{pattern[:80]}' cannot be used: {why}.",
        hint="Write it as for ripgrep: no look-around, no back-references; put a backslash before ( or [ itself.",
    )


def _late() -> WorkspaceError:
    return WorkspaceError(
        f"The files were not looked through within {GREP_S:.0f} s.", hint="Look for more, or in fewer files."
    )


def _said(error: Exception) -> str:
    """What RE2 has against an expression; it says so in bytes."""
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
