"""The daemon at work: its sockets, its file, what takes up the runs that were left, and the order of its end.

`process` above opened the core and holds the lock; below stand the doors (`listener` for protocols, `web_server` for
the control API) and `idle`, which says when it is over.
"""

import json
import logging
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import anyio
import msgspec
from anyio.abc import SocketListener, TaskGroup

from naestro.client.local import LocalClient
from naestro.config import load_settings
from naestro.config_tree import DaemonSettings
from naestro.daemon.api import DaemonInfo
from naestro.daemon.http import build_app
from naestro.daemon.identity import Identity
from naestro.daemon.idle import Life
from naestro.daemon.listener import Door, Listener
from naestro.daemon.log import Plain
from naestro.daemon.mounted import Mounted, protocols
from naestro.daemon.web_server import WebServer
from naestro.errors import NaestroError
from naestro.relay.places import FILE_MODE, Places

BACKLOG = 1024
WEB_END_S = 1.5
"""What requests may take to end after the runs did: those who follow one are told of its end."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

log = logging.getLogger(__name__)


class Service:
    """One daemon's life after its core was opened."""

    def __init__(self, core: LocalClient, places: Places, plain: Plain) -> None:
        """`plain` keeps secrets out of the log."""
        self._core = core
        self._places = places
        self._plain = plain
        self._settings: DaemonSettings = load_settings(None).settings.daemon
        self._token = secrets.token_hex(32)
        self._identity = Identity()
        self._started_at = anyio.current_time()
        self._life = Life(lambda: bool(core.working), self._last_used_at)
        self._listener = Listener(self._door())
        self._port_socket = _loopback_socket()
        self._info = DaemonInfo(
            version=self._identity.version,
            pid=os.getpid(),
            prefix=self._identity.prefix,
            home=places.home,
            started=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            port=self._port_socket.getsockname()[1],
        )
        self._mounted = {name: Mounted(name, core) for name in protocols()}
        self._web = WebServer(build_app(core, self._info, self._token, plugins=self._mounted))
        plain.hide(self._token)

    async def serve(self, ready: Callable[[int], None]) -> None:
        """Serve until the end has come, and bring it about; `ready` is called when front ends can connect."""
        life = self._life
        try:
            web_socket = _unix_socket(self._places.http_socket)
            self._write_file()
            relays = await anyio.create_unix_listener(
                self._places.relay_socket, mode=FILE_MODE, backlog=BACKLOG
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._web.serve, [web_socket, self._port_socket])
                tasks.start_soon(self._accept, relays, tasks)
                for mounted in self._mounted.values():
                    tasks.start_soon(mounted.run)
                tasks.start_soon(life.watch_signals)
                tasks.start_soon(life.watch_idleness, self._settings.idle_stop_s)
                tasks.start_soon(life.watch_files, self._identity)
                log.info("The daemon is ready: version %s, port %s.", self._info.version, self._info.port)
                ready(self._info.pid)
                await self._take_up()
                await life.ending.wait()
                self._remove_files()
                await relays.aclose()
                await self._end_work()
                tasks.cancel_scope.cancel()
        finally:
            self._remove_files()
        log.info("The daemon has ended.")

    async def _accept(self, relays: SocketListener, connections: TaskGroup) -> None:
        """Serve who comes, until the socket is closed."""
        with suppress(anyio.ClosedResourceError):
            await relays.serve(self._listener.serve, connections)

    async def _take_up(self) -> None:
        """Go on with the runs that the last daemon left."""
        try:
            for run in await self._core.take_up():
                log.info("The run %s goes on.", run)
        except NaestroError as error:
            log.warning("The runs that were left do not go on: %s", error.message)

    async def _end_work(self) -> None:
        """Let runs end or be parked, then requests."""
        await self._core.shut_down(self._life.drain_s)
        self._web.should_exit = True
        with anyio.move_on_after(WEB_END_S):
            while self._web.started and self._web.connections:  # noqa: ASYNC110 - uvicorn sets no event
                await anyio.sleep(0.02)

    def _last_used_at(self) -> float | None:
        """When a connection was last heard; requests over HTTP count as heard just now."""
        return anyio.current_time() if self._web.connections else self._listener.last_used_at()

    def _door(self) -> Door:
        life = self._life
        return Door(
            identity=self._identity,
            token=self._token,
            pid=os.getpid(),
            client_of=self._core.bound,
            status=self._status,
            replace=lambda: life.end("another version starts", drain_s=self._settings.drain_s),
            hide=self._plain.hide_environment,
            is_ending=life.ending.is_set,
        )

    def _status(self) -> dict[str, object]:
        """What `naestro daemon status` shows."""
        return {
            "pid": self._info.pid,
            "version": self._info.version,
            "prefix": self._info.prefix,
            "started": self._info.started,
            "uptime_s": round(anyio.current_time() - self._started_at, 1),
            "memory_bytes": memory_bytes(),
            "port": self._info.port,
            "runs": self._core.working,
            "connections": msgspec.to_builtins(self._listener.opened()),
            "http_connections": self._web.connections,
        }

    def _write_file(self) -> None:
        """Write `daemon.json`, in one step, so that nobody reads half of it."""
        content = {
            "pid": self._info.pid,
            "version": self._info.version,
            "prefix": self._info.prefix,
            "port": self._info.port,
            "token": self._token,
            "started": self._info.started,
        }
        path = Path(self._places.daemon_file)
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
        new.replace(path)

    def _remove_files(self) -> None:
        """A front end that finds none of them knows that this daemon ended on purpose."""
        for path in (self._places.relay_socket, self._places.http_socket, self._places.daemon_file):
            Path(path).unlink(missing_ok=True)
        if self._places.sockets != self._places.folder:
            # A folder in /tmp that is there for the sockets alone; another daemon makes it again.
            with suppress(OSError):
                Path(self._places.sockets).rmdir()


def _loopback_socket() -> socket.socket:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    return listening


def _unix_socket(path: str) -> socket.socket:
    """A socket at `path`, in place of one that a dead daemon left; the lock says that it is dead."""
    Path(path).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    Path(path).chmod(FILE_MODE)
    return listening


def memory_bytes() -> int:
    """The memory that this process holds now; where the system does not tell, the most that it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except OSError:  # pragma: no cover - the suite runs on Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
