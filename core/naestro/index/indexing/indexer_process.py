"""An indexer from outside: the process that carries out large runs and compactions of one index, and what it tells.

`large_runs` lies above and knows the index; `indexer` is the program, `orders` says what goes to and fro. The process
ends with this one, however that ends, since its standard input closes then.
"""

import contextlib
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from naestro.config import environment_for_child
from naestro.errors import IndexDamaged, IndexUnavailable
from naestro.index.indexing.difference import Stopped
from naestro.index.indexing.orders import Answer, Begin, Compact, Ended, Heard, Made, Stop, Work, Wrote
from naestro.index.taking.frames import receive, send

PROGRAM: Final = (sys.executable, "-P", "-m", "naestro.index.indexing.indexer")
"""`-P`: modules come from where Naestro is installed, never from the folder that somebody works in."""
LOOK_S: Final = 0.05
"""Between two looks whether to stop."""
STOP_S: Final = 2.0
"""Seconds in which an indexer may write what it has; then it is killed, and the next run does that."""
END_S: Final = 2.0
"""Seconds from the end of its input until it is killed."""


class NoIndexer(Exception):
    """No process comes up here; the caller does the work itself."""


class IndexerLost(IndexUnavailable):
    """The process ended before its order was carried out."""


class IndexerProcess:
    """One process; `end` it. One order at a time."""

    def __init__(self, begin: Begin, program: Sequence[str] = PROGRAM) -> None:
        """Start it. Raises NoIndexer."""
        try:
            self._process = subprocess.Popen(
                program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(begin.lease,),
                env=environment_for_child(),
            )
        except OSError as error:
            raise NoIndexer(str(error)) from error
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        self._answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="naestro-indexer", daemon=True)
        self._reader.start()
        self._is_ready = False
        self._send(begin)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def carry_out(
        self,
        order: Work | Compact,
        stop: threading.Event,
        hear: Callable[[Answer], Heard | None],
    ) -> Ended:
        """What became of `order`; `hear` takes what is told meanwhile, and answers `Made` and `Wrote`.

        Raises Stopped soon after `stop` was set, NoIndexer where the process did not come up, `IndexerLost` where it
        ends before, `IndexFault` for what it met.
        """
        self._send(order)
        stop_at: float | None = None
        while True:
            if stop.is_set() and stop_at is None:
                stop_at = time.monotonic() + (STOP_S if isinstance(order, Work) else 0.0)
                self._send(Stop())
            if stop_at is not None and time.monotonic() >= stop_at:
                self._process.kill()
                raise Stopped
            with contextlib.suppress(queue.Empty):
                answer = self._answers.get(timeout=LOOK_S)
                if isinstance(answer, Ended):
                    return _done(answer)
                self._hear(answer, hear)

    def end(self) -> None:
        """End it, whatever it is at."""
        with contextlib.suppress(OSError):  # what was not sent any more
            self._stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _hear(self, answer: Answer | None, hear: Callable[[Answer], Heard | None]) -> None:
        if answer is None:
            raise self._lost()
        self._is_ready = True
        heard = hear(answer)
        if isinstance(answer, Made | Wrote):
            self._send(heard or Heard(is_kept=False))

    def _send(self, message: object) -> None:
        with contextlib.suppress(OSError):  # it ended: that is what it tells last
            send(self._stdin, message)

    def _lost(self) -> IndexerLost | NoIndexer:
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"status {code}"
        if not self._is_ready:
            return NoIndexer(f"it ended with {how}")
        return IndexerLost(
            f"The process that writes the index ended before it was done ({how}); the next run goes on from there."
        )

    def _read(self) -> None:
        """Take what it tells, until it ends."""
        stdout = self._process.stdout
        assert stdout is not None
        decoder = msgspec.msgpack.Decoder[Answer](Answer)
        with stdout:
            while frame := receive(stdout):
                self._answers.put(decoder.decode(frame))
        self._answers.put(None)


def _done(ended: Ended) -> Ended:
    """`ended`, where all went well."""
    if ended.kind == "stopped":
        raise Stopped
    if ended.kind == "damaged":
        raise IndexDamaged(ended.message, hint=ended.hint or None)
    if ended.kind == "unavailable":
        raise IndexUnavailable(ended.message, hint=ended.hint or None)
    if ended.kind == "failed":
        said = ended.message.strip().splitlines()[-1]
        raise IndexUnavailable(
            f"The process that writes the index failed ({said}); the next run goes on from there."
        )
    return ended
