"""Real relays and real daemons in a home of their own, with a scripted protocol; what was started is ended."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from naestro.relay.places import Places
from naestro.relay.start import is_locked
from tests.support.cli import WITHOUT_INDEXING
from tests.support.processes import until

WAIT_S = 30.0
END_S = 5.0
LINE_MAX_BYTES = 100 << 20
LEFT_OUT = ("NAESTRO_", "XDG_", "PYTHONDONTWRITEBYTECODE")


class Stage:
    """One user."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.home = home or folder / "home"
        self.site = folder / "site"
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)},
            "NAESTRO_HOME": str(self.home),
            "NAESTRO_CACHE": str(folder / "cache"),
            **WITHOUT_INDEXING,
            "PYTHONPATH": str(self.site),
        }
        self.processes: list[Process] = []
        self.install("acp")

    def install(self, *protocols: str, module: str = "scripted_protocol") -> None:
        """Install the scripted protocol, under each name, as a package would."""
        about = self.site / "scripted-1.0.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).with_name("scripted_protocol.py"), self.site)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: scripted\nVersion: 1.0\n")
        entries = "".join(f"{name} = {module}\n" for name in protocols)
        (about / "entry_points.txt").write_text(f"[naestro.protocols]\n{entries}")

    @property
    def places(self) -> Places:
        """Of this home, with its sockets in the run folder."""
        return Places(str(self.home))

    @property
    def log(self) -> str:
        path = Path(self.places.log)
        return path.read_text() if path.exists() else ""

    @property
    def pid(self) -> int:
        """Of the daemon that holds the lock; 0 where none does."""
        if not is_locked(self.places.daemon_lock):
            return 0
        return int(Path(self.places.daemon_lock).read_text() or 0)

    def settings(self, text: str) -> None:
        self.home.mkdir(exist_ok=True)
        (self.home / "config.toml").write_text(text)

    async def spawn(self, *arguments: str, env: Mapping[str, str] | None = None, **more: Any) -> Process:
        """A process of the `naestro` command."""
        process = await anyio.open_process(
            [sys.executable, "-m", "naestro", *arguments],
            stdin=more.pop("stdin", subprocess.PIPE),
            cwd=self.workspace,
            env={**self.env, **(env or {})},
            **more,
        )
        self.processes.append(process)
        return process

    async def editor(self, env: Mapping[str, str] | None = None) -> "Editor":
        """An editor with its relay."""
        return Editor(await self.spawn("acp", env=env))

    async def measured_editor(self) -> "Editor":
        """An editor whose relay is not watched by the coverage program, which takes memory and time of its own."""
        watched = {name: value for name, value in self.env.items() if "COVERAGE" in name}
        for name in watched:
            del self.env[name]
        try:
            return await self.editor()
        finally:
            self.env.update(watched)

    async def command(self, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Run a command to its end: exit code, output, errors."""
        with anyio.fail_after(WAIT_S):
            done = await anyio.run_process(
                [sys.executable, "-m", "naestro", *arguments],
                cwd=self.workspace,
                env={**self.env, **(env or {})},
                check=False,
            )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    async def gone(self) -> None:
        """Wait until no daemon holds the lock."""
        await until(lambda: not self.pid, WAIT_S)

    async def close(self) -> None:
        """End all that was started: as its user would, and by force where that does not help."""
        with anyio.CancelScope(shield=True):
            for process in self.processes:
                await _end(process)
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, TimeoutError):
                    if pid := self.pid:
                        os.kill(pid, number)
                        await until(lambda: not self.pid, END_S)


async def _end(process: Process) -> None:
    if process.stdin is not None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.aclose()
    with anyio.move_on_after(END_S):
        await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    await process.aclose()


class Editor:
    """The other end of a relay's pipes."""

    def __init__(self, process: Process) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin = process.stdin
        self.stdout = BufferedByteReceiveStream(process.stdout)
        self.daemon = 0

    async def write(self, data: bytes) -> None:
        await self.stdin.send(data)

    async def send(self, **message: Any) -> None:
        await self.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def line(self) -> bytes:
        with anyio.fail_after(WAIT_S):
            return await self.stdout.receive_until(b"\n", LINE_MAX_BYTES)

    async def receive(self) -> Any:
        return json.loads(await self.line())

    async def ask(self, method: str, number: Any = 1, **params: Any) -> Any:
        """The answer to a request."""
        await self.send(id=number, method=method, params=params)
        return await self.receive()

    async def open(self, **params: Any) -> "Editor":
        """Say `initialize`; notes the daemon's process."""
        answer = await self.ask("initialize", 0, **params)
        self.daemon = answer["result"]["pid"]
        return self

    async def ends(self, within_s: float = WAIT_S) -> int:
        """Its exit code."""
        with anyio.fail_after(within_s):
            return await self.process.wait()

    async def errors(self) -> bytes:
        """All that the relay wrote to standard error until its end."""
        assert self.process.stderr is not None
        return b"".join([data async for data in self.process.stderr])
