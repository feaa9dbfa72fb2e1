"""The way to the daemon over HTTP: one call, one stream of events, and what happens when the daemon is lost.

`http` above makes a `Client` of it; below stands httpx2 over the daemon's socket. A lost daemon is reached again,
which starts a new one: a call that changes nothing is made once more, another one says that the daemon was lost, and
a stream goes on after the last event that it gave. Nothing here knows what a method does.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
import msgspec

from naestro import errors
from naestro.engines.sse import EventReader
from naestro.errors import DaemonUnreachable, InputError, NaestroError
from naestro.types import Delta, Event, RunStatus, decode_event, encode

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

Reach = Callable[[], str]
"""Makes sure that a daemon runs, and gives the path of its socket; may take a minute, raises `NaestroError`."""

T = TypeVar("T")

BASE_URL = "http://localhost"
"""Any host: the socket decides who answers."""
CONNECT_S = 10.0
EVENT_MAX_BYTES = 64 * 1024 * 1024
LOSSES_MAX = 3
"""How often in a row a stream is taken up again that gave nothing new: the run may be what ends the daemon."""
WRONG_PARAMS = -32602
LOG_HINT = "Look into the daemon's log (`naestro daemon logs`)."


class _ErrorData(msgspec.Struct, frozen=True):
    type: str = ""
    hint: str | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str
    code: int = 0
    # What a library answers beside its own errors is text.
    data: _ErrorData | str | None = None


class _Answer(msgspec.Struct, frozen=True):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class _Item(msgspec.Struct, frozen=True):
    """Enough of an item of a stream to tell what it is."""

    seq: int | None = None
    status: RunStatus | None = None
    code: int | None = None


class Lost(Exception):
    """The stream broke before its end."""


@dataclass(slots=True)
class Wire:
    """One caller's way to the daemon."""

    http: "AsyncClient"
    reach: Reach

    async def call(
        self, method: str, params: Mapping[str, object], kind: type[T], *, is_repeatable: bool = False
    ) -> T:
        """The result of `method`. A repeatable one is made again when the daemon is lost meanwhile.

        Raises:
            DaemonUnreachable: The daemon was lost; whether it did what was asked is unknown.
            NaestroError: What the method raised, of the same class.
        """
        from httpx2 import ConnectError, TransportError

        body = encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            response = await self.http.post("/rpc", content=body)
        except TransportError as error:
            if not is_repeatable and not isinstance(error, ConnectError):
                raise DaemonUnreachable(f"The daemon was lost while it was asked for {method}.") from error
            await self.connect()
            response = await self._posted(body, method)
        return msgspec.json.decode(_result(response), type=kind)

    async def connect(self) -> None:
        """Reach the daemon, which is started where there is none. Raises `NaestroError`."""
        await anyio.to_thread.run_sync(self.reach, abandon_on_cancel=True)

    async def follow(
        self, run: str, after: int, take_up: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[Event | Delta]:
        """What is recorded of `run` after number `after`, then what comes; `take_up` mends the loss of a daemon."""
        progress = _Progress(after)
        while True:
            try:
                async with aclosing(self._portion(run, progress.seen)) as portion:
                    async for item in portion:
                        progress.note(item)
                        yield item
                return
            except Lost as lost:
                progress.note_loss(lost)
            await take_up()

    async def _posted(self, body: bytes, method: str) -> "Response":
        from httpx2 import TransportError

        try:
            return await self.http.post("/rpc", content=body)
        except TransportError as error:
            raise DaemonUnreachable(f"The daemon was lost twice while it was asked for {method}.") from error

    async def streamed(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[bytes]:
        """The data of each event that `POST path` answers with; raises what ends it, `Lost` where it breaks."""
        answer = self.http.stream("POST", path, content=encode(body))
        async with aclosing(_datas(answer)) as datas:
            async for data in datas:
                if msgspec.json.decode(data, type=_Item).code is not None:
                    raise _raised(msgspec.json.decode(data, type=_Error))
                yield data

    async def _portion(self, run: str, after: int) -> AsyncGenerator[Event | Delta]:
        """One stream, to its end; raises `Lost` where it breaks before."""
        answer = self.http.stream("GET", f"/runs/{run}/events", params={"after": after})
        async with aclosing(_datas(answer)) as datas:
            async for data in datas:
                item = _item(data)
                if item is None:
                    return
                yield item
        raise Lost


@dataclass(slots=True)
class _Progress:
    """How far a follower has come."""

    seen: int
    """The number of the last event."""
    losses: int = 0
    """Of the daemon, since then."""

    def note(self, item: Event | Delta) -> None:
        """Something came."""
        if isinstance(item, Event):
            self.seen, self.losses = item.seq, 0

    def note_loss(self, lost: Lost) -> None:
        """The stream broke; raises `DaemonUnreachable` where it did so too often."""
        self.losses += 1
        if self.losses > LOSSES_MAX:
            raise DaemonUnreachable(f"The daemon was lost {self.losses} times in a row.") from lost


async def _datas(stream: "AbstractAsyncContextManager[Response]") -> AsyncGenerator[bytes]:
    """The data of each event of a stream; raises `Lost` where the connection breaks."""
    from httpx2 import TransportError

    reader = EventReader(event_max_bytes=EVENT_MAX_BYTES)
    try:
        async with stream as response:
            if not response.is_success:
                await response.aread()
                _result(response)
            async for received in response.aiter_raw():
                for data in reader.feed(received):
                    yield data
    except TransportError as error:
        raise Lost from error


def _item(data: bytes) -> Event | Delta | None:
    """An item of a stream; None is its end. Raises the error that ended it."""
    kind = msgspec.json.decode(data, type=_Item)
    if kind.seq is not None:
        return decode_event(data)
    if kind.status is not None:
        return None
    if kind.code is not None:
        raise _raised(msgspec.json.decode(data, type=_Error))
    return msgspec.json.decode(data, type=Delta)


def _result(response: "Response") -> msgspec.Raw:
    """The result of an answer; raises the error that it tells."""
    try:
        answer = msgspec.json.decode(response.content, type=_Answer)
    except msgspec.DecodeError as error:
        raise NaestroError(
            f"The daemon gave an answer that makes no sense (status {response.status_code}).", hint=LOG_HINT
        ) from error
    if answer.error is not None:
        raise _raised(answer.error)
    return answer.result


def _raised(error: _Error) -> NaestroError:
    """The error of the same class as in the daemon."""
    if isinstance(error.data, _ErrorData):
        kind = getattr(errors, error.data.type, NaestroError)
        return (kind if _is_known(kind) else NaestroError)(error.message, hint=error.data.hint)
    if error.code == WRONG_PARAMS:
        return InputError(error.message)
    return NaestroError(error.message, hint=LOG_HINT)


def _is_known(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, NaestroError)
