"""The part of the client that needs the journal alone: what is recorded of runs, and what a person adds to it.

`bound` above adds the work on runs; below stands `runs`. Nothing here starts or ends anything, so it is the same for
every caller.
"""

from naestro.client.api import Difference
from naestro.client.documents import JournalDocuments
from naestro.runs import fork, interrupts, replay
from naestro.runs.journal import Journal
from naestro.types import Digest, Event, RunInfo


class RecordedRuns:
    """Runs as the journal has them."""

    def __init__(self, journal: Journal) -> None:
        """Read and write `journal`, which this process holds."""
        self._journal = journal
        self._documents = JournalDocuments(journal)

    @property
    def documents(self) -> JournalDocuments:
        """What a protocol server keeps over restarts."""
        return self._documents

    async def runs(self, *, limit: int = 50, workspace: str | None = None) -> list[RunInfo]:
        """The latest runs, newest first."""
        return await self._journal.read(self._journal.reader.runs, limit, workspace)

    async def get(self, run: str) -> RunInfo:
        """One run, by id, a unique beginning of one, or `last`."""
        return await self._journal.read(self._journal.reader.run, run)

    async def history(self, run: str, after: int = 0) -> list[Event]:
        """The recorded events after number `after`, in order."""
        return await self._journal.read(self._journal.reader.events, run, after)

    async def artifact(self, digest: Digest) -> bytes:
        """A recorded blob."""
        return await self._journal.read(self._journal.reader.artifact, digest)

    async def compare(self, before: str, after: str) -> list[Difference]:
        """Where two runs differ, step by step."""
        return await self._journal.read(replay.compare, self._journal.reader, before, after)

    async def respond(self, run: str, interrupt: str, answer: str, *, by: str) -> None:
        """Answer an interrupt."""
        await interrupts.answer(self._journal, run, interrupt, answer, by=by)

    async def patch(self, run: str, step: str, target: str, text: str, *, by: str) -> int:
        """Replace a step's `output` or an input; the step's new revision."""
        if target == "output":
            return await interrupts.patch_output(self._journal, run, step, text.encode(), by=by)
        return await interrupts.patch_input(self._journal, run, step, target, text, by=by)

    async def rerun(self, run: str, step: str, *, by: str) -> int:
        """Open a new revision of a step and of all that depends on it; its number."""
        return await interrupts.rerun(self._journal, run, step, by=by)

    async def fork(self, run: str, *, at: str | None = None) -> str:
        """A new run that keeps the outputs which do not depend on step `at`; its id."""
        return await fork.fork(self._journal, run, at=at)
