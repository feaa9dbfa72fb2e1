"""One connection to the daemon: find it, start it where there is none, have a foreign one replaced.

`pump` (for a relay) and the command line call `reach`. Below it stand `places` and the kernel's locks. Ten front ends
that start at once take turns at `start.lock`; the daemon itself holds `daemon.lock` for its life, so that no second one
comes to be, whoever was killed in between. It knows no protocol: what follows the daemon's yes is the caller's.
"""

# ruff: noqa: PTH109 - pathlib takes longer to import than all the rest of the relay
import fcntl
import os
import select
import sys
import time
from _socket import AF_UNIX, SOCK_STREAM, socket

from naestro import __version__
from naestro.relay.lines import quoted
from naestro.relay.places import FILE_MODE, Places, Trouble, absolute

START_S = 60.0
"""How long a daemon may take to start, or an old one to end, before a front end gives up."""
ANSWER_S = 30.0
"""How long a running daemon may take to say yes or no; the first connection of a protocol loads its libraries."""
PAUSE_S = 0.02
SILENCES_MAX = 500
"""How often in a row a listening daemon may send a front end away without a reason, or bid it try again."""
REPLY_MAX_BYTES = 1 << 16
LOG_HINT = "Look into {log} for the cause."

CONTROL = "control"
"""The protocol of a caller that only wants a daemon of its own version to run."""
STATUS = "status"
"""The protocol of a caller that asks how the daemon is, whatever its version."""


class Patience:
    """How to wait: with nothing else in mind. A relay waits with an eye on its editor."""

    def wait(self, descriptor: "int | None", timeout_s: float) -> bool:
        """Wait until `descriptor` can be read (none: just wait); whether it can."""
        poll = select.poll()
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))


class Hello:
    """The first line of a connection: who is there, and for what."""

    __slots__ = ("cwd", "is_replacing", "protocol")

    def __init__(self, protocol: str, *, is_replacing: bool) -> None:
        """With `is_replacing` a daemon of another version or environment is to make room."""
        self.protocol = protocol
        self.is_replacing = is_replacing
        try:
            self.cwd = os.getcwd()
        except OSError:
            self.cwd = "/"

    def line(self, token: str) -> bytes:
        """As one line of JSON. It carries the environment, which may hold keys: it goes nowhere but to the socket."""
        environment = ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in os.environ.items())
        replace = "true" if self.is_replacing else "false"
        return (
            f'{{"naestro": {quoted(__version__)}, "prefix": {quoted(sys.prefix)}, '
            f'"protocol": {quoted(self.protocol)}, "cwd": {quoted(self.cwd)}, "token": {quoted(token)}, '
            f'"replace": {replace}, "environment": {{{environment}}}}}\n'
        ).encode()


def reach(places: Places, hello: Hello, patience: Patience) -> socket:
    """A connection that the daemon said yes to; its daemon is started if need be. The caller closes it.

    Raises `Trouble`: the daemon refuses, does not start, or neither answers nor ends within a minute.
    """
    places.make()
    began = time.time()
    deadline = time.monotonic() + START_S
    silences = 0
    while time.monotonic() < deadline and silences < SILENCES_MAX:
        connection = connect(places)
        if connection is None:
            silences = 0
            _start_or_wait(places, hello, patience, (began, deadline))
        elif _greeted(connection, hello.line(places.token()), patience):
            return connection
        else:
            silences += 1
            patience.wait(None, PAUSE_S)
    raise Trouble(
        f"Naestro's daemon neither lets this front end in nor ends, for {time.time() - began:.0f} seconds now.",
        "Run `naestro daemon stop`, which ends it, and try again.",
    )


def connect(places: Places) -> "socket | None":
    """A connection to the daemon's socket; None where nobody listens. Raises `Trouble` for any other failure."""
    connection = socket(AF_UNIX, SOCK_STREAM)
    connection.settimeout(ANSWER_S)
    try:
        connection.connect(places.relay_socket)
    except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise Trouble(
            f"The socket {places.relay_socket} cannot be used: {error.strerror}.",
            "Mend its permissions, or remove it.",
        ) from None
    return connection


def ask(connection: socket, line: bytes, patience: Patience) -> bytes:
    """Send the hello and take the daemon's line; empty where it ended without one. Raises `Trouble` when it hangs."""
    reply = b""
    try:
        connection.sendall(line)
        while not reply.endswith(b"\n") and len(reply) < REPLY_MAX_BYTES:
            if not patience.wait(connection.fileno(), ANSWER_S):
                raise TimeoutError
            data = connection.recv(REPLY_MAX_BYTES)
            if not data:
                return b""
            reply += data
    except TimeoutError:
        raise Trouble(
            f"Naestro's daemon did not answer in {ANSWER_S:.0f} seconds.",
            "Run `naestro daemon stop`, which ends it, and try again.",
        ) from None
    except OSError:
        return b""
    return reply


