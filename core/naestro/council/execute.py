"""What executing a candidate shows: the first rung of the evidence ladder, which runs none of its code.

The patch applies to the files as they are, what it makes parses, and ruff's error rules find nothing new. A later
rung (tests in a sandbox) is one more `Rung` in the list that `execute_candidate` climbs. The same candidate on the
same files gives the same report. Above, the council's `execute` step; below, the patches and the workspace.
"""

import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Protocol

import anyio
import anyio.to_thread
import msgspec

from naestro.council.patches import Patch, read_patch
from naestro.errors import NaestroError, PatchError, WorkspaceError
from naestro.policy.buffers import reading
from naestro.policy.changes import Change, plan, unified_diff
from naestro.policy.text import TextFile
from naestro.policy.workspace import Workspace
from naestro.types import Value

PYTHON_ENDINGS = (".py", ".pyi")

ERROR_RULES = ("E9", "F50", "F52", "F63", "F7", "F82", "PLE")
"""Ruff's rules for code that fails when it runs: syntax, broken format strings, comparisons that are always wrong,
statements where they cannot stand, undefined names, pylint's errors. Style is a matter of taste and no evidence."""

CHECK_S = 20.0
"""Seconds for one check of one file: compiling and linting a megabyte takes under two."""

_COMPILE = """
import json, resource, sys
for limit, most in ((resource.RLIMIT_AS, 2 << 30), (resource.RLIMIT_CPU, 15), (resource.RLIMIT_CORE, 0)):
    try:
        resource.setrlimit(limit, (most, most))
    except (OSError, ValueError):
        pass
fault = None
try:
    compile(sys.stdin.buffer.read().decode(), "candidate", "exec", dont_inherit=True)
except SyntaxError as error:
    fault = {"line": error.lineno, "message": error.msg}
except (MemoryError, RecursionError, OverflowError, ValueError) as error:
    fault = {"line": None, "message": "too large or too deeply nested for Python's compiler"}
sys.stdout.write(json.dumps(fault))
"""
"""Run in a process of its own: hostile nesting can overflow the compiler's stack. Compiling executes nothing."""


class Evidence(Value, frozen=True):
    """What one check showed."""

    check: str
    """`applies`, `parses`, `lint`, or the name of a later rung's check."""
    is_passed: bool
    detail: str
    """One line."""
    path: str | None = None
    line: int | None = None
    """In the file as the candidate makes it, from 1."""


class ExecutionReport(Value, frozen=True):
    """What executing a candidate showed."""

    changes: list[Change]
    """Empty where the patch does not apply."""
    diff: str
    """Unified, in git's form."""
    evidence: list[Evidence]
    is_out: bool
    """Whether a check failed: the candidate is no proposal."""
    notes: list[str] = []
    """What the parser of the patch forgave."""


class Rung(Protocol):
    """One step up the ladder of evidence."""

    name: str

    async def run(self, workspace: Workspace, changes: Sequence[Change]) -> list[Evidence]:
        """Check what `changes` make of the workspace, without changing it."""
        ...


class _Fault(msgspec.Struct):
    """What the compiling process says."""

    line: int | None
    message: str


class _Location(msgspec.Struct):
    row: int


class _Finding(msgspec.Struct):
    """One finding in ruff's JSON."""

    message: str
    location: _Location
    code: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What stays the same when lines move."""
        return self.code or "", self.message


@dataclass(slots=True)
class Parses:
    """The result is accepted by Python's own compiler; other languages are not checked yet, and it says so."""

    name: str = "parses"
    command: Sequence[str] = (sys.executable, "-I", "-S", "-W", "ignore", "-c", _COMPILE)
    seconds: float = CHECK_S

    async def run(self, workspace: Workspace, changes: Sequence[Change]) -> list[Evidence]:
        """One piece of evidence for each file that there is afterwards."""
        return [
            await self._check(workspace, change.path, change)
            for change in changes
            if change.after is not None
        ]

    async def _check(self, workspace: Workspace, path: str, change: Change) -> Evidence:
        if not path.endswith(PYTHON_ENDINGS):
            return Evidence(check=self.name, is_passed=True, detail="not checked: not Python", path=path)
        fault = await self._fault(change.after or "")
        if fault is None:
            return Evidence(check=self.name, is_passed=True, detail="Python compiles it", path=path)
        before = await _before(workspace, change)
        if before is not None and await self._fault(before):
            detail = f"not checked: it did not parse before either ({fault.message})"
            return Evidence(check=self.name, is_passed=True, detail=detail, path=path)
        return Evidence(check=self.name, is_passed=False, detail=fault.message, path=path, line=fault.line)

    async def _fault(self, text: str) -> _Fault | None:
        """Why Python does not compile `text`, or None."""
        output = await _output(self.command, text, self.seconds)
        if output is None:
            return _Fault(None, "Python's compiler gave up on it")
        return msgspec.json.decode(output, type=_Fault | None)


