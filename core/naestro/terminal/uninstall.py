"""`naestro uninstall`: stop what runs, delete what was asked for, say what is left.

What `naestro setup` will write into editors' settings is undone here too, once there is such a command; this version
writes nothing outside its own folders.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

from naestro import config
from naestro.errors import InputError, JournalLocked
from naestro.runs.lock import is_held, read_holder
from naestro.terminal.exits import Exit

STOP_S = 20.0
"""How long the process that holds the journal may take to park its runs."""
POLL_S = 0.1


def uninstall_naestro(*, is_data: bool, is_models: bool, is_yes: bool) -> int:
    """Stop the holder of the journal, delete the asked folders after a yes, and tell what remains."""
    home, cache = config.home(), config.cache()
    doomed = [*([home, config.user_file()] if is_data else []), *([cache] if is_models else [])]
    doomed = [path for path in doomed if path.exists()]
    if doomed and not is_yes and not _is_confirmed(doomed):
        print("nothing was deleted")
        return Exit.OK
    _stop_holder(home)
    for path in doomed:
        _delete(path)
        print(f"deleted {path}")
    kept = [path for path in (home, config.user_file(), cache) if path.exists()]
    print("kept " + ", ".join(map(str, kept)) if kept else "nothing of Naestro is left but the package")
    print("`pip uninstall naestro` (or the tool that installed it) removes the package.")
    return Exit.OK


def _is_confirmed(doomed: list[Path]) -> bool:
    if not sys.stdin.isatty():
        raise InputError("Deleting needs a yes, and nobody is there to ask.", hint="Add --yes.")
    print("This deletes " + ", ".join(map(str, doomed)) + ". Type yes to go on: ", end="", flush=True)
    return sys.stdin.readline().strip() == "yes"


def _stop_holder(home: Path) -> None:
    """Ask the process that holds the journal to park its runs, and wait until it has let go."""
    holder = read_holder(home) if is_held(home) else None
    if holder is None:
        return
    print(f"stopping {holder}")
    os.kill(holder.pid, signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while is_held(home):
        if time.monotonic() > until:
            raise JournalLocked(f"{holder} did not let go of the journal in {STOP_S:.0f} seconds.")
        time.sleep(POLL_S)


def _delete(path: Path) -> None:
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        raise InputError(
            f"{path} cannot be deleted: {error.strerror}.", hint="Mend its permissions."
        ) from error
