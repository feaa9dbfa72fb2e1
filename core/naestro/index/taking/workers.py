"""Processes that take files in side by side, for one index run: started with it, ended with it.

A worker dies with its parent however that ends, since its standard input closes then; a file that kills its worker,
or holds it for too long, is left out and the run goes on. `indexing` uses a `WorkerPool`; `worker` is the program
that runs in each. This module knows frames and files, neither grammar nor table.
"""

import contextlib
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from naestro.config import environment_for_child
from naestro.index.parsing.grammar_files import say_where
from naestro.index.taking.frames import Setup, receive, send
from naestro.index.taking.taken import Batch, Task, refused

WORKERS_MAX = 8
"""More are limited by the writing process."""
BATCH_BYTES = 400_000
"""Source in one frame: some 100 ms of work, so that all workers end at about the same time."""
BATCH_FILES_MAX = 64
STUCK_S = 60.0
"""Seconds that a worker may take for one frame: a hundred times what the slowest ones take."""
START_S = 60.0
"""Seconds until a worker says that it is ready."""
WAITING_FRAMES_MAX = 6
"""Frames that are read and not used yet: a bound on memory, and enough to write while the workers go on."""

PROGRAM = (sys.executable, "-P", "-m", "naestro.index.taking.worker")
"""`-P`: modules come from where Naestro is installed, never from the folder that somebody works in."""
ONE_THREAD: dict[str, str] = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""A worker is one of as many as there are processors: threads of its own would only wait for one another."""


class WorkersUnavailable(Exception):
    """No worker comes up here; the caller does the work itself."""


def worker_count() -> int:
    """How many processes this machine has processors for."""
    return max(
        1, min(WORKERS_MAX, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)
    )


def batches(tasks: Sequence[Task]) -> list[list[Task]]:
    """The tasks in frames; the largest files first, so that none of them is left alone at the end."""
    found: list[list[Task]] = []
    size = BATCH_BYTES
    for task in sorted(tasks, key=lambda task: -task.stamp.size_bytes):
        if size + task.stamp.size_bytes > BATCH_BYTES or len(found[-1]) >= BATCH_FILES_MAX:
            found.append([])
            size = 0
        found[-1].append(task)
        size += task.stamp.size_bytes
    return found


class Shelf:
    """Workers of one workspace: started before there is anything to do, kept for the next run; `close` it."""

    def __init__(self, setup: Setup, *, program: Sequence[str] = PROGRAM, stuck_s: float = STUCK_S) -> None:
        """None is started yet; each will run `program`."""
        self._start = partial(_Worker, setup, program, stuck_s)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []

    def fill(self, count: int) -> None:
        """Start workers until `count` are here, and do not wait for them. Raises OSError."""
        with self._lock:
            while len(self._idle) < count:
                self._idle.append(self._start())

    def take(self) -> "_Worker":
        """One that is here, or a new one; the caller puts it back, or ends it. Raises OSError."""
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive():
                    return worker
                worker.end()
            return self._start()

    def put(self, worker: "_Worker") -> None:
        """Keep a worker that has nothing to do."""
        with self._lock:
            self._idle.append(worker)

    def close(self) -> None:
        """End those that are here."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()