@dataclass(slots=True)
class Lints:
    """Ruff's error rules find nothing that they had not found before."""

    name: str = "lint"
    command: Sequence[str] = (sys.executable, "-I", "-m", "ruff")
    seconds: float = CHECK_S

    async def run(self, workspace: Workspace, changes: Sequence[Change]) -> list[Evidence]:
        """What is new in each Python file, or that nothing is."""
        evidence: list[Evidence] = []
        for change in changes:
            if change.after is not None and change.path.endswith(PYTHON_ENDINGS):
                evidence += await self._check(workspace, change)
        return evidence

    async def _check(self, workspace: Workspace, change: Change) -> list[Evidence]:
        path = change.path
        after = await self._findings(path, change.after or "")
        before = await self._findings(path, await _before(workspace, change) or "")
        if after is None or before is None:
            return [
                Evidence(
                    check=self.name, is_passed=True, detail="not checked: ruff did not answer", path=path
                )
            ]
        new = [
            Evidence(
                check=self.name, is_passed=False, detail=_told(found), path=path, line=found.location.row
            )
            for found in _new(before, after)
        ]
        passed = Evidence(check=self.name, is_passed=True, detail="no new errors by ruff", path=path)
        return new or [passed]

    async def _findings(self, path: str, text: str) -> list[_Finding] | None:
        if not text:
            return []
        options = ["check", "--isolated", "--no-cache", "--ignore-noqa", "--exit-zero", "--no-fix", "--quiet"]
        options += ["--select", ",".join(ERROR_RULES), "--target-version", "py314", "--output-format", "json"]
        output = await _output([*self.command, *options, "--stdin-filename", path, "-"], text, self.seconds)
        try:
            return msgspec.json.decode(output or b"", type=list[_Finding])
        except msgspec.DecodeError:
            return None


FIRST_RUNG: tuple[Rung, ...] = (Parses(), Lints())
"""What runs no code of a candidate."""


async def execute_candidate(
    workspace: Workspace,
    patch_text: str,
    rungs: Sequence[Rung] = FIRST_RUNG,
    shown: TextFile | None = None,
) -> ExecutionReport:
    """What a proposed patch does: whether it applies, then each rung until one fails. Writes nothing.

    `shown` is the one file that its author saw whole, if that is so.
    """
    try:
        patch, diff = await reading(_apply, workspace, patch_text, shown)
    except (PatchError, WorkspaceError) as error:
        return ExecutionReport(changes=[], diff="", evidence=[_refused(error)], is_out=True)
    evidence = [_applies(patch)]
    for rung in rungs:
        evidence += await rung.run(workspace, patch.changes)
        if not all(found.is_passed for found in evidence):
            break
    is_out = not all(found.is_passed for found in evidence)
    return ExecutionReport(patch.changes, diff, evidence, is_out, patch.notes)


def _apply(workspace: Workspace, text: str, shown: TextFile | None) -> tuple[Patch, str]:
    patch = read_patch(text, workspace.read, shown)
    plan(workspace, patch.changes)
    return patch, unified_diff(workspace, patch.changes)


def _applies(patch: Patch) -> Evidence:
    count = len(patch.changes)
    return Evidence(check="applies", is_passed=True, detail=f"changes {count} file{'s' if count > 1 else ''}")


def _refused(error: NaestroError) -> Evidence:
    return Evidence(check="applies", is_passed=False, detail=error.message)


async def _before(workspace: Workspace, change: Change) -> str | None:
    """The text that the change was made for, or None where there was no file."""
    if change.before_sha256 is None:
        return None
    return (await reading(workspace.read, change.path)).text


async def _output(command: Sequence[str], text: str, seconds: float) -> bytes | None:
    """What a check prints when it is given `text`; None when it fails or takes too long.

    It gets no environment: nothing of the person's settings reaches it, and the same text gives the same output.
    """
    # A file, not a pipe: a check that ends before it has read everything is no error of ours.
    with await anyio.to_thread.run_sync(_as_file, text) as given, anyio.move_on_after(seconds):
        done = await anyio.run_process(command, stdin=given, env={}, check=False)
        return done.stdout if done.returncode == 0 else None
    return None


def _as_file(text: str) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the caller
    file.write(text.encode())
    file.seek(0)
    return file


def _new(before: Sequence[_Finding], after: Sequence[_Finding]) -> list[_Finding]:
    """The findings of `after` that exceed those of `before` in number, by code and message, the last ones."""
    known = Counter(found.key for found in before)
    grouped: defaultdict[tuple[str, str], list[_Finding]] = defaultdict(list)
    for found in after:
        grouped[found.key].append(found)
    new = [found for key, group in grouped.items() for found in group[known[key] :]]
    return sorted(new, key=lambda found: (found.location.row, found.key))


def _told(found: _Finding) -> str:
    return f"{found.code}: {found.message}" if found.code else found.message
