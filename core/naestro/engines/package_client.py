"""The person's own package client: found, and asked for one wheel.

`fetch_packages` above uses it; below it stand `config` (the environment of a child) and the client's process. Its
settings (index, proxy, keys) are the person's and are left alone. It does not know what the wheels are for.
"""

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL

import anyio
from anyio.abc import Process

from naestro.config import environment_for_child
from naestro.errors import DownloadFailed

_LOOK_LIMIT_S = 30.0
"""Seconds for a client to say its version."""
_TICK_S = 0.3
"""Seconds between two looks at how much of a wheel is there."""
_END_S = 5.0
"""Seconds for a killed client to be gone."""
_REASON_LENGTH = 300
_SAID = "said.txt"


@dataclass(frozen=True, slots=True)
class PackageClient:
    """A package client that works here."""

    name: str
    """What the person knows it by."""
    command: tuple[str, ...]
    limit_s: float = 1_800.0
    """Seconds for one wheel; the client's own timeouts and retries come first."""

    async def download(self, requirement: str, folder: Path, on_tick: Callable[[], None]) -> Path:
        """Fetch the one wheel of `requirement` into `folder`, without what it depends on, and give its path.

        `on_tick` is called a few times a second meanwhile. Raises `DownloadFailed` with the client's own reason.
        """
        options = (
            "--no-deps",
            "--only-binary",
            ":all:",
            "--no-cache-dir",
            "--no-input",
            "--progress-bar",
            "off",
        )
        command = (*self.command, "download", *options, "--dest", str(folder), requirement)
        try:
            with anyio.fail_after(self.limit_s):
                code = await _run(command, folder, on_tick)
        except FileNotFoundError as error:
            raise DownloadFailed(f"{self.name} could not be started: {error.strerror}.") from error
        except TimeoutError as error:
            raise DownloadFailed(
                f"{self.name} did not fetch {requirement} within {self.limit_s:.0f} s."
            ) from error
        wheels = _wheels(folder)
        if code != 0 or len(wheels) != 1:
            raise DownloadFailed(f"{self.name} could not fetch {requirement}: {_reason(folder)}.")
        return wheels[0]


async def find_client(command: str = "auto", python: str = sys.executable) -> PackageClient:
    """The package client that `command` names; for `auto` the first that works.

    Tried are `python`'s own pip, one on PATH, the one that Python brings along, and uv's. Raises `DownloadFailed`
    where there is none.
    """
    if command != "auto":
        return PackageClient(command, tuple(shlex.split(command)))
    for client in _candidates(python):
        if await _works(client):
            return client
    raise DownloadFailed(
        "No package client was found: this Python has no pip, and neither pip nor uv is on PATH.",
        hint="Install pip (for instance `python -m ensurepip`) and run the command again.",
    )


def _candidates(python: str) -> Iterator[PackageClient]:
    path = environment_for_child().get("PATH")
    yield PackageClient("pip", (python, "-P", "-m", "pip"))
    for name in ("pip", "pip3"):
        if found := shutil.which(name, path=path):
            yield PackageClient(found, (found,))
    if find_spec(
        "ensurepip"
    ):  # pragma: no branch  some systems take it out of Python; the tests' Python has it
        for wheel in files("ensurepip").joinpath("_bundled").iterdir():
            if wheel.name.startswith("pip-"):
                yield PackageClient("Python's bundled pip", (python, "-P", f"{wheel}/pip"))
    if found := shutil.which("uv", path=path):
        yield PackageClient("uv's pip", (found, "tool", "run", "pip"))


async def _works(client: PackageClient) -> bool:
    command = [*client.command, "--version"]
    code = 1
    with anyio.move_on_after(_LOOK_LIMIT_S), suppress(OSError):
        done = await anyio.run_process(
            command, check=False, env=environment_for_child(), start_new_session=True
        )
        code = done.returncode
    return code == 0


async def _run(command: tuple[str, ...], folder: Path, on_tick: Callable[[], None]) -> int:
    """Run a client in `folder`, which is its folder for temporary files too; its exit status."""
    with (folder / _SAID).open("wb") as said:
        process = await anyio.open_process(
            command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=said,
            cwd=folder,
            env=environment_for_child({"TMPDIR": str(folder)}),
            start_new_session=True,
        )
    try:
        while process.returncode is None:
            with anyio.move_on_after(_TICK_S):
                await process.wait()
            on_tick()
    finally:
        await _end(process)
    return process.returncode


async def _end(process: Process) -> None:
    """End a client that still runs, with whatever it started."""
    if process.returncode is not None:
        return
    os.killpg(process.pid, signal.SIGKILL)
    with anyio.move_on_after(_END_S, shield=True):
        await process.wait()


def _wheels(folder: Path) -> list[Path]:
    return list(folder.glob("*.whl"))


def _reason(folder: Path) -> str:
    """The client's own last error."""
    lines = (folder / _SAID).read_text(encoding="utf-8", errors="replace").split("\n")
    told = [line.strip().rstrip(".") for line in lines if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in told if line.startswith("ERROR: ")]
    return (errors or told or ["it gave no reason"])[-1][:_REASON_LENGTH]
