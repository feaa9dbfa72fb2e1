"""The relays' door: one line from the front end, one answer, and then the protocol that it named.

`process` runs one `Listener` over the socket; `naestro.relay.start` is the other side. A protocol is a plug-in: an
entry point in the group `naestro.protocols` that names what has `async def serve(stream, client, cwd)`. One task serves
one connection; whatever goes wrong in it ends it alone.
"""

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

import anyio
import anyio.to_thread
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteStream

from naestro.client.api import Client
from naestro.config import environment, load_settings
from naestro.daemon.identity import PROTOCOLS_GROUP, Identity
from naestro.daemon.peers import is_own
from naestro.errors import ConfigError
from naestro.relay.start import CONTROL, STATUS
from naestro.types import Value

HELLO_MAX_BYTES = 8 << 20
"""A process's environment fills most of it; the kernels allow up to 2 MB and more by request."""
HELLO_S = 10.0

log = logging.getLogger(__name__)

Answer = Mapping[str, object]


class Plugin(Protocol):
    """A protocol server."""

    def serve(self, stream: ByteStream, client: Client, cwd: Path) -> Awaitable[None]:
        """Speak the protocol over `stream` until the other side is gone."""
        ...


class Opened(Value, frozen=True):
    """A connection, as `naestro daemon status` tells it."""

    protocol: str
    cwd: str
    since_s: float
    """Seconds since it was opened."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What the front end says of itself."""

    version: object
    prefix: object
    protocol: str
    cwd: str
    environment: dict[str, str]
    token: str
    is_replacing: bool

    @classmethod
    def decode(cls, line: bytes) -> "Hello":
        """From one line of JSON; raises `ValueError`, `TypeError` or `KeyError` where it is none."""
        said = json.loads(line)
        return cls(
            version=said["naestro"],
            prefix=said["prefix"],
            protocol=str(said["protocol"]),
            cwd=str(said["cwd"]),
            environment={str(name): str(value) for name, value in said["environment"].items()},
            token=str(said["token"]),
            is_replacing=said["replace"] is True,
        )


class Refusal(Exception):
    """Why a front end is not let in: the answer that it gets."""

    def __init__(self, message: str, hint: str, **more: object) -> None:
        super().__init__(message)
        self.answer: Answer = {"error": message, "hint": hint, "replaced": False, **more}


class Watched(BufferedByteStream):
    """A connection that notes when it was last heard or spoken to."""

    def __init__(self, stream: SocketStream) -> None:
        super().__init__(stream)
        self.opened_at = self.used_at = anyio.current_time()
        self.protocol = self.cwd = ""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """As of any stream."""
        data = await super().receive(max_bytes)
        self.used_at = anyio.current_time()
        return data

    async def send(self, item: bytes) -> None:
        """As of any stream."""
        await super().send(item)
        self.used_at = anyio.current_time()


@dataclass(slots=True)
class Door:
    """What the listener needs of the daemon."""

    identity: Identity
    token: str
    pid: int
    client_of: Callable[[Mapping[str, str]], Client]
    """The core as a caller with that environment sees it."""
    status: Callable[[], Answer]
    replace: Callable[[], None]
    """A front end of another version or environment asks this daemon to make room."""
    hide: Callable[[Mapping[str, str]], None]
    """Keeps what is secret in an environment out of the log."""
    is_ending: Callable[[], bool]
    plugins: dict[str, Plugin] = field(default_factory=dict[str, Plugin])


