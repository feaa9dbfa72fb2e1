"""How far an index run is, told a few times a second. It knows no file, only counts."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from naestro.index.found import IndexProgress

EVERY_S = 0.1
"""Seconds between two progress values: more often nobody can read."""
GUESS_AFTER_S = 0.5
"""Before that the time that is left would be a guess."""


@dataclass(slots=True)
class Meter:
    """Counts of one run."""

    told: Callable[[IndexProgress], None]
    files_in_all: int = 0
    bytes_in_all: int = 0
    files: int = 0
    bytes_done: int = 0
    chunks: int = 0
    _start: float = field(default_factory=time.monotonic)
    _measured_from: float = 0.0
    _last: float = 0.0
    _left_s: float | None = None
    """As another process guesses it."""

    def begin(self, files: int, size_bytes: int) -> None:
        """From now on `files` of together `size_bytes` are worked on."""
        self.files_in_all, self.bytes_in_all = files, size_bytes
        self.files = self.bytes_done = self.chunks = 0
        self._measured_from = time.monotonic()

    def add(self, size_bytes: int, chunks: int) -> None:
        """One file more is done."""
        self.files += 1
        self.bytes_done += size_bytes
        self.chunks += chunks

    def follow(self, told: IndexProgress) -> None:
        """Say where a part of the run is that another process does."""
        self.files, self.files_in_all, self.chunks = told.files, told.files_in_all, told.chunks
        self._left_s = told.seconds_left
        self.told(self.now(told.phase))

    def now(self, phase: str, detail: str = "") -> IndexProgress:
        """Where the run is."""
        seconds = time.monotonic() - self._start
        counts = (self.files, self.files_in_all, self.chunks)
        return IndexProgress(phase, *counts, round(seconds, 3), self._seconds_left(), detail)

    def tell(self, phase: str, *, is_due: bool = False) -> None:
        """Say where the run is, unless that was said a moment ago."""
        if is_due or time.monotonic() - self._last >= EVERY_S:
            self._last = time.monotonic()
            self.told(self.now(phase))

    def _seconds_left(self) -> float | None:
        seconds = time.monotonic() - self._measured_from
        if not self.bytes_done or seconds < GUESS_AFTER_S:
            return self._left_s
        return round(seconds / self.bytes_done * (self.bytes_in_all - self.bytes_done), 1)
