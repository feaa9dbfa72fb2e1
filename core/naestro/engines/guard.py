"""A small process between the holder of the journal and a model server: `python -m naestro.engines.guard`.

`supervisor` starts it, with one line of JSON (`Order`) on its standard input. It starts the server and stays: when
its input ends, which the kernel sees to however the holder ends, it kills the server at once, whatever that does
just now: starting, loading, reading a prompt. A server cannot do this for itself: a native one does not look, and
xllamacpp holds the interpreter's lock while it loads. Should the guard itself be killed, the server dies with it by
the kernel's hand on Linux; elsewhere the supervisor ends the whole process group.

It also keeps the server's log short, and removes the server's scratch folder. Standard library only, so that it
starts fast and stays small. It knows no engine, no port and no model.
"""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Self

LOG_MAX_BYTES = 1 << 20
"""Of one log file; one older file is kept beside it. A start writes about 3 kB, a request 300 bytes."""
LOG_MODE = 0o600
READ_BYTES = 1 << 16
EXIT_CODE_S = 1.0
"""How long a server that closed its output may take to end by itself."""
PR_SET_PDEATHSIG = 1
"""From Linux's `sys/prctl.h`."""

CANNOT_START = 127
"""The guard's exit code where the program cannot be started, as a shell says it."""
BY_SIGNAL = 128
"""Added to the number of the signal that ended the server, as a shell says it."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run."""

    argv: list[str]
    environment: dict[str, str]
    """The server's whole environment; what `ps` must not show goes here or into `first_line`."""
    first_line: str
    """Written to the server's standard input, which stays open."""
    log: str
    """Path of the log file, which gets everything that the server writes."""
    scratch: str
    """Folder that is removed when the server has ended; empty: none."""

    def encode(self) -> bytes:
        """As one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """From one line; raises `ValueError` or `TypeError` when it is none."""
        return cls(**json.loads(line))


class RotatingLog:
    """A log file of at most `max_bytes`, with one older file kept beside it; losing lines never stops a server."""

    def __init__(self, path: Path, max_bytes: int = LOG_MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def write(self, data: bytes) -> None:
        """Append `data`; a full disk or a missing folder is passed over."""
        with suppress(OSError):
            descriptor = open_log(self._path)
            try:
                os.write(descriptor, data)
                size_bytes = os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)
            if size_bytes >= self._max_bytes:
                self._path.replace(older(self._path))


def open_log(path: Path) -> int:
    """A descriptor that appends to `path`, made for its owner alone; raises `OSError`."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, LOG_MODE)


def older(path: Path) -> Path:
    """Where a full log is moved."""
    return path.with_name(f"{path.name}.1")


def die_with(
    parent: int,
) -> Callable[[], None]:  # pragma: no cover - runs between fork and exec, no coverage there
    """A function for a new child of `parent`: have the kernel kill it when that process ends. Linux only."""
    if sys.platform != "linux":
        return lambda: None
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(CANNOT_START)

    return bind


def run(order: Order, holder: int) -> int:
    """Run the server until it ends or `holder`, a descriptor to read from, does.

    Gives the exit code to end with: 0 where the holder was the first to end, else the server's.
    """
    log = RotatingLog(Path(order.log))
    try:
        server = _start(order)
    except OSError as error:
        log.write(f"cannot start {order.argv[0]}: {error.strerror}\n".encode())
        return CANNOT_START
    has_ended = False
    try:
        has_ended = _watch(server, holder, log)
        if has_ended:
            _await_code(server)
    finally:
        server.kill()
        code = server.wait()
        _close(server)
    if not has_ended:
        return 0
    return code if code >= 0 else BY_SIGNAL - code


def _start(order: Order) -> "subprocess.Popen[bytes]":
    server = subprocess.Popen(
        order.argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=order.environment,
        preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - this process has one thread
    )
    assert server.stdin is not None
    with suppress(BrokenPipeError):
        server.stdin.write(order.first_line.encode())
        server.stdin.flush()
    return server


def _watch(server: "subprocess.Popen[bytes]", holder: int, log: RotatingLog) -> bool:
    """Copy what the server writes to the log; whether the server was the first to end, and not the holder."""
    assert server.stdout is not None
    output = server.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        selector.register(holder, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if output in ready:
                if not (written := os.read(output, READ_BYTES)):
                    return True
                log.write(written)
            if holder in ready and not os.read(holder, READ_BYTES):
                return False


def _await_code(server: "subprocess.Popen[bytes]") -> None:
    """Wait for the exit code of a server that closed its output: it tells the cause, a kill would hide it."""
    with suppress(subprocess.TimeoutExpired):
        server.wait(EXIT_CODE_S)


def _close(server: "subprocess.Popen[bytes]") -> None:
    for stream in (server.stdin, server.stdout):
        assert stream is not None
        with suppress(OSError):
            stream.close()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main() -> int:
    """Take the order and carry it out; 0 where the holder is gone before it gave one."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return 0
    order = Order.decode(line)
    try:
        return run(order, sys.stdin.fileno())
    finally:
        if order.scratch:
            shutil.rmtree(order.scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
