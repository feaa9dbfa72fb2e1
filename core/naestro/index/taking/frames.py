"""Messages between processes of one index run: MessagePack behind its length, over standard input and output.

`workers` and `indexer_process` start programs that speak so, `worker` and `indexer` are those programs. It loads
nothing that a worker does not need: no settings.
"""

import os
import struct
from typing import IO

import msgspec

_LENGTH = struct.Struct("<I")


class Setup(msgspec.Struct, frozen=True):
    """What a worker is told first."""

    root: str
    """Of the workspace."""
    embedder: str = ""
    """A light embedder by its name in the settings; empty: chunks get no vectors in the workers."""
    caches: str = ""
    """The folder of the caches of vectors and of files that were taken apart; empty: none."""


def send(stream: IO[bytes], message: object) -> None:
    """Write one frame. Raises OSError where nobody reads any more."""
    data = msgspec.msgpack.encode(message)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Read one frame; empty at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return b""
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else b""


def own_output() -> IO[bytes]:
    """Standard output for frames alone: what a library prints goes to standard error from now on."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return output
