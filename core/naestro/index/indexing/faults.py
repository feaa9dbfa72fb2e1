"""What went wrong in an index run, in words, and whether the index must be built anew for it.

`workspace_index` and the `indexer` end their runs with it.
"""

import sqlite3

from naestro.errors import IndexDamaged, NaestroError


def is_damage(error: Exception) -> bool:
    """Whether an index must be built anew for it; SQLite's other errors speak of a full disk, or of rights."""
    return isinstance(error, IndexDamaged) or type(error) is sqlite3.DatabaseError


def is_expected(error: Exception) -> bool:
    """Whether `error` speaks of the disk, the settings or the index; anything else is a defect of Naestro's own."""
    return isinstance(error, NaestroError | sqlite3.Error | OSError)


def said(error: Exception) -> str:
    """What went wrong, as a sentence for a person, and where the error knows it one on what to do."""
    if isinstance(error, NaestroError):
        return error.message if error.hint == error.default_hint else f"{error.message} {error.hint}"
    if is_damage(error):
        return f"The index is damaged: {error}."
    if is_expected(error):
        return f"The index cannot be written: {error}."
    return (
        f"A defect in Naestro stopped the index ({type(error).__name__}: {error}); the log says where."
        " `naestro index --rebuild` begins anew."
    )
