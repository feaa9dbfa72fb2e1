"""The prompts of each session in the order of their arrival: one works, the others wait, all can be cancelled.

`turn` above takes a ticket for each prompt. It knows no run and no protocol.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio


@dataclass(slots=True, eq=False)
class Ticket:
    """One prompt of a session, from its arrival to its answer."""

    before: "Ticket | None" = None
    """The one that has to be over first."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    begun: anyio.Event = field(default_factory=anyio.Event)
    """Set when `run` is known, or will never be."""
    over: anyio.Event = field(default_factory=anyio.Event)
    """Set when the next one may begin."""
    run: str | None = None
    steering: list[str] = field(default_factory=list[str])
    """What the person added while the run worked."""
    is_cancelled: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether another one has to be over first."""
        return self.before is not None and not self.before.over.is_set()

    async def wait(self) -> None:
        """Wait until those before are over."""
        before, self.before = self.before, None
        if before is not None:
            await before.over.wait()


class Queue:
    """The tickets of all sessions of one connection."""

    def __init__(self) -> None:
        """Begin with none."""
        self._tickets: dict[str, list[Ticket]] = {}

    def of(self, session_id: str) -> list[Ticket]:
        """The tickets of a session, the oldest first."""
        return list(self._tickets.get(session_id, []))

    def join(self, session_id: str) -> Ticket:
        """A new ticket at the end of a session's queue. Nothing is awaited, so the order is that of the calls."""
        tickets = self._tickets.setdefault(session_id, [])
        ticket = Ticket(before=tickets[-1] if tickets else None)
        tickets.append(ticket)
        return ticket

    @contextmanager
    def holding(self, session_id: str, ticket: Ticket) -> Generator[None]:
        """While the block runs, the ticket stands in the queue; then the next one may begin, however it ended."""
        try:
            yield
        finally:
            ticket.over.set()
            ticket.begun.set()
            self._leave(session_id, ticket)

    def _leave(self, session_id: str, ticket: Ticket) -> None:
        left = [other for other in self._tickets.get(session_id, []) if other is not ticket]
        if left:
            self._tickets[session_id] = left
        else:
            self._tickets.pop(session_id, None)
