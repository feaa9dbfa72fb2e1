"""Server-sent events: one run, all of them, or an index that is made, for whoever follows over HTTP.

`http` above routes here; below stands the client. A reader that is slow holds up nobody: events wait in its own
bounded feed, and when that is full it reads on from the journal. An event's id is its number, so that a reader which
comes back with Last-Event-ID misses nothing; pieces of text in between (`delta`) have none.
"""

from collections.abc import AsyncGenerator, AsyncIterable

from sse_starlette import EventSourceResponse, ServerSentEvent

from naestro.client.api import Indexing
from naestro.client.local import LocalClient
from naestro.daemon.rpc_errors import error_body
from naestro.errors import NaestroError
from naestro.types import Delta, Event, RunStatus, Value, encode

DELTA, END, ERROR, PROGRESS = "delta", "end", "error", "progress"
"""Names of what is no event of a run; their data are a `Delta`, an `End`, an `ErrorBody`, an `IndexProgress`."""

Shown = AsyncGenerator[ServerSentEvent]


class End(Value, frozen=True):
    """The data of `end`: nobody works on the run, so nothing more comes."""

    run: str
    status: RunStatus
    last_seq: int


def response(events: AsyncIterable[ServerSentEvent], *, heartbeat_ms: int) -> EventSourceResponse:
    """The stream, with a comment every `heartbeat_ms` so that a reader knows that it lives."""
    return EventSourceResponse(events, ping=heartbeat_ms / 1000, ping_message_factory=_heartbeat)


async def run_events(client: LocalClient, run: str, after: int) -> Shown:
    """What is recorded of `run` (a whole id) after number `after`, then what comes, to the end of the work on it."""
    try:
        async with client.events(run, after) as items:
            async for item in items:
                yield _shown(item)
        yield await _end(client, run)
    except NaestroError as error:
        yield _error(error)


async def recorded_events(client: LocalClient, run: str, after: int) -> Shown:
    """What is recorded of `run`, and no more."""
    try:
        for event in await client.history(run, after):
            yield _shown(event)
        yield await _end(client, run)
    except NaestroError as error:
        yield _error(error)


async def all_events(client: LocalClient, after: int) -> Shown:
    """The events of all runs after the global number `after`, then what comes; it has no end of its own."""
    try:
        async with client.everything(after) as items:
            async for number, event in items:
                yield ServerSentEvent(encode(event).decode(), event=event.type, id=str(number))
    except NaestroError as error:
        yield _error(error)


async def index_progress(index: Indexing, workspace: str, *, rebuild: bool) -> Shown:
    """How far the index of `workspace` is, until it is what the disk says."""
    try:
        async with index.update(workspace, rebuild=rebuild) as steps:
            async for step in steps:
                yield ServerSentEvent(encode(step).decode(), event=PROGRESS)
    except NaestroError as error:
        yield _error(error)


def _shown(item: Event | Delta) -> ServerSentEvent:
    if isinstance(item, Delta):
        return ServerSentEvent(encode(item).decode(), event=DELTA)
    return ServerSentEvent(encode(item).decode(), event=item.type, id=str(item.seq))


async def _end(client: LocalClient, run: str) -> ServerSentEvent:
    info = await client.get(run)
    return ServerSentEvent(encode(End(info.id, info.status, info.last_seq)).decode(), event=END)


def _error(error: NaestroError) -> ServerSentEvent:
    return ServerSentEvent(encode(error_body(error)).decode(), event=ERROR)


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="still here")
