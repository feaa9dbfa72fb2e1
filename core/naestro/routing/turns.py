"""When an engine may be called within one run, so that its prefix cache serves every call after the first.

All calls of a run begin with the same prompt. Sent to one engine at the same moment, each would read that prompt by
itself. So the first goes ahead until its first token. After that the others follow: side by side where the engine
shares its cache among requests (vLLM, TensorRT-LLM, clouds, the embedded engine), one after the other where each slot
has a cache of its own (a llama.cpp server that a person started). `council.generate` above takes a turn for each
call; this module knows no prompt and no run.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio


class Turn:
    """One call's turn at an engine."""

    def __init__(self, warmed: Callable[[], None]) -> None:
        """Keep what to do at the first token."""
        self._warmed = warmed

    def first_token(self) -> None:
        """The engine has read the prompt; may be called at every token."""
        self._warmed()


class Turns:
    """The turns of one run, engine by engine."""

    def __init__(self, limiter: anyio.CapacityLimiter, takes_one: Callable[[str], bool]) -> None:
        """`limiter` bounds all calls; `takes_one` says of an engine's name whether its slots share no cache."""
        self._limiter = limiter
        self._takes_one = takes_one
        self._gates: dict[str, anyio.Lock] = {}
        self._warm: set[str] = set()

    @asynccontextmanager
    async def take(self, engine: str) -> AsyncGenerator[Turn]:
        """Wait for the turn of a call to `engine`; the turn ends with the context."""
        gate = self._gates.setdefault(engine, anyio.Lock())
        if engine in self._warm:
            async with self._limiter:
                yield Turn(lambda: None)
            return
        await gate.acquire()
        held = _Held(gate)
        try:
            if engine in self._warm:
                held.release()
            async with self._limiter:
                yield Turn(lambda: self._warmed(engine, held))
        finally:
            held.release()

    def _warmed(self, engine: str, held: "_Held") -> None:
        if not self._takes_one(engine):
            self._warm.add(engine)
            held.release()


class _Held:
    """A lock that is released once, however often one asks."""

    def __init__(self, gate: anyio.Lock) -> None:
        self._gate: anyio.Lock | None = gate

    def release(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.release()
