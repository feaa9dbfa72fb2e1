"""Running tests of the workspace: in a terminal of the editor where it has one, else captured here.

It comes after the person's yes and never before: a workspace's program does what it likes. One of ours gets a process
group of its own, which is killed when it takes too long, when the run is cancelled and when it ends; it gets no input,
and no variable that looks like a secret. Above, `test`; below, the editor and the system. The sandbox will stand here.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import AnyByteReceiveStream, Process

from naestro.config import environment_for_child
from naestro.council.outcome import SuiteOutcome, counts
from naestro.council.sitting import Kit
from naestro.policy.editor import TerminalOutcome
from naestro.policy.secrets import is_secret_variable
from naestro.runs.attempt import Attempt

TESTS_S = 180.0
"""Seconds for one run of the new tests; a person waits for it."""
OUTPUT_CHARS = 8_000
"""Of the output that are kept, from its end: where runners say what failed."""
KEPT_SIZE = 64 * 1024
"""Bytes of output held in memory."""
REAP_S = 2.0
"""Seconds for the rest of the output after the process group was killed."""
NOT_FOUND = 127
"""The exit code by which a shell says that there is no such program."""


async def run_tests(kit: Kit, argv: Sequence[str], _: Attempt, *, timeout_s: float = TESTS_S) -> SuiteOutcome:
    """Run `argv` in the workspace's root; how it ended."""
    ended, is_in_editor, is_late = None, False, False
    if kit.editor is not None:
        ended = await kit.editor.run_program(list(argv), kit.workspace.root, timeout_s)
        is_in_editor = ended is not None
    if ended is None:
        ended, is_late = await run_captured(argv, kit.workspace.root, timeout_s)
    passed, failed = counts(ended.output)
    return SuiteOutcome(
        command=shlex.join(argv),
        exit_code=ended.exit_code,
        passed=passed,
        failed=failed,
        output=ended.output[-OUTPUT_CHARS:],
        is_cut=ended.is_cut or len(ended.output) > OUTPUT_CHARS,
        is_timed_out=is_late,
        is_in_editor=is_in_editor,
    )


async def run_captured(argv: Sequence[str], cwd: Path, timeout_s: float) -> tuple[TerminalOutcome, bool]:
    """How a program of ours ended, and whether that was because of `timeout_s`."""
    try:
        process = await anyio.open_process(
            argv,
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        told = f"{argv[0]}: {error.strerror}"
        return TerminalOutcome(exit_code=NOT_FOUND, output=told), False
    tail = _Tail()
    scope = anyio.CancelScope()
    try:
        with anyio.move_on_after(timeout_s) as scope:
            await _listen(process, tail)
    finally:
        await _end(process)
    code = process.returncode
    is_ended = scope.cancelled_caught or code is None or code < 0
    outcome = TerminalOutcome(exit_code=None if is_ended else code, output=tail.text, is_cut=tail.is_cut)
    return outcome, scope.cancelled_caught


async def _listen(process: Process, tail: "_Tail") -> None:
    """Take in what the process prints until it has ended, whatever it may leave running behind it."""
    async with anyio.create_task_group() as tasks:
        assert process.stdout is not None
        tasks.start_soon(_keep, process.stdout, tail)
        await process.wait()
        _kill_group(process.pid)
        tasks.cancel_scope.deadline = anyio.current_time() + REAP_S


async def _keep(stream: AnyByteReceiveStream, tail: "_Tail") -> None:
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while True:
            tail.take(await stream.receive())


async def _end(process: Process) -> None:
    _kill_group(process.pid)
    with anyio.CancelScope(shield=True):
        await process.aclose()


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    return {name: value for name, value in environment_for_child().items() if not is_secret_variable(name)}


class _Tail:
    """The end of a stream of bytes."""

    def __init__(self) -> None:
        self._data = b""
        self.is_cut = False

    def take(self, data: bytes) -> None:
        """Add `data` and let go what is too much."""
        self._data += data
        if len(self._data) > KEPT_SIZE:
            self._data, self.is_cut = self._data[-KEPT_SIZE:], True

    @property
    def text(self) -> str:
        """What is left, as text."""
        return self._data.decode("utf-8", "replace")
