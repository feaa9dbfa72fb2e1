"""What the tests of the client in this process share: small flows, gates that they wait at, and readers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel

from naestro.client.api import Client, Command, EngineStatus
from naestro.client.documents import JournalDocuments
from naestro.client.indexing import LocalIndexing
from naestro.client.local import Core, LocalClient
from naestro.client.machine import LocalMachine, load_leniently
from naestro.client.tooling import LocalTooling
from naestro.config import Loaded, Settings, environment
from naestro.errors import InputError
from naestro.policy.editor import Editor
from naestro.runs.attempt import Attempt
from naestro.runs.execution import Flow
from naestro.runs.journal import open_journal
from naestro.runs.run import Run
from naestro.tools.servers.lent import Lent
from naestro.types import Delta, Event, Json, Origin, RunFinished, RunStarted
from tests.runs.flows import Text, calls, gives, spec
from tests.support.indexes import KnownIndexes

WAIT_S = 30.0
ENGINE = EngineStatus(
    name="e", model="m", context_tokens=1, is_local=True, is_ready=True, detail="it is a test's"
)


class Flows:
    """What runs do, by the text of their task; `closed` counts the runs whose engines were given back."""

    def __init__(self) -> None:
        self.by_text: dict[str, Flow] = {}
        self.closed: list[str] = []
        self.editors: list[Editor | None] = []

    @asynccontextmanager
    async def open(self, started: RunStarted, editor: Editor | None) -> AsyncIterator[Flow]:
        self.editors.append(editor)
        try:
            yield self.by_text[str(started.task["text"])]
        finally:
            self.closed.append(str(started.task["text"]))


class Gate:
    """A step that says that it has come, and waits until it may go on."""

    def __init__(self, text: str = "passed") -> None:
        self.came = anyio.Event()
        self.goes = anyio.Event()
        self.tries = 0
        self._text = text

    async def __call__(self, attempt: Attempt) -> str:
        self.tries += 1
        self.came.set()
        await self.goes.wait()
        return self._text


def prepare(command: Command) -> tuple[str, dict[str, Json]]:
    if command.name != "explain":
        raise InputError(f"There is no command {command.name!r}.")
    return command.workspace, {"council": {"proposers": 1}}


def command(text: str, *, name: str = "explain", seed: int | None = None) -> Command:
    return Command(name=name, task={"text": text}, workspace="/w", origin=Origin.HTTP, seed=seed)


async def engines(workspace: str) -> list[EngineStatus]:
    return [ENGINE] if workspace == "/w" else []


def machine_of(variables: Mapping[str, str] | None) -> LocalMachine:
    def load(root: Path | None) -> Loaded:
        with environment(variables):
            return load_leniently(root)

    return LocalMachine(load)


@asynccontextmanager
async def client_in(
    home: Path,
    flows: Flows,
    engines: Callable[[str], Awaitable[list[EngineStatus]]] = engines,
    indexes: KnownIndexes | None = None,
) -> AsyncIterator[LocalClient]:
    known = indexes or KnownIndexes()
    index = partial(LocalIndexing, known)
    with anyio.fail_after(WAIT_S):
        async with open_journal(home, holder="test") as journal, anyio.create_task_group() as tasks:
            tooling = partial(LocalTooling, JournalDocuments(journal), lambda _: Settings(), home, Lent())
            yield LocalClient(
                Core(journal, prepare, flows.open, engines, machine_of, index, tooling, known.close), tasks
            )
            tasks.cancel_scope.cancel()


async def short(run: Run) -> Text:
    first = await run.step(spec("one"), calls("hello", "world"), str)
    return Text(await run.step(spec("two", "one"), gives(f"{first}!"), str))


def behind(gate: Gate) -> Flow:
    async def flow(run: Run) -> Text:
        await run.step(spec("one"), calls("hello"), str)
        return Text(await run.step(spec("two", "one"), gate, str))

    return flow


async def asking(run: Run) -> Text:
    return Text(await run.ask("which", "answer", "Which one?", ["left", "right"], b"a diff"))


async def watched(client: Client, run: str, after: int = 0) -> list[Event | Delta]:
    async with client.events(run, after) as events:
        return [item async for item in events]


async def resumed(client: Client, run: str) -> list[Event | Delta]:
    """What follows when the run goes on, to its end."""
    last = (await client.get(run)).last_seq
    return await watched(client, await client.resume(run), after=last)


async def result(client: Client, items: list[Event | Delta]) -> bytes:
    last = items[-1]
    assert isinstance(last, Event)
    assert isinstance(last.data, RunFinished)
    return await client.artifact(last.data.result)


def numbers(items: list[Event | Delta]) -> list[int]:
    return [item.seq for item in items if isinstance(item, Event)]


async def until(client: Client, run: str, is_it: Callable[[Event], bool]) -> None:
    async with client.events(run) as events:
        async for item in events:
            if isinstance(item, Event) and is_it(item):
                return
    raise AssertionError("it did not come")
