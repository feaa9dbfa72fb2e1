"""`naestro daemon`: start, stop and look at the process that works on runs.

`cli` above calls it; below stand the relay's places and its first line. It speaks no HTTP: it must work, too, when the
daemon is of another version, and when it hangs.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from naestro.client.reaching import daemon_error, reach_daemon
from naestro.config import load_settings
from naestro.errors import DaemonUnreachable, InputError
from naestro.relay.places import Places, Trouble, find_places
from naestro.relay.start import STATUS, Hello, Patience, ask, connect, is_locked
from naestro.terminal.exits import Exit
from naestro.terminal.streams import say

STOP_S = 20.0
"""What parking runs and ending engines may take, besides the time that the settings give to runs."""
KILL_S = 10.0
POLL_S = 0.05
FOLLOW_S = 0.25
MIB = 1 << 20


class Connection(msgspec.Struct, frozen=True):
    """A front end."""

    protocol: str
    cwd: str
    since_s: float


class Status(msgspec.Struct, frozen=True):
    """What the daemon says of itself."""

    pid: int
    version: str
    prefix: str
    started: str
    uptime_s: float
    memory_bytes: int
    port: int
    runs: list[str]
    connections: list[Connection]
    http_connections: int


def start_daemon(*, as_json: bool) -> int:
    """See that a daemon runs, and say which."""
    places = reach_daemon()
    pid = holder_of(places)
    print(json.dumps({"pid": pid}) if as_json else f"The daemon runs as process {pid}.")
    return Exit.OK


def stop_daemon(*, as_json: bool) -> int:
    """End the daemon: its runs are parked and go on in the next one. One that hangs is killed."""
    places = _places()
    pid = holder_of(places)
    if pid:
        _end(places, pid)
    if as_json:
        print(json.dumps({"pid": pid or None}))
    else:
        print(f"The daemon, process {pid}, has ended." if pid else "No daemon runs.")
    return Exit.OK


def show_status(*, as_json: bool) -> int:
    """Print how the daemon is; 1 where none runs."""
    places = _places()
    status = status_of(places)
    if status is None:
        print(json.dumps({"pid": None}) if as_json else "No daemon runs.")
        return Exit.FAILED
    print(msgspec.json.encode(status).decode() if as_json else "\n".join(_lines(status)))
    return Exit.OK


def show_logs(lines: int, *, is_following: bool) -> int:
    """Print the end of the daemon's log; with `is_following`, what comes, until Ctrl-C."""
    path = Path(_places().log)
    if not path.exists() and not is_following:
        print("The daemon has written nothing yet.")
        return Exit.OK
    try:
        file = _opened(path)
        for line in _last(file, lines):
            print(line, end="")
        sys.stdout.flush()
        if is_following:
            _follow(path, file)
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Mend its permissions.") from error
    return Exit.OK


def holder_of(places: Places) -> int:
    """The process that holds the daemon's lock; 0 where none does."""
    if not is_locked(places.daemon_lock):
        return 0
    with suppress(OSError, ValueError):
        return int(Path(places.daemon_lock).read_text(encoding="ascii"))
    return 0


def status_of(places: Places) -> Status | None:
    """What the daemon says of itself; None where none runs. Raises `DaemonUnreachable` where it does not answer."""
    try:
        connection = connect(places)
        if connection is None:
            return _silent(places)
        line = Hello(STATUS, is_replacing=False).line(places.token())
        try:
            answer: Any = json.loads(ask(connection, line, Patience()) or b"{}")  # any JSON
        finally:
            connection.close()
        return msgspec.convert(answer["status"], Status)
    except Trouble as trouble:
        raise daemon_error(trouble) from None
    except (KeyError, ValueError, TypeError) as error:
        raise DaemonUnreachable(
            f"The daemon, process {holder_of(places)}, gives no sensible answer."
        ) from error


def _silent(places: Places) -> None:
    """Nobody listens: fine where no daemon holds the lock."""
    if pid := holder_of(places):
        raise DaemonUnreachable(
            f"The daemon, process {pid}, is starting or ending.", hint="Try again in a moment."
        )


def _places() -> Places:
    try:
        return find_places()
    except Trouble as trouble:
        raise daemon_error(trouble) from None


def _end(places: Places, pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if _has_ended(places, STOP_S + load_settings(None, is_strict=False).settings.daemon.drain_s):
        return
    _kill(places, pid)  # pragma: no cover - a test would have to wait for all of STOP_S


def _kill(places: Places, pid: int) -> None:
    say(f"naestro: The daemon does not end; process {pid} is killed.")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    if not _has_ended(places, KILL_S):  # pragma: no cover - no process outlives that but in a broken kernel
        raise DaemonUnreachable(f"Process {pid} does not end.", hint="Restart the machine.")


def _has_ended(places: Places, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while is_locked(places.daemon_lock):
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


def _lines(status: Status) -> Iterator[str]:
    yield f"process      {status.pid}"
    yield f"version      {status.version} in {status.prefix}"
    yield f"running for  {_duration(status.uptime_s)}, since {status.started}"
    yield f"memory       {status.memory_bytes / MIB:.0f} MiB"
    yield f"HTTP         127.0.0.1:{status.port}, {status.http_connections} connections"
    yield f"runs         {' '.join(status.runs) or 'none'}"
    yield f"connections  {len(status.connections) or 'none'}"
    for one in status.connections:
        yield f"  {one.protocol} in {one.cwd}, for {_duration(one.since_s)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _opened(path: Path) -> IO[str]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    return path.open(encoding="utf-8", errors="replace")


def _last(file: IO[str], lines: int) -> list[str]:
    found = file.readlines()
    return found[-lines:] if lines else []


def _follow(path: Path, file: IO[str]) -> None:
    """Print what is added, also after the file was turned over."""
    while True:
        for line in file:
            print(line, end="")
        sys.stdout.flush()
        time.sleep(FOLLOW_S)
        with suppress(OSError):
            if path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                for line in file:
                    print(line, end="")
                file.close()
                file = _opened(path)
