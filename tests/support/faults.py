"""Faults of the system at a chosen moment, by Python's own audit events: no code under test is replaced.

An audit hook sees each call to the operating system before it is made and may raise in its place, kill the process,
or let somebody else change a file first. A hook can never be removed, so there is one, and it asks `_watcher`.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Watcher = Callable[[str, tuple[object, ...]], None]

CHANGING = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"})
"""The events of calls that read or change files."""

_watcher: Watcher | None = None
_is_installed = False


def _ask(event: str, arguments: tuple[object, ...]) -> None:
    if _watcher is not None and event in CHANGING:
        _watcher(event, arguments)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Ask `watcher` before each call in the block that reads or changes a file."""
    global _watcher, _is_installed  # noqa: PLW0603 - an audit hook belongs to the whole process
    if not _is_installed:
        sys.addaudithook(_ask)
        _is_installed = True
    _watcher = watcher
    try:
        yield
    finally:
        _watcher = None


def before(event: str, act: Callable[[], object], *, nth: int = 1, name: str = "") -> Watcher:
    """A watcher that acts once: before the `nth` call of that kind whose first argument ends in `name`."""
    left = nth

    def watcher(seen: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if seen == event and str(arguments[0]).endswith(name):
            left -= 1
            if left == 0:
                act()

    return watcher