def _greeted(connection: socket, line: bytes, patience: Patience) -> bool:
    """Whether the daemon said yes; else the connection is closed, and another try makes sense."""
    reply = b""
    try:
        reply = ask(connection, line, patience)
    finally:
        if not reply.startswith(b'{"ok": true'):
            connection.close()
    if reply.startswith(b'{"ok": true'):
        return True
    answer = _fields(reply)
    if reply and not answer.get("replaced") and not answer.get("again"):
        raise _refused(answer, is_final=True)
    return False


def _fields(line: bytes) -> "dict[str, object]":
    import json

    try:
        answer: object = json.loads(line or b"{}")
    except ValueError:
        answer = None
    # A JSON object's keys are strings.
    return answer if isinstance(answer, dict) else {}  # pyright: ignore[reportUnknownVariableType] - see above


def _refused(answer: "dict[str, object]", *, is_final: bool) -> Trouble:
    message = str(answer.get("error") or "Naestro's daemon gave an answer that makes no sense.")
    return Trouble(message, str(answer.get("hint") or "Run `naestro daemon status`."), is_final=is_final)


def is_locked(path: str) -> bool:
    """Whether a live process holds the lock at `path`. The look itself takes a share of it for a moment."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _start_or_wait(places: Places, hello: Hello, patience: Patience, times: "tuple[float, float]") -> None:
    """Start a daemon, if nobody else does and none is about to listen or to end."""
    try:
        descriptor = os.open(places.start_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise Trouble(
            f"{places.start_lock} cannot be written: {error.strerror}.", "Mend its permissions."
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not is_locked(places.daemon_lock) and not _is_listening(places):
            _start(places, descriptor, patience, times)
            # Were the new one to say that it is of another version, it would say so for ever.
            hello.is_replacing = False
            return
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
    patience.wait(None, PAUSE_S)


def _is_listening(places: Places) -> bool:
    """Whether the daemon came up between the caller's last try and its turn at the lock."""
    connection = connect(places)
    if connection is not None:
        connection.close()
    return connection is not None


def _start(places: Places, memo: int, patience: Patience, times: "tuple[float, float]") -> None:
    """Start a daemon and wait until it is ready; `memo`, the lock's file, tells those who wait why it failed."""
    began, deadline = times
    found = os.fstat(memo)
    # A failure from the future is one from before the clock was set back.
    if found.st_size and began <= found.st_mtime <= time.time():
        raise _refused(_fields(os.pread(memo, REPLY_MAX_BYTES, 0)), is_final=False)
    os.ftruncate(memo, 0)
    answer = _fields(_spawned(places, patience, deadline))
    if answer.get("ok") or answer.get("again"):
        return
    if not answer:
        answer["error"] = "Naestro's daemon ended while it started."
        answer["hint"] = LOG_HINT.format(log=places.log)
    import json

    os.pwrite(memo, json.dumps(answer).encode(), 0)
    raise _refused(answer, is_final=False)


def _spawned(places: Places, patience: Patience, deadline: float) -> bytes:
    """Start the process; the line that it says when it is ready, or why it cannot be. Empty where it died."""
    reading, writing = os.pipe()
    try:
        try:
            _spawn(places, writing)
        finally:
            os.close(writing)
        line = b""
        while patience.wait(reading, deadline - time.monotonic()):
            data = os.read(reading, REPLY_MAX_BYTES)
            line += data
            if not data or line.endswith(b"\n"):
                break
        return line
    finally:
        os.close(reading)


def _spawn(places: Places, writing: int) -> None:
    """Run `naestro daemon run --detach`, whose process forks and ends, so that the daemon is nobody's child."""
    environment = dict(os.environ)
    for name in ("NAESTRO_HOME", "NAESTRO_CACHE"):
        if environment.get(name):
            # The daemon lives in the root folder, where a relative path would mean another one.
            environment[name] = absolute(environment[name], name)
    try:
        log = os.open(places.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            process = os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", "-m", "naestro", "daemon", "run", "--detach"],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, writing, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
            )
        finally:
            os.close(log)
        os.waitpid(process, 0)
    except OSError as error:
        raise Trouble(
            f"Naestro's daemon cannot be started: {error.strerror or error}.", LOG_HINT.format(log=places.log)
        ) from None
