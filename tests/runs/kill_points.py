"""Ends an owner of the journal by SIGKILL at each SQL statement of a scenario, one process after another.

Run as `python -m tests.runs.kill_points SCENARIO TEMPLATE OUT`: for k = 1, 2, … it copies the folder TEMPLATE (if it
exists) to OUT/k and forks a process that plays the scenario there and kills itself as its k-th statement begins. It
ends with the first k that lives to the end. What each process was told is durable stands in OUT/k.shown.
"""

import os
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from naestro.runs.journal import Draft, Journal, open_journal
from naestro.runs.retention import prune
from naestro.types import InterruptOpened, RunCancelled
from tests.conformance.journal import begin_step, begun, notice, step_ends

KILLED = 1
LIVED = 0


class Shown:
    """A file to which each event that is durable is added at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def add(self, run: str, seq: int) -> None:
        self._file.write(f"{run} {seq}\n".encode())


async def _write(journal: Journal, shown: Shown) -> None:
    run = await journal.create_run(begun())
    shown.add(run, 1)
    guard = await begin_step(journal, run, "propose.1")
    shown.add(run, 2)
    [event] = await journal.write(run, step_ends("propose.1", b"x"), artifacts=[b"x"], guard=guard)
    shown.add(run, event.seq)

    async def one(text: str) -> None:
        [event] = await journal.write(run, notice(text))
        shown.add(run, event.seq)

    async with anyio.create_task_group() as tasks:
        for text in "abc":
            tasks.start_soon(one, text)
    last = Draft(InterruptOpened("pause", "pause", "Go on?", []))
    await journal.write(run, last, Draft(RunCancelled("asked to")))
    shown.add(run, event.seq + 5)


async def _open(journal: Journal, shown: Shown) -> None:
    for info in journal.reader.runs():
        shown.add(info.id, info.last_seq)


async def _prune(journal: Journal, shown: Shown) -> None:
    await prune(journal, max_size_bytes=0)


async def _rebuild(journal: Journal, shown: Shown) -> None:
    await _open(journal, shown)
    await journal.rebuild()


SCENARIOS: dict[str, Callable[[Journal, Shown], Awaitable[None]]] = {
    "create": _write,
    "write": _write,
    "migrate": _open,
    "prune": _prune,
    "rebuild": _rebuild,
}


WRITING_CONNECTIONS = dict.fromkeys(SCENARIOS, 1) | {"migrate": 2}
"""The journal itself, and the copy that a migration makes."""

READING = ("SELECT", "--")
"""Statements that change nothing, and SQLite's own remarks: a kill there is one at the next statement."""


async def play(home: Path, scenario: str, shown: Shown) -> None:
    async with open_journal(home, holder="a process that will be killed") as journal:
        await SCENARIOS[scenario](journal, shown)


class KillAt:
    """Watches every connection of this process and counts its statements.

    An audit event hands each connection over while it is being made; when that call returns, it can be traced. The
    journal is opened in a worker thread.
    """

    def __init__(self, statement: int, connections: int) -> None:
        self._left = statement
        self._connections = connections
        self._watched = 0
        self._new: list[sqlite3.Connection] = []

    def watch(self) -> None:
        sys.addaudithook(self._audit)
        threading.setprofile(self._trace_new)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect/handle":
            self._new.append(arguments[0])

    def _trace_new(self, frame: object, event: str, argument: object) -> None:
        if event == "c_return" and argument is sqlite3.connect:
            while self._new:
                self._new.pop().set_trace_callback(self._count)
                self._watched += 1
            if self._watched == self._connections:
                threading.setprofile(None)
                sys.setprofile(None)

    def _count(self, statement: str) -> None:
        self._left -= not statement.startswith(READING)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def run_until_killed(home: Path, scenario: str, statement: int) -> int:
    child = os.fork()
    if not child:
        KillAt(statement, WRITING_CONNECTIONS[scenario]).watch()
        anyio.run(play, home, scenario, Shown(home.with_suffix(".shown")))
        os._exit(LIVED)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return KILLED
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == LIVED:
        return LIVED
    sys.exit(f"the process that was to be killed at statement {statement} ended with status {status}")


def main(scenario: str, template: Path, out: Path) -> None:
    for statement in range(1, 1000):
        home = out / str(statement)
        if template.exists():
            shutil.copytree(template, home)
        if run_until_killed(home, scenario, statement) == LIVED:
            return
    sys.exit("the scenario has no end")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
