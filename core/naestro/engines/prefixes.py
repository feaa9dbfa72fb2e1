"""One reading of a shared prompt prefix for all slots of a llama.cpp server, also for requests that come at once.

A slot's cache serves that slot alone, so proposers side by side would each read the whole prefix. Here the first
request that brings a prefix reads just that, and the slot's state is saved; every other slot then loads the state,
which takes milliseconds (measured: 21 MB and 9 ms for 930 tokens that take 6 s to read). Of the prompt tokens that
proposers at once share, 98 % then come from the cache, instead of 33 %.

The prefix of a request is said by its form: where the last two messages are the user's, the last one is the
request's own, and those before it are shared. (The wire joins them to one message.) `embedded` above calls this with
the slot that it took; the engine's HTTP is behind `SlotFiles`. It knows no process.
"""

import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
import msgspec

from naestro.engines.engine import Message
from naestro.engines.slots import Messages, Slot
from naestro.types import Usage, encode

if TYPE_CHECKING:
    import httpx2

PREFIX_MIN_CHARS = 1_000
"""About 250 tokens, 2 s of reading on two cores; a shorter one is not worth a request of its own."""
STATES_MAX_BYTES = 1 << 30
"""Of saved states together; a run of one model with 4,096 tokens of context saves 50 to 120 MB a prefix."""
STATES_MAX = 16
ANSWER_S = 60.0
"""For saving or loading; the server does it when the slot is free, at the latest after a batch of a cancelled one."""

Read = Callable[[Messages, Slot], Awaitable[Usage]]
"""Has the engine read a prefix in a slot, and tells what that used."""


class SlotFiles(Protocol):
    """Saves and loads the state of a slot by a file's name."""

    async def save(self, slot: Slot, name: str) -> int | None:
        """The size of the file in bytes, or None where it could not be saved."""
        ...

    async def load(self, slot: Slot, name: str) -> bool:
        """Whether the slot now has that state."""
        ...

    async def forget(self, name: str) -> None:
        """Remove a file."""
        ...


@dataclass(slots=True, eq=False)
class _State:
    """A prefix that was read, or is being read."""

    name: str
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    size_bytes: int = 0
    is_saved: bool = False
    is_hopeless: bool = False
    """Saving failed: every slot reads this prefix for itself."""


def shared_prefix(messages: Sequence[Message]) -> Messages:
    """What others share of a request with these messages; empty where there is nothing, or too little."""
    if len(messages) < 2 or not messages[-1].role == messages[-2].role == "user":
        return ()
    prefix = tuple(messages[:-1])
    return prefix if sum(len(message.content) for message in prefix) >= PREFIX_MIN_CHARS else ()


class Prefixes:
    """The prefixes that one running server has read."""

    def __init__(self, files: SlotFiles, read: Read, max_bytes: int = STATES_MAX_BYTES) -> None:
        self._files = files
        self._read = read
        self._max_bytes = max_bytes
        self._states: OrderedDict[str, _State] = OrderedDict()

    async def bring(self, prefix: Messages, slot: Slot) -> Usage | None:
        """Have `prefix` in the cache of `slot`; the usage of reading it, where this call was the one that read it.

        Raises an `EngineError` where the engine could not read it.
        """
        if slot.prefix[: len(prefix)] == prefix:
            slot.prefix = prefix  # what the slot has beyond it, or instead of none, is overwritten now
            return None
        state = self._state(prefix)
        async with state.lock:
            if not state.is_saved:
                return None if state.is_hopeless else await self._read_first(prefix, slot, state)
        await self._load(prefix, slot, state)
        return None

    async def _read_first(self, prefix: Messages, slot: Slot, state: _State) -> Usage:
        """Read `prefix` after the longest known beginning of it, and save the slot's state for the others."""
        await self._load_beginning(prefix, slot)
        slot.prefix = ()
        used = await self._read(prefix, slot)
        slot.prefix = prefix
        size_bytes = await self._files.save(slot, state.name)
        state.is_saved, state.is_hopeless = size_bytes is not None, size_bytes is None
        state.size_bytes = size_bytes or 0
        await self._make_room(state)
        return used

    async def _load_beginning(self, prefix: Messages, slot: Slot) -> None:
        """Load the longest known beginning of `prefix`, unless the slot has it already."""
        for length in range(len(prefix) - 1, 0, -1):
            beginning = prefix[:length]
            if slot.prefix[:length] == beginning:
                return
            state = self._states.get(_name(beginning))
            if state and state.is_saved:
                await self._load(beginning, slot, state)
                return

    async def _load(self, prefix: Messages, slot: Slot, state: _State) -> None:
        slot.prefix = ()
        if await self._files.load(slot, state.name):
            slot.prefix = prefix
        else:
            state.is_saved = False

    def _state(self, prefix: Messages) -> _State:
        name = _name(prefix)
        state = self._states.setdefault(name, _State(name))
        self._states.move_to_end(name)
        return state

    async def _make_room(self, newest: _State) -> None:
        """Forget the states that were wanted longest ago, until the rest is small enough."""
        others = [state for state in self._states.values() if state is not newest and state.is_saved]
        for state in others:
            total_bytes = sum(known.size_bytes for known in self._states.values())
            if total_bytes <= self._max_bytes and len(self._states) <= STATES_MAX:
                return
            del self._states[state.name]
            await self._files.forget(state.name)


def _name(prefix: Messages) -> str:
    return hashlib.sha256(encode(list(prefix))).hexdigest()[:32]


class _Saved(msgspec.Struct, frozen=True):
    """llama.cpp's answer to a save."""

    n_written: int


class LlamaSlotFiles:
    """The `SlotFiles` of a running llama.cpp server. What goes wrong costs speed, never an answer."""

    def __init__(self, root_url: str, api_key: str, folder: Path) -> None:
        self._root_url = root_url
        self._headers = {"authorization": f"Bearer {api_key}"}
        self._folder = folder

    async def save(self, slot: Slot, name: str) -> int | None:
        """See `SlotFiles`."""
        answer = await self._ask(slot, "save", name)
        return msgspec.json.decode(answer, type=_Saved).n_written if answer is not None else None

    async def load(self, slot: Slot, name: str) -> bool:
        """See `SlotFiles`."""
        return await self._ask(slot, "restore", name) is not None

    async def forget(self, name: str) -> None:
        """See `SlotFiles`."""
        await anyio.Path(self._folder / name).unlink(missing_ok=True)

    async def _ask(self, slot: Slot, action: str, name: str) -> bytes | None:
        import httpx2

        try:
            async with self._client() as client:
                response = await client.post(
                    f"{self._root_url}/slots/{slot.id}", params={"action": action}, json={"filename": name}
                )
        except httpx2.HTTPError:
            return None
        return response.content if response.is_success else None

    def _client(self) -> "httpx2.AsyncClient":
        import httpx2

        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loads no certificates: there is no TLS on loopback
        return httpx2.AsyncClient(headers=self._headers, timeout=ANSWER_S, trust_env=False, verify=plain)
