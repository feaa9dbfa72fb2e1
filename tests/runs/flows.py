"""What the tests of runs share: a journal in a folder, small flows that count what they do, and crashes.

A crash leaves exactly the transactions that were committed, so it is played by going on with a copy of them
(`after_crash`), made at any moment while the old owner still works. `tests/kill` does the same with SIGKILL.
"""

import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio

from naestro.runs.attempt import Attempt, Call
from naestro.runs.execution import Execution, Flow
from naestro.runs.history import History
from naestro.runs.journal import Journal, open_journal
from naestro.runs.loading import read_history
from naestro.runs.run import Run, StepSpec
from naestro.types import Event, Origin, RunStarted, RunStatus, StepKind, Usage, Value

T = TypeVar("T")
WAIT_S = 10.0


class Text(Value, frozen=True):
    """A request, a response or a result of these tests."""

    text: str


class Stop(Exception):
    """A defect of a flow: no error of the tree."""


def started(**changes: Any) -> RunStarted:
    values: dict[str, Any] = {
        "command": "explain",
        "task": {"target": "x.py"},
        "workspace": "/w",
        "origin": Origin.CLI,
        "settings": {},
        "seed": 7,
    }
    return RunStarted(**(values | changes))


@asynccontextmanager
async def journal_in(home: Path) -> AsyncIterator[Journal]:
    async with open_journal(home, holder="test") as journal:
        yield journal


def after_crash(home: Path, to: Path) -> Path:
    """A home that holds what is durable in `home` at this moment, as if its owner had been killed now."""
    to.mkdir()
    with (
        closing(sqlite3.connect(home / "journal.db")) as source,
        closing(sqlite3.connect(to / "journal.db")) as target,
    ):
        source.backup(target)
    return to


def copied_home(home: Path, to: Path) -> Path:
    shutil.copytree(home, to)
    return to


def history(journal: Journal, run: str) -> History:
    return read_history(journal.reader, run)


def told(journal: Journal, run: str) -> list[str]:
    """Each event as one short line: type, and the step's place where it has one."""
    return [line(event) for event in journal.reader.events(run)]


def line(event: Event) -> str:
    return event.type if event.step is None else f"{event.type} {event.step}/{event.revision}/{event.attempt}"


def spec(name: str, *reads: str, kind: StepKind = StepKind.PROPOSE) -> StepSpec:
    return StepSpec(name, kind, reads)


def gives(value: T, log: list[str] | None = None) -> Callable[[Attempt], Awaitable[T]]:
    """A step's work that only returns `value`."""

    async def work(attempt: Attempt) -> T:
        if log is not None:
            log.append(attempt.key.partition("/")[2])
        return value

    return work


def calls(
    *texts: str, log: list[str] | None = None, is_idempotent: bool = True
) -> Callable[[Attempt], Awaitable[str]]:
    """A step's work that makes one call for each of `texts` and joins what comes back."""

    async def work(attempt: Attempt) -> str:
        answers: list[str] = []
        for text in texts:
            async with attempt.call("engine", Text(text), is_idempotent=is_idempotent) as call:
                answers.append(await respond(call, text, log))
        return " ".join(answers)

    return work


async def respond(call: Call, text: str, log: list[str] | None = None) -> str:
    """Answer a call as an engine would: in upper case."""
    if call.recorded is not None:
        return call.recorded.decode()
    if log is not None:
        log.append(text)
    call.token(text.upper())
    await call.finish(Text(text.upper()), Usage(prompt_tokens=10, completion_tokens=1))
    return f'{{"text":"{text.upper()}"}}'


async def run_flow(journal: Journal, flow: Flow, run: str | None = None) -> tuple[str, RunStatus]:
    run = run or await journal.create_run(started())
    with anyio.fail_after(WAIT_S):
        return run, await Execution(journal, run, flow).run()


async def until(journal: Journal, run: str, is_true: Callable[[History], bool]) -> History:
    """The history as soon as something is true of it; fails after a while."""
    with anyio.fail_after(WAIT_S):
        while True:
            async with journal.live(run) as feed:
                seen = history(journal, run)
                if is_true(seen):
                    return seen
                await feed.receive()


async def hang(run: Run, step: StepSpec, ready: anyio.Event) -> Text:
    """A flow whose step begins a call and never comes back."""

    async def work(attempt: Attempt) -> str:
        async with attempt.call("engine", Text("slow")) as call:
            call.token("some")
            ready.set()
            await anyio.sleep_forever()
        raise AssertionError

    return Text(await run.step(step, work, str))


@contextmanager
def full_disk(home: Path) -> Iterator[None]:
    """No file of this process may grow beyond the journal's present size: SQLite meets a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
