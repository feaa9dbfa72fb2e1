"""The program of one worker process: it takes files in, as frames on standard input say, and answers on the output.

It ends as soon as its input closes, also in the midst of a file: then its parent is gone. `workers` starts it. It
loads what taking in needs and nothing else: no LanceDB, no settings.
"""

import os
import queue
import sys
import threading
from pathlib import Path

import msgspec

from naestro.index.parsing.grammar_files import is_said
from naestro.index.taking.embed_light import light_embedder, opened_cache, opened_parts
from naestro.index.taking.frames import Setup, own_output, receive, send
from naestro.index.taking.taken import Task
from naestro.index.taking.taking import Taker


def main() -> None:
    """Serve the parent until it goes."""
    output = own_output()
    frames: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    setup = msgspec.msgpack.decode(receive(sys.stdin.buffer), type=Setup)
    threading.Thread(target=_listen, args=(frames,), daemon=True).start()
    is_said.set()  # by the parent: where grammars are unpacked
    taker = _taker(setup)
    decoder = msgspec.msgpack.Decoder(list[Task])
    send(output, True)
    while True:
        taken = taker.take(decoder.decode(frames.get()))
        taker.keep()  # before the answer: after the last one the parent ends this process
        send(output, taken)


def _listen(frames: "queue.SimpleQueue[bytes]") -> None:
    while frame := receive(sys.stdin.buffer):
        frames.put(frame)
    os._exit(0)


def _taker(setup: Setup) -> Taker:
    embedder, caches = light_embedder(setup.embedder), Path(setup.caches)
    return Taker(
        Path(setup.root),
        embedder,
        opened_cache(caches, embedder) if embedder and setup.caches else None,
        opened_parts(caches) if setup.caches else None,
    )


if __name__ == "__main__":
    main()
