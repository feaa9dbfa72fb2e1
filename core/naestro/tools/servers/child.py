"""The process between Naestro and a server of tools that is a program: `python -m naestro.tools.servers.child FD`.

`stdio` starts it, with the server's command behind the number of a descriptor. It gives the server its own standard
input and output and waits: when the descriptor ends, which the kernel sees to however its holder ends, it kills the
server with everything that it started. Standard library only, so that it starts fast and stays small.
"""

import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from types import FrameType

CANNOT_START = 127
"""The exit code where the program cannot be started, as a shell says it."""
GRACE_S = 1.5
"""What a server gets to end by itself once its input has ended; then it is told, and a moment later killed."""


def main(arguments: list[str]) -> int:  # pragma: no cover - ended by SIGKILL: no coverage is written
    """Run the server until it or the holder of the descriptor ends; the exit code."""
    holder, command = int(arguments[0]), arguments[1:]
    os.set_inheritable(holder, False)
    try:
        server = subprocess.Popen(command)
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        return CANNOT_START
    # Its ends of the server's pipes would keep these open when the server is gone.
    for descriptor in (0, 1):
        os.close(descriptor)
    _await_either(server, holder)
    _end_all(server)
    return server.returncode or 0


def _await_either(server: "subprocess.Popen[bytes]", holder: int) -> None:  # pragma: no cover - as `main`
    """Wait until the server has ended or the holder is gone."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, _take_note)
    signal.set_wakeup_fd(writer)
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        selector.register(holder, selectors.EVENT_READ)
        while server.poll() is None:
            ready = {key.fd for key, _ in selector.select()}
            if reader in ready:
                os.read(reader, 4_096)
            if holder in ready and not os.read(holder, 1):
                return


def _take_note(_signal: int, _frame: FrameType | None) -> None:  # pragma: no cover - as `main`
    """Do nothing: the wake-up descriptor has the news."""


def _end_all(server: "subprocess.Popen[bytes]") -> None:  # pragma: no cover - as `main`
    """End the server and its process group, which is this process's own, too."""
    with suppress(subprocess.TimeoutExpired):
        server.wait(GRACE_S)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(ProcessLookupError):
        os.killpg(0, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
