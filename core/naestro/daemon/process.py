"""`naestro daemon run`: the one process of a user that works on runs, from its lock to its end.

`naestro.__main__` above calls `main`, and hands over how the core is opened; a front end is who usually starts it
(`naestro.relay.start`). What is imported at the top is little, since the first thing to do is to leave the front end's
process tree and to take the lock: whoever comes second ends here. It knows neither protocols (`listener`) nor the
control API (`http`).
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from naestro.relay.places import FILE_MODE, Places, Trouble, find_places

if TYPE_CHECKING:
    from naestro.client.local import LocalClient

OpenCore = Callable[[str], "AbstractAsyncContextManager[LocalClient]"]
"""Opens the core for a holder, a command in words."""

HOLDER = "naestro daemon"
EXIT_FAILED = 1
TRIES = 5
"""A front end that looks whether the lock is held takes a share of it for a moment, so one refusal proves nothing."""
PAUSE_S = 0.02
STDOUT = 1
DESCRIPTORS_MAX = 1 << 16


def main(open_core: OpenCore, *, is_detached: bool) -> int:
    """Be the daemon until it is to end; the exit code. `is_detached`: as nobody's child, with no terminal.

    Says on standard output, in one line of JSON, when it is ready, or why it cannot be.
    """
    if is_detached:
        _detach()
    try:
        places = find_places()
        places.make()
        lock = _locked(places)
    except Trouble as trouble:
        return _fail(trouble.message, trouble.hint)
    if lock is None:
        _say({"again": True, "error": "A daemon runs already.", "hint": "Run `naestro daemon status`."})
        return EXIT_FAILED
    try:
        places.make()  # a daemon that ended meanwhile took the folder of its sockets with it
        return _run(open_core, places, is_detached=is_detached)
    except Trouble as trouble:
        return _fail(trouble.message, trouble.hint)
    finally:
        os.close(lock)


def _detach() -> None:
    """Leave the process tree, the session and the folder of whoever started this, and its open files."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    os.closerange(3, DESCRIPTORS_MAX)


def _locked(places: Places) -> int | None:
    """The descriptor that holds the daemon's lock; None where another daemon does. Raises `Trouble`."""
    import time

    try:
        descriptor = os.open(places.daemon_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise Trouble(
            f"{places.daemon_lock} cannot be written: {error.strerror}.", "Mend its permissions."
        ) from None
    for _ in range(TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
            return descriptor
        time.sleep(PAUSE_S)
    os.close(descriptor)
    return None


def _run(open_core: OpenCore, places: Places, *, is_detached: bool) -> int:
    import anyio

    from naestro.daemon.log import open_log
    from naestro.daemon.service import Service
    from naestro.errors import NaestroError

    try:
        plain = open_log(Path(places.log))
    except OSError as error:
        return _fail(f"{places.log} cannot be written: {error.strerror}.", "Mend its permissions.")

    def ready(pid: int) -> None:
        _say({"ok": True, "pid": pid})
        if is_detached:
            _leave_output()

    async def work() -> None:
        async with open_core(HOLDER) as core:
            await Service(core, places, plain).serve(ready)

    try:
        anyio.run(work)
    except NaestroError as error:
        return _fail(error.message, error.hint)
    return 0


def _leave_output() -> None:
    """Standard output was the pipe to whoever started this, who waits for nothing more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.close(nowhere)


def _fail(message: str, hint: str) -> int:
    _say({"error": message, "hint": hint})
    return EXIT_FAILED


def _say(line: dict[str, object]) -> None:
    import json

    # Whoever started this may be gone.
    with suppress(OSError):
        os.write(STDOUT, json.dumps(line).encode() + b"\n")
