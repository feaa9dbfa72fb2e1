"""What a program says, within limits: for asking a program that may hang or flood what it is.

`llama_server` beside it asks versions by it. It judges nothing of what was said.
"""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE, STDOUT

import anyio
from anyio.abc import ByteReceiveStream, Process


@dataclass(frozen=True, slots=True)
class BoundedOutput:
    """What a program wrote, its two outputs as they came."""

    text: str
    is_cut: bool
    """Whether it was ended because it took too long or said too much."""


async def output_of(
    argv: list[str], environment: dict[str, str], *, timeout_s: float, max_bytes: int
) -> BoundedOutput:
    """Run a program without input until it has ended; whatever is left of it and its children then is killed.

    Raises `OSError` where it cannot be started.
    """
    process = await anyio.open_process(
        argv, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=environment, start_new_session=True
    )
    assert process.stdout is not None
    said = bytearray()
    is_whole = False
    try:
        with anyio.move_on_after(timeout_s):
            is_whole = await _read(process.stdout, said, max_bytes)
    finally:
        await _end(process)
    return BoundedOutput(said.decode("utf-8", "replace"), is_cut=not is_whole)


async def _read(stream: ByteReceiveStream, said: bytearray, max_bytes: int) -> bool:
    """Whether the output ended before `max_bytes`."""
    async for piece in stream:
        said += piece
        if len(said) >= max_bytes:
            return False
    return True


async def _end(process: Process) -> None:
    with anyio.CancelScope(shield=True):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()
