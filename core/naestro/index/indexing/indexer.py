"""The program of an indexer: large runs and compactions of one index, in a process that ends when they are done.

So what LanceDB takes to write, and the interpreter's time, are never those of the process that answers searches.
`indexer_process` starts it, gives it orders as frames on standard input and hears of them on its output. It writes with
that process's lease, and ends as soon as its input closes, whatever it is at: then its parent is gone, and the next run
mends what was half done. Ctrl-C is its parent's matter.
"""

import os
import queue
import signal
import sqlite3
import sys
import threading
import traceback
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

import msgspec

from naestro.config import Settings
from naestro.errors import NaestroError
from naestro.index.indexing.difference import Stopped
from naestro.index.indexing.embedding import Embedding
from naestro.index.indexing.faults import is_damage, said
from naestro.index.indexing.holdings import Holdings
from naestro.index.indexing.meter import Meter
from naestro.index.indexing.orders import (
    Answer,
    Begin,
    Compact,
    Ended,
    Heard,
    Indexed,
    Made,
    Order,
    Ready,
    Stop,
    Told,
    Work,
    Wrote,
)
from naestro.index.indexing.run import Run, Site
from naestro.index.place import Lease
from naestro.index.storage.arrivals import packed
from naestro.index.storage.schema import Row
from naestro.index.taking.frames import own_output, receive, send
from naestro.index.taking.workers import Shelf, worker_count
from naestro.policy.workspace import Workspace


def main() -> None:
    """Carry out orders until the parent goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = own_output()
    begin = msgspec.msgpack.decode(receive(sys.stdin.buffer), type=Begin)
    Indexer(begin, output).serve()


class Indexer:
    """Carries out orders about one index."""

    def __init__(self, begin: Begin, output: IO[bytes]) -> None:
        """Make ready what every order needs: workers first, since they take longest."""
        self._begin = begin
        self._output = output
        self._orders: queue.SimpleQueue[Work | Compact] = queue.SimpleQueue()
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._unkept_rows = 0
        threading.Thread(target=self._listen, daemon=True).start()
        self._workspace = Workspace(Path(begin.root))
        settings = Settings.model_validate_json(begin.settings)
        folder = Path(begin.vectors) if begin.vectors else None
        self._embedding = Embedding(settings, folder, pins=begin.pins)
        self._shelf = Shelf(self._embedding.setup(self._workspace.root))
        if begin.has_workers:
            self._shelf.fill(worker_count())

    def serve(self) -> None:
        """Carry out one order after the other."""
        self._tell(Ready())
        while True:
            order = self._orders.get()
            self._tell(self._ended(order))
            self._stop.clear()

    def _listen(self) -> None:
        """Take orders; the run that goes on hears those that concern it."""
        decoder = msgspec.msgpack.Decoder[Order](Order)
        while frame := receive(sys.stdin.buffer):
            order = decoder.decode(frame)
            if isinstance(order, Stop):
                self._stop.set()
            elif isinstance(order, Heard):
                self._heard.put(order)
            else:
                self._orders.put(order)
        os._exit(0)

    def _ended(self, order: Work | Compact) -> Ended:
        """Carry out an order; what became of it."""
        try:
            with closing(self._holdings()) as holdings:
                if isinstance(order, Compact):
                    return self._compacted(holdings, order)
                return self._worked(holdings, order)
        except Stopped:
            return Ended("stopped")
        except (NaestroError, sqlite3.Error, OSError) as error:
            kind = "damaged" if is_damage(error) else "unavailable"
            if isinstance(error, NaestroError):
                return Ended(kind, error.message, error.hint)
            return Ended(kind, said(error))
        except Exception:  # noqa: BLE001  The root of a run: its parent tells what it was.
            return Ended("failed", traceback.format_exc())

    def _holdings(self) -> Holdings:
        """The files, opened for this order: they may have been made anew since the last one."""
        folder = Path(self._begin.folder)
        lease = Lease.inherited(folder, os.dup(self._begin.lease))
        return Holdings(folder, self._embedding, lease=lease, is_searched=False)

    def _worked(self, holdings: Holdings, work: Work) -> Ended:
        meter = Meter(lambda progress: self._tell(Told(progress)))
        store = lambda: holdings.store  # noqa: E731  opened when it is first needed
        site = Site(self._workspace, holdings.manifest, store, self._embedding, self._shelf)
        holdings.is_shared = work.is_followed  # the manifest is ahead of the table then, which opens late
        self._unkept_rows, dimension = 0, self._embedding.pins()[1]

        def show(rows: Sequence[Row], paths: Collection[str]) -> bool:
            self._tell(Made([*paths], packed(rows, dimension)))
            return self._heard.get().is_kept

        def replaced(rows: Sequence[Row], paths: Collection[str]) -> None:
            self._tell(Wrote([*paths], len(rows)))
            if not self._heard.get().is_kept:
                self._unkept_rows += len(rows)

        shown = show if work.is_followed else None
        Run(site, work.difference(), meter, self._stop, self._indexed, replaced, shown)()
        self._tell(Told(meter.now("writing")))
        if self._unkept_rows:
            holdings.store.compact()
            holdings.manifest.checkpoint()
        return Ended(is_compacted=self._unkept_rows > 0)

    def _compacted(self, holdings: Holdings, order: Compact) -> Ended:
        holdings.store.compact(order.added())
        holdings.manifest.checkpoint()
        return Ended(is_compacted=True)

    def _indexed(self, paths: Iterable[str]) -> None:
        self._tell(Indexed([*paths]))

    def _tell(self, answer: Answer) -> None:
        send(self._output, answer)


if __name__ == "__main__":
    main()
