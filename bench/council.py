"""One run of the council as the benches see it: its recorded calls, and the same calls made without it.

The run goes through the real client, as the command line's do. Its requests are taken from the journal, and so is what
each of them waited for: the calls whose answers it was built from.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
import msgspec

from bench.stand import SOURCE_NAME, Stand
from naestro.client.api import Client, Command
from naestro.engines.engine import ChatRequest, Completion
from naestro.types import (
    CallFinished,
    CallStarted,
    Event,
    Json,
    Origin,
    RunFinished,
    StepFinished,
    StepStarted,
    Usage,
)

TASK = "How does this queue keep jobs of equal urgency in their order?"
SEED = 7


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call."""

    request: ChatRequest
    text: str
    """What it brought."""
    usage: Usage
    after: tuple[str, ...]
    """The calls whose answers it was built from, by name."""


@dataclass(frozen=True, slots=True)
class Made:
    """One run of the council."""

    wall_s: float
    cpu_s: float
    """Of this process, all its threads."""
    steps: int
    calls: Mapping[str, Call]
    """By name, in the order in which they began."""


async def council(client: Client, stand: Stand, settings: Mapping[str, Json], task: str = TASK) -> Made:
    """One run, from the command to its last event; `settings` are the caller's own."""
    command = Command(
        name="explain",
        task={"text": task, "files": [SOURCE_NAME]},
        workspace=str(stand.workspace),
        origin=Origin.CLI,
        seed=SEED,
        settings=dict(settings),
    )
    wall, cpu = time.perf_counter(), time.process_time()
    run = await client.start(command)
    async with client.events(run) as feed:
        events = [event async for event in feed if isinstance(event, Event)]
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    if not isinstance(events[-1].data, RunFinished):
        raise SystemExit(f"The run of the bench did not finish: {events[-1]}")
    steps = sum(isinstance(event.data, StepFinished) for event in events)
    return Made(wall_s, cpu_s, steps, await _recorded(client, events))


async def _recorded(client: Client, events: Sequence[Event]) -> dict[str, Call]:
    ends = {event.data.call: event.data for event in events if isinstance(event.data, CallFinished)}
    calls: dict[str, Call] = {}
    for (name, request), after in zip(_requests(events).items(), _waits(events), strict=True):
        completion = msgspec.json.decode(await client.artifact(ends[name].response), type=Completion)
        asked = msgspec.json.decode(await client.artifact(request), type=ChatRequest)
        calls[name] = Call(asked, completion.text, completion.usage, after)
    return calls


def _requests(events: Sequence[Event]) -> dict[str, str]:
    return {event.data.call: event.data.request for event in events if isinstance(event.data, CallStarted)}


def _waits(events: Sequence[Event]) -> list[tuple[str, ...]]:
    """For each call the calls that it waited for: the one before it in its step, else those of the steps it reads."""
    reads: dict[str, list[str]] = {}
    calls_of: dict[str, list[str]] = {}
    waits: list[tuple[str, ...]] = []
    for event in events:
        step = event.step or ""
        if isinstance(event.data, StepStarted):
            reads[step] = list(event.data.reads)
        elif isinstance(event.data, CallStarted):
            before = [name for read in reads[step] for name in _last_calls(read, reads, calls_of)]
            mine = calls_of.setdefault(step, [])
            waits.append(tuple(mine[-1:] or dict.fromkeys(before)))
            mine.append(event.data.call)
    return waits


def _last_calls(step: str, reads: Mapping[str, list[str]], calls_of: Mapping[str, list[str]]) -> list[str]:
    """The last call of `step`; of a step that makes none, those of the steps that it reads."""
    if step in calls_of:
        return calls_of[step][-1:]
    return [name for read in reads.get(step, []) for name in _last_calls(read, reads, calls_of)]


Send = Callable[[ChatRequest, Callable[[], None]], Awaitable[str]]
"""Makes one call, tells its first token, and gives the text."""


@dataclass(slots=True)
class Straight:
    """The calls of a run, made without the council, but in its order.

    Side by side where they stood side by side, each after the calls that it waited for, and all behind the first token
    of the first call: the council waits for that so that the engine reads the shared prompt once.
    """

    calls: Mapping[str, Call]
    send: Send
    texts: dict[str, str] = field(default_factory=dict)
    """What each call brought, by name."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    _done: dict[str, anyio.Event] = field(default_factory=dict)
    _warm: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> "Straight":
        """Make all calls."""
        self._done = {name: anyio.Event() for name in self.calls}
        wall, cpu = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as tasks:
            for name, call in self.calls.items():
                tasks.start_soon(self._make, name, call)
        self.wall_s, self.cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        return self

    async def _make(self, name: str, call: Call) -> None:
        for earlier in call.after:
            await self._done[earlier].wait()
        if name != next(iter(self.calls)):
            await self._warm.wait()
        self.texts[name] = await self.send(call.request, self._warm.set)
        self._done[name].set()
