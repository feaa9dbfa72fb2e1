"""A person's machine for these tests: folders of its own, a scripted engine, and whatever daemon starts.

`Stage` makes the folders and the environment and ends, with its block, every process that has its home; nothing else
here is allowed to outlive a test. It starts no daemon: the front ends under test do.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from naestro.runs.journal import open_reader
from naestro.types import RunStatus
from tests.support.cli import CONFIG, LEFT_OUT, WITHOUT_INDEXING
from tests.support.processes import POLL_S, running, until

END_S = 20.0
"""How long a daemon may take to end by SIGTERM before it is killed."""
AGENT = (sys.executable, "-m", "naestro", "acp")
SOURCE = '''"""Adds."""


def add(left, right):
    """The sum."""
    return left - right
'''


class Stage:
    """One home, and all processes that have it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)},
            "NAESTRO_HOME": str(self.home),
            "NAESTRO_CACHE": str(folder / "cache"),
            **WITHOUT_INDEXING,
            "NO_COLOR": "1",
        }
        self.home.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def use_engine(self, base_url: str, more: str = "") -> None:
        """Make a server the only engine of the person's settings, with `more` settings as TOML behind."""
        (self.home / "config.toml").write_text(CONFIG.format(url=base_url) + more)

    def workspace(self, name: str = "workspace") -> Path:
        """A workspace with one file that has a mistake in it."""
        workspace = self.folder / name
        workspace.mkdir()
        (workspace / "calc.py").write_text(SOURCE)
        return workspace

    @property
    def daemon(self) -> int | None:
        """The process id of the daemon that is ready; None where none runs."""
        try:
            pid = int(json.loads((self.home / "run" / "daemon.json").read_text())["pid"])
        except (OSError, ValueError):
            return None
        return pid if _is_there(pid) else None

    @property
    def holder(self) -> int | None:
        """The process id of the daemon that starts, runs or ends; None where there is none."""
        try:
            pid = int((self.home / "run" / "daemon.lock").read_text())
        except (OSError, ValueError):
            return None
        return pid if _is_there(pid) else None

    def processes(self) -> list[int]:
        """The ids of all processes with this home: front ends, the daemon, its engines."""
        return [one.pid for one in running() if self._is_ours(one.pid)]

    def engines(self) -> list[int]:
        """The ids of the local engines' processes."""
        return [one.pid for one in running() if "llama_child" in one.command and self._is_ours(one.pid)]

    def log(self) -> str:
        """What the daemon logged."""
        path = self.home / "logs" / "daemon.log"
        return path.read_text() if path.exists() else ""

    def status(self, run: str) -> RunStatus:
        """What became of a run, read from the journal beside the daemon that writes it."""
        with open_reader(self.home) as reader:
            return reader.run(run).status

    async def reaches(self, run: str, status: RunStatus, within_s: float = 60.0) -> None:
        """Wait until a run has that status."""
        await until(lambda: self.status(run) == status, within_s)

    async def daemon_is_gone(self, within_s: float = 30.0) -> None:
        """Wait until no daemon is left, not even one that ends."""
        await until(lambda: self.holder is None, within_s)

    def end(self) -> None:
        """End the daemon, then kill what is left."""
        if (pid := self.holder) is not None:
            _send(pid, signal.SIGTERM)
            _wait(lambda: not _is_there(pid), END_S)
        for left in self.processes():
            _send(left, signal.SIGKILL)
        _wait(lambda: not self.processes(), END_S)
        shutil.rmtree(self.home, ignore_errors=True)

    def _is_ours(self, pid: int) -> bool:
        proc = Path(f"/proc/{pid}/environ")
        if not proc.parent.exists():
            return pid == self.holder
        try:
            return f"NAESTRO_HOME={self.home}".encode() in proc.read_bytes().split(b"\0")
        except OSError:
            return False


def _is_there(pid: int) -> bool:
    return any(one.pid == pid for one in running())


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait(is_so: Callable[[], object], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(POLL_S)
