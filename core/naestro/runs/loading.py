"""Reading a run's history from the journal: the one step between storage and the pure projections."""

from naestro.errors import NotInJournal
from naestro.runs.history import History
from naestro.runs.journal import Journal
from naestro.runs.reader import Reader


def read_history(reader: Reader, run: str) -> History:
    """The history of the run with exactly that id; raises `NotInJournal`."""
    events = reader.events(run)
    if not events:
        raise NotInJournal(f"No run {run} is in the journal.")
    return History.of(events)


async def load_history(journal: Journal, run: str) -> History:
    """As `read_history`, in a worker thread."""
    return await journal.read(read_history, journal.reader, run)
