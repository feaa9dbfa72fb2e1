"""Which runs this process works on, and how a patch makes one of them hold still for a moment.

Other processes are kept out by the journal's lock, so this is memory alone: nothing in it outlives the process. Above
stand `execution`, which takes runs in hand, and `interrupts`, which changes them meanwhile.
"""

from collections.abc import Generator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import anyio

from naestro.errors import RunStateError
from naestro.runs.journal import Journal


class Hand:
    """One run in the hands of this process."""

    def __init__(self) -> None:
        """Begin with nobody who wants the run to hold still."""
        self._pauses = 0
        self._released = anyio.Event()

    async def may_begin(self) -> None:
        """Return when a step may begin: at once, unless somebody changes the run just now."""
        while self._pauses:
            await self._released.wait()

    @contextmanager
    def paused(self) -> Generator[None]:
        """Let no further step begin inside the block; those that have begun go on."""
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            self._released.set()
            self._released = anyio.Event()


_HANDS: WeakKeyDictionary[Journal, dict[str, Hand]] = WeakKeyDictionary()


@contextmanager
def taken_in_hand(journal: Journal, run: str) -> Generator[Hand]:
    """Work on `run` inside the block; raises `RunStateError` when this process does so already."""
    hands = _HANDS.setdefault(journal, {})
    if run in hands:
        raise RunStateError(f"The run {run} is being worked on already.")
    hand = hands[run] = Hand()
    try:
        yield hand
    finally:
        del hands[run]


@contextmanager
def holding_still(journal: Journal, run: str) -> Generator[None]:
    """Let no step of `run` begin inside the block, should this process work on it."""
    hand = _HANDS.get(journal, {}).get(run) or Hand()
    with hand.paused():
        yield
