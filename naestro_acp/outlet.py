"""What an agent says to the client of one session, in order: updates that name the run behind them.

Everything above that shows something sends it here; below is the SDK's connection. A connection that is gone raises
one of `GONE`: whoever owns the turn ends it then, and the run goes on. It knows no event.
"""

from dataclasses import dataclass

import anyio
from acp.agent.connection import AgentSideConnection as ClientConnection
from acp.helpers import update_agent_message_text

from naestro.errors import NaestroError
from naestro_acp.projection import Update

GONE = (ConnectionError, anyio.BrokenResourceError, anyio.ClosedResourceError)
"""What sending and asking raise when the client went away."""


@dataclass(slots=True)
class Outlet:
    """The way to one session's client."""

    conn: ClientConnection
    session_id: str
    run: str | None = None
    """The run that the updates are about; the relay names it when the daemon is lost."""

    async def send(self, *updates: Update) -> None:
        """Send `updates` in order."""
        meta = {"naestro": {"run": self.run}} if self.run is not None else {}
        for update in updates:
            await self.conn.session_update(self.session_id, update, **meta)

    async def say(self, text: str) -> None:
        """Send `text` as the agent's message; a paragraph of its own."""
        await self.send(update_agent_message_text(f"{text}\n\n"))

    async def tell(self, error: NaestroError) -> None:
        """Say what is wrong and what to do."""
        await self.say(f"{error.message}\n\n{error.hint}".strip())
