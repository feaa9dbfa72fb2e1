"""A front end as a bench drives it: a process on pipes that is asked by lines, and the daemon that it starts.

Blocking, since nothing else runs in a bench while it is timed. Nothing here measures more than one exchange.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.stand import Stand, own_stand
from tests.support.processes import running

AGENT = (str(Path(sys.executable).with_name("naestro")), "acp")
"""The installed command, as an editor starts it."""
INITIALIZE = {"protocolVersion": 1, "clientCapabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
END_S = 20.0
MEGABYTE = 1_000_000


class FrontEnd:
    """The process; a context manager that ends it."""

    def __init__(
        self, folder: Path, command: Sequence[str] = AGENT, env: Mapping[str, str] | None = None
    ) -> None:
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=env,
            start_new_session=True,
        )
        self._ids = 0
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._process.wait(END_S)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def give_up_after(self, wait_s: float) -> None:
        """Kill it after that many seconds, if it still runs then: whoever waits for it sees the end of its output."""
        timer = threading.Timer(wait_s, self._kill)
        timer.daemon = True
        timer.start()

    def begin(self, method: str, **params: Any) -> int:
        """Send a request; its id."""
        self._ids += 1
        self._send({"id": self._ids, "method": method, "params": params})
        return self._ids

    def notify(self, method: str, **params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def read(self) -> dict[str, Any]:
        """The next message; raises `EOFError` where there is none."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            with suppress(ValueError):
                return json.loads(line)
        raise EOFError(f"the agent {self._process.args} ended with {self._process.wait(END_S)}")

    def answer(self, request: int) -> dict[str, Any]:
        """The response to `request`; what comes before it is dropped."""
        while True:
            message = self.read()
            if message.get("id") == request and "method" not in message:
                return message

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """A request's result; raises `RuntimeError` for an error."""
        message = self.answer(self.begin(method, **params))
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    def greet(self) -> float:
        """Say hello; the seconds since the process was started."""
        self.ask("initialize", **INITIALIZE)
        return time.perf_counter() - self.started

    def new(self) -> str:
        """A new session in the folder."""
        return self.ask("session/new", cwd=str(self.folder), mcpServers=[])["sessionId"]

    def begin_prompt(self, session: str, text: str) -> int:
        """Send a prompt of text; its id."""
        return self.begin("session/prompt", sessionId=session, prompt=[{"type": "text", "text": text}])

    def choose(self, session: str, **options: str) -> None:
        """Set config options of a session."""
        for option, value in options.items():
            self.ask("session/set_config_option", sessionId=session, configId=option, value=value)

    def _kill(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _send(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._process.stdin.flush()


@contextmanager
def daemon_stand() -> Iterator[Stand]:
    """A stand whose daemon, whoever starts it, ends with the block."""
    with own_stand() as stand:
        try:
            yield stand
        finally:
            end_daemon(stand)


def daemon_of(stand: Stand) -> int | None:
    """The daemon's process id; None where none runs."""
    with suppress(OSError, ValueError):
        pid = int((stand.home / "run" / "daemon.lock").read_text())
        if any(one.pid == pid for one in running()):
            return pid
    return None


def end_daemon(stand: Stand) -> None:
    """End the daemon in good order, and wait until it is gone."""
    if (pid := daemon_of(stand)) is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + END_S
    while daemon_of(stand) == pid:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def resident_mb(*pids: int) -> float:
    """The resident size of processes together, as `ps` tells it; pages that they share count for each."""
    listing = subprocess.run(
        ["ps", "-o", "rss=", "-p", ",".join(map(str, pids))], capture_output=True, text=True, check=True
    )
    return sum(int(line) for line in listing.stdout.split()) * 1024 / MEGABYTE


def proportional_mb(pid: int) -> float | None:
    """The proportional size of a process: shared pages count by their share. None where the system tells none."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / MEGABYTE
