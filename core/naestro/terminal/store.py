"""The user's journal for commands that only read it."""

from naestro.config import home
from naestro.runs.reader import Reader, open_reader


def open_store() -> Reader:
    """A reader of the user's journal, a context manager; it takes no lock."""
    return open_reader(home())
