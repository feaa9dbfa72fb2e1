"""`naestro uninstall`: stop what runs, undo `naestro setup`, delete what was asked for, say what is left.

`setup` below takes Naestro out of editors' settings, the only thing that it writes outside its own folders.
"""

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

from naestro import config
from naestro.errors import InputError, JournalLocked
from naestro.relay.places import find_places
from naestro.runs.lock import is_held, read_holder
from naestro.terminal import setup
from naestro.terminal.daemon import holder_of, stop_daemon
from naestro.terminal.exits import Exit

STOP_S = 20.0
"""How long the process that holds the journal may take to park its runs."""
POLL_S = 0.1

DATA = ("journal.db*", "journal.lock", "trusted.*", "config.toml", "logs", "run")
"""What Naestro writes into its home."""
CACHED = ("models", "slots")
"""What it writes into its cache, but for what follows."""
INDEXES = ("index",)
"""The code indexes, which hold the person's code, and so go with the data."""


def uninstall_naestro(*, is_data: bool, is_models: bool, is_yes: bool) -> int:
    """Stop the holder of the journal, delete what was asked for after a yes, and tell what remains."""
    home, cache = config.home(), config.cache()
    doomed = [*(_found(home, DATA) if is_data else []), *(_found(cache, CACHED) if is_models else [])]
    if is_data:
        doomed += _found(cache, INDEXES)
        doomed += _elsewhere(doomed)
    changes = setup.left_in_settings()
    if (doomed or changes) and not is_yes and not _is_confirmed(doomed, changes):
        print("nothing was deleted or changed")
        return Exit.OK
    _stop_holder(home)
    for change in changes:
        print(setup.make(change))
    for path in doomed:
        _delete(path)
        print(f"deleted {path}")
    folders = dict.fromkeys([home, cache, config.user_file().parent])
    kept = [path for path in folders if path.exists() and not _is_removed(path)]
    print("kept " + ", ".join(map(str, kept)) if kept else "nothing of Naestro is left but the package")
    print("`pip uninstall naestro` (or the tool that installed it) removes the package.")
    return Exit.OK


def _elsewhere(doomed: list[Path]) -> list[Path]:
    """What lies outside the home folder: the settings, where the platform wants them apart, and far sockets."""
    places = find_places()
    sockets = [Path(places.sockets)] if places.sockets != places.folder else []
    return [path for path in (config.user_file(), *sockets) if path.exists() and path not in doomed]


def _found(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """What Naestro made in `folder`: the folder may be one that the person uses for other things too."""
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def _is_removed(folder: Path) -> bool:
    """Whether the folder was empty and is gone now."""
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _is_confirmed(doomed: list[Path], changes: list[setup.Change]) -> bool:
    for change in changes:
        print(change.diff())
    what = [
        *(["deletes " + ", ".join(map(str, doomed))] if doomed else []),
        *(["takes Naestro out of " + ", ".join(str(change.file) for change in changes)] if changes else []),
    ]
    return setup.is_confirmed(f"This {' and '.join(what)}.")


def _stop_holder(home: Path) -> None:
    """Ask who holds the journal, the daemon or a command, to park its runs, and wait until it has let go."""
    if holder_of(find_places()):
        stop_daemon(as_json=False)
    holder = read_holder(home) if is_held(home) else None
    if holder is None:
        return
    print(f"stopping {holder}")
    with suppress(ProcessLookupError):
        os.kill(holder.pid, signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while is_held(home):
        if time.monotonic() > until:  # pragma: no cover - a test would have to wait for all of STOP_S
            raise JournalLocked(f"{holder} did not let go of the journal in {STOP_S:.0f} seconds.")
        time.sleep(POLL_S)


def _delete(path: Path) -> None:
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)  # the holder may have done it
    except OSError as error:
        raise InputError(
            f"{path} cannot be deleted: {error.strerror}.", hint="Mend its permissions."
        ) from error
