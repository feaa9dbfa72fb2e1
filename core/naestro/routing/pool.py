"""The engines that there are, and which of them takes which seat of the council.

The council above asks for a role and a number of seats; this module answers with engines in the order that the
settings prefer, each with the reason, which the journal keeps. It knows no prompt and no run. Breakers, latency and
budgets will stand behind the same question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio

from naestro.engines.engine import Engine
from naestro.errors import ContextTooLong, NoEngine

CALLS_MAX = 8
"""Calls under way at once where the caller brings no limiter of its own; the default of `CONCURRENCY_MAX`."""


@dataclass(frozen=True, slots=True)
class Route:
    """An engine for one seat, and why it."""

    engine: Engine
    reason: str

    @property
    def name(self) -> str:
        """The engine's name in the settings."""
        return self.engine.info.name


class Pool:
    """Engines by name, and the order in which each role prefers them. Their maker closes them, not the pool."""

    def __init__(
        self,
        engines: Sequence[Engine],
        preferences: Mapping[str, Sequence[str]] | None = None,
        limiter: anyio.CapacityLimiter | None = None,
    ) -> None:
        """Keep `engines` in their order; `preferences` names engines by role, an absent or empty one takes all.

        `limiter` bounds the calls that are under way at once, over all runs that share it.
        """
        self._engines = {engine.info.name: engine for engine in engines}
        self._preferences = {role: tuple(names) for role, names in (preferences or {}).items()}
        self.limiter = limiter if limiter is not None else anyio.CapacityLimiter(CALLS_MAX)

    @property
    def names(self) -> list[str]:
        """The names of all engines, in order."""
        return list(self._engines)

    def count(self, role: str) -> int:
        """How many engines could take a seat of `role`."""
        return len(self._preferences.get(role) or self._engines)

    def engine(self, name: str) -> Engine:
        """The engine of that name. Raises `NoEngine`."""
        if name not in self._engines:
            raise NoEngine(
                f"No engine is called {name!r}; there are: {', '.join(self._engines) or 'none'}.",
                hint="Correct the name in the settings, or configure that engine.",
            )
        return self._engines[name]

    def for_role(self, role: str, count: int, *, needed_tokens: int = 0) -> list[Route]:
        """`count` seats of `role`, each with an engine whose context holds `needed_tokens`, round about.

        Raises `NoEngine` where there is none at all, `ContextTooLong` where none is large enough.
        """
        fitting, why = self._fitting(role, needed_tokens)
        return [_seat(fitting[number % len(fitting)], number, len(fitting), why) for number in range(count)]

    def alternatives(self, role: str, first: Route, *, needed_tokens: int = 0) -> list[Route]:
        """`first`, then the other engines of `role` that could take its seat, in order."""
        fitting, _ = self._fitting(role, needed_tokens)
        others = [engine for engine in fitting if engine.info.name != first.name]
        return [first, *(Route(engine, f"takes the seat of {first.name}") for engine in others)]

    def _fitting(self, role: str, needed_tokens: int) -> tuple[list[Engine], str]:
        named = self._preferences.get(role, ())
        engines = [self.engine(name) for name in named] if named else list(self._engines.values())
        if not engines:
            raise NoEngine(f"No engine is there for the role {role}.")
        fitting = [engine for engine in engines if engine.info.context_tokens >= needed_tokens]
        if not fitting:
            raise _too_long(role, needed_tokens, engines)
        why = f"preferred by roles.{role}.engines" if named else "any engine may"
        if len(fitting) < len(engines):
            why += f"; others hold less than {needed_tokens} tokens"
        return fitting, why


def _seat(engine: Engine, number: int, count: int, why: str) -> Route:
    again = f"; seat {number + 1} of {count} engines, so it sits again" if number >= count else ""
    return Route(engine, why + again)


def _too_long(role: str, needed_tokens: int, engines: Sequence[Engine]) -> ContextTooLong:
    largest = max(engines, key=lambda engine: engine.info.context_tokens).info
    return ContextTooLong(
        f"The request for the role {role} needs about {needed_tokens} tokens; the largest context, of {largest.name}, "
        f"holds {largest.context_tokens}."
    )
