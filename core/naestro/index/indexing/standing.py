"""How an open index stands: what a question met that the next run must mend, and what a run met that questions say.

`workspace_index` asks each question within it and ends each run with it. It knows the files, and no question.
"""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Generator
from typing import TypeVar

from naestro.errors import IndexDamaged, IndexFault, IndexUnavailable, NaestroError
from naestro.index.indexing.faults import is_damage, is_expected, said
from naestro.index.indexing.holdings import NOT_YET, Holdings

T = TypeVar("T")

FIRST_RUN = "The first index of this workspace is being made."
"""Until it is complete the files as they are answer better than the part of them that is in it."""

_log = logging.getLogger(__name__)


class Standing:
    """That of the index whose files `holdings` has; from any thread."""

    def __init__(self, holdings: Holdings) -> None:
        """Nothing is known yet."""
        self._holdings = holdings
        self.running = threading.Lock()
        """Held by the run that goes on."""
        self.trouble = ""
        """Why the last run failed, as a sentence; empty where it did not."""
        self.damage = ""
        """What a question met, as a sentence; the next run mends it."""

    def check_complete(self, hint: str | None = None) -> None:
        """Raise `IndexUnavailable`, with `hint`, where the first index is not complete yet."""
        if not self._holdings.manifest.fact("updated"):
            raise IndexUnavailable(FIRST_RUN if self.running.locked() else NOT_YET, hint=hint)

    def nothing(self, found: T) -> T:
        """`found`, which is nothing, where all files were looked at; else raises `IndexUnavailable`."""
        self.check_complete("Ask again in a moment; `naestro index` waits until it is there.")
        if self.trouble:  # what is asked for may be in files that could not be taken in
            raise IndexUnavailable(
                self.trouble, hint="Mend that; `naestro grep` reads the files as they are."
            )
        return found

    @contextlib.contextmanager
    def asking(self) -> Generator[None]:
        """A question about names: whatever stands against it is an `IndexFault`."""
        age = self._holdings.age
        try:
            yield
        except (IndexFault, sqlite3.Error) as met:
            error = self.met(met, age)
            if isinstance(error, IndexFault):
                raise error from met
            kind = IndexDamaged if is_damage(error) else IndexUnavailable
            raise kind(said(error)) from met

    def met(self, error: Exception, age: int) -> Exception:
        """What a question met that began at `age` of the files; damage is kept for the next run."""
        if age != self._holdings.age:  # what was thrown away closes under it: no word on what is there now
            return IndexUnavailable(FIRST_RUN)
        if is_damage(error) and self._holdings.is_writer:
            self.damage = said(error)
            # For a run in whichever process: it reads only what changed on the disk, and would not meet it.
            with contextlib.suppress(NaestroError, sqlite3.Error):
                self._holdings.manifest.note(damage=self.damage)
        return error

    def taken_damage(self) -> str:
        """What a question met, in this process or in another one, for the run that mends it now; empty for nothing."""
        damage, self.damage = self.damage, ""
        with contextlib.suppress(NaestroError, sqlite3.Error):
            return damage or self._holdings.manifest.fact("damage")
        return damage

    def failed(self, error: Exception) -> str:
        """Keep why a run failed for the status and the log, and say it."""
        self.trouble = said(error)
        trace = None if is_expected(error) else error
        _log.warning("indexing into %s failed: %s", self._holdings.folder, self.trouble, exc_info=trace)
        return self.trouble