class Listener:
    """Serves connections; each call of `serve` is one."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._open: set[Watched] = set()
        self._loading = anyio.Lock()

    def opened(self) -> list[Opened]:
        """The connections that speak a protocol now."""
        now = anyio.current_time()
        return [Opened(one.protocol, one.cwd, now - one.opened_at) for one in self._open if one.protocol]

    def last_used_at(self) -> float | None:
        """When one of them was last heard; None where none is open."""
        return max((one.used_at for one in self._open), default=None)

    async def serve(self, stream: SocketStream) -> None:
        """Serve one connection until it ends. Raises nothing but cancellation."""
        connection = Watched(stream)
        self._open.add(connection)
        async with connection:
            try:
                if is_own(stream.extra(SocketAttribute.raw_socket)):  # noqa: S610 - anyio's `extra`, no query
                    await self._greet(connection)
                else:  # pragma: no cover - needs a second user
                    log.warning("Another user's process tried to connect.")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                log.info("A connection (%s) broke.", connection.protocol or "new")
            except Exception:
                # A connection's boundary: what went wrong in it is of no concern to the others.
                log.exception("A connection (%s) ended by a fault.", connection.protocol or "new")
                await _apologize(connection)
            finally:
                self._open.discard(connection)

    async def _greet(self, connection: Watched) -> None:
        hello = await _hello_of(connection)
        if hello is None:
            return
        try:
            self._admit(hello)
            if hello.protocol in {CONTROL, STATUS}:
                more = {"status": self._door.status()} if hello.protocol == STATUS else {}
                await _answer(connection, {"ok": True, "pid": self._door.pid, **more})
                return
            plugin = await self._plugin(hello.protocol)
            await anyio.to_thread.run_sync(check_enabled, hello.protocol, hello.environment)
        except Refusal as refusal:
            with suppress(anyio.BrokenResourceError):
                await _answer(connection, refusal.answer)
            return
        await self._speak(connection, hello, plugin)

    async def _speak(self, connection: Watched, hello: Hello, plugin: Plugin) -> None:
        self._door.hide(hello.environment)
        connection.protocol, connection.cwd = hello.protocol, hello.cwd
        client = self._door.client_of(hello.environment)
        await _answer(connection, {"ok": True, "pid": self._door.pid})
        await plugin.serve(connection, client, Path(hello.cwd))

    def _admit(self, hello: Hello) -> None:
        """Raises `Refusal` for whom this daemon is not."""
        if self._door.is_ending():
            raise Refusal("Naestro's daemon is ending.", "Try again in a moment.", again=True)
        if not hmac.compare_digest(hello.token.encode(), self._door.token.encode()):
            raise Refusal("The token is not this daemon's.", "Restart the agent.", again=True)
        if hello.protocol == STATUS:
            return
        identity = self._door.identity
        is_same = identity.is_same(hello.version, hello.prefix)
        if is_same and not (hello.is_replacing and identity.has_changed()):
            return
        if hello.is_replacing:
            self._door.replace()
            raise Refusal("Naestro's daemon makes room for yours.", "Try again in a moment.", replaced=True)
        raise Refusal(
            f"Naestro was replaced by version {identity.version} in {identity.prefix}: restart the agent.",
            "Restart the agent, or the editor.",
        )

    async def _plugin(self, name: str) -> Plugin:
        """The protocol's server, loaded when it is first asked for; raises `Refusal`."""
        async with self._loading:
            if name not in self._door.plugins:
                # Importing a protocol's library takes most of a second, in which others want to be served.
                self._door.plugins[name] = await anyio.to_thread.run_sync(load_plugin, name)
        return self._door.plugins[name]


async def _hello_of(connection: Watched) -> Hello | None:
    """The first line; None where there is none, or no sense in it."""
    try:
        with anyio.fail_after(HELLO_S):
            line = await connection.receive_until(b"\n", HELLO_MAX_BYTES)
        return Hello.decode(line)
    except (TimeoutError, anyio.IncompleteRead, anyio.DelimiterNotFound):
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        log.warning("A connection began with what is no hello.")
        return None


async def _apologize(connection: Watched) -> None:
    """Say that the daemon failed to a front end that waits for its first answer, if it still can be told."""
    if not connection.protocol:
        refusal = Refusal("Naestro's daemon failed.", "Look into its log (`naestro daemon logs`).")
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await _answer(connection, refusal.answer)


async def _answer(connection: Watched, answer: Answer) -> None:
    await connection.send(json.dumps(answer).encode() + b"\n")


def check_enabled(protocol: str, variables: Mapping[str, str] | None) -> None:
    """Raise `Refusal` where the caller's settings switch the protocol off: `ACP_ENABLED=0` for `acp`.

    Settings that are wrong switch nothing off: the protocol tells them where the person sees it.
    """
    with suppress(ConfigError), environment(variables):
        flags = load_settings(None).settings.flags
        if not getattr(flags, f"{protocol}_enabled", True):
            raise Refusal(
                f"The flag {protocol.upper()}_ENABLED switches the protocol {protocol} off.",
                f"Unset {protocol.upper()}_ENABLED (or flags.{protocol}_enabled in the settings); restart the agent.",
            )


def load_plugin(name: str) -> Plugin:
    """The server of protocol `name`; raises `Refusal` where there is none, or it does not load."""
    found = list(entry_points(group=PROTOCOLS_GROUP, name=name))
    if not found:
        raise Refusal(f"Naestro does not speak {name}.", "Install the package that brings it, and restart.")
    try:
        return cast("Plugin", found[0].load())  # what an entry point names has no type
    except Exception as error:
        # Plug-in loading: anything can go wrong in code that is not ours.
        log.exception("The protocol %s does not load.", name)
        raise Refusal(
            f"The protocol {name} does not load: {type(error).__name__}.",
            "Look into the daemon's log (`naestro daemon logs`), and install Naestro again.",
        ) from error
