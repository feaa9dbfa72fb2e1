"""Which slot of a llama.cpp server a request takes: the free one that remembers most of its prompt.

`embedded` above names the slot in each request, since the server's own choice cannot see what `prefixes` beside it
does to the slots. A slot is a place for one request at a time; what it read last stays in its cache. It knows no HTTP.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from naestro.engines.engine import Message

Messages = tuple[Message, ...]


@dataclass(slots=True, eq=False)
class Slot:
    """One slot."""

    id: int
    text: str = ""
    """The prompt that it read last."""
    prefix: Messages = ()
    """The shared prefix that is surely in its cache; empty: none."""


class Slots:
    """The slots of one running server."""

    def __init__(self, count: int) -> None:
        self._free = [Slot(number) for number in range(count)]
        self._places = anyio.Semaphore(count)

    @asynccontextmanager
    async def take(self, messages: Sequence[Message]) -> AsyncGenerator[Slot]:
        """A slot for one request, waited for in order of arrival; among equal ones the longest unused."""
        async with self._places:
            text = prompt_text(messages)
            slot = max(self._free, key=lambda free: common_length(free.text, text))
            self._free.remove(slot)
            try:
                yield slot
                slot.text = text
            finally:
                self._free.append(slot)


def prompt_text(messages: Sequence[Message]) -> str:
    """`messages` as one text whose beginnings compare as those of the prompts do."""
    return "\n\n".join(f"{message.role}\n{message.content}" for message in messages)


def common_length(one: str, other: str) -> int:
    """How many characters both begin with, found by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