class WorkerPool:
    """Workers for the tasks of one run; iterate it once, and `close` it."""

    def __init__(self, shelf: Shelf, tasks: Sequence[Task], count: int) -> None:
        """Set `count` workers of `shelf` on `tasks` at once."""
        self._shelf = shelf
        self._batches: deque[list[Task]] = deque(batches(tasks))
        self._lock = threading.Lock()
        self._done: queue.Queue[Batch | BaseException | None] = queue.Queue(WAITING_FRAMES_MAX)
        self._is_closed = threading.Event()
        self._workers: set[_Worker] = set()
        count = min(count, len(self._batches))
        self._threads = [
            threading.Thread(target=self._serve, name=f"naestro-index-{n}", daemon=True) for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[Batch]:
        """What became of the files, some at a time, in no order; each of them is there in the end.

        Raises WorkersUnavailable where no worker comes up.
        """
        left = len(self._threads)
        while left:
            done = self._done.get()
            if isinstance(done, BaseException):
                raise done
            if done is None:
                left -= 1
            else:
                yield done

    def close(self) -> None:
        """End the workers, whatever they are at."""
        self._is_closed.set()
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            worker.kill()
        while any(thread.is_alive() for thread in self._threads):
            with contextlib.suppress(queue.Empty):  # let a thread go that waits for room
                self._done.get(timeout=0.01)

    def _serve(self) -> None:
        """One thread: it keeps one worker busy, and replaces it when it dies."""
        try:
            while not self._is_closed.is_set() and (batch := self._next()):
                self._with_worker(batch)
        except (WorkersUnavailable, OSError) as error:
            self._done.put(WorkersUnavailable(str(error)))
        finally:
            self._done.put(None)

    def _with_worker(self, batch: list[Task] | None) -> None:
        """Frames go to one worker until there are none, or it ends."""
        worker, is_idle = self._started(), False
        try:
            while batch and not self._is_closed.is_set():
                taken = worker.work(batch)
                if taken is None:
                    self._lost(batch)
                    return
                self._done.put(taken)
                batch = self._next()
            is_idle = not self._is_closed.is_set()
        finally:
            self._let_go(worker, is_idle=is_idle)

    def _started(self) -> "_Worker":
        worker = self._shelf.take()
        with self._lock:
            self._workers.add(worker)
        if not self._is_closed.is_set() and not worker.is_ready():
            self._let_go(worker, is_idle=False)
            if not self._is_closed.is_set():
                raise WorkersUnavailable("a process for indexing did not come up")
        return worker

    def _let_go(self, worker: "_Worker", *, is_idle: bool) -> None:
        with self._lock:
            self._workers.discard(worker)
        if is_idle:
            self._shelf.put(worker)
        else:
            worker.end()

    def _next(self) -> list[Task] | None:
        with self._lock:
            return self._batches.popleft() if self._batches else None

    def _lost(self, batch: list[Task]) -> None:
        """The worker died over `batch`: look for the file that it died of; one alone is left out."""
        if self._is_closed.is_set():
            return
        if len(batch) == 1:
            self._done.put(Batch([refused(batch[0], "its parser crashed or did not end")]))
            return
        with self._lock:
            self._batches.extendleft([task] for task in batch)


class _Worker:
    """One process."""

    def __init__(self, setup: Setup, program: Sequence[str], stuck_s: float) -> None:
        """Start it, and tell it what to make ready. Raises OSError."""
        say_where()
        self._process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment_for_child(ONE_THREAD),
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._stdin, self._stdout = stdin, stdout
        self._decoder = msgspec.msgpack.Decoder(Batch)
        self._stuck_s = stuck_s
        self._is_ready = False
        with contextlib.suppress(OSError):  # it ended at once; `is_ready` finds that out
            send(self._stdin, setup)

    def is_ready(self) -> bool:
        """Wait until it can work; False where it does not come up."""
        self._is_ready = self._is_ready or self._answer(START_S) is not None
        return self._is_ready

    def work(self, batch: list[Task]) -> Batch | None:
        """What became of `batch`; None where the process died over it, or did not end."""
        try:
            send(self._stdin, batch)
        except OSError:
            return None
        data = self._answer(self._stuck_s)
        return self._decoder.decode(data) if data else None

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> None:
        """End it, and let go of its streams."""
        self._process.kill()
        self._process.wait()
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):  # what was not sent any more
                stream.close()

    def _answer(self, wait_s: float) -> bytes | None:
        """The next frame, or None where the process ends or says nothing for `wait_s`."""
        deadline = time.monotonic() + wait_s
        while (left_s := deadline - time.monotonic()) > 0:
            if select.select([self._stdout], [], [], left_s)[0]:
                return receive(self._stdout) or None
        return None
