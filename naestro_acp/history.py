"""What `session/load` shows of a session's past: prompts, what the runs did in a few lines, the agent's replies.

`agent` above sends it, in order, before it answers. Below are the session's turns, the recorded events of their runs,
and `projection`, which says how a step looks. A run that still works is left to `Turns.follow`, which tells it from
its beginning. It changes nothing.
"""

from collections.abc import AsyncIterator, Iterable

from acp.helpers import update_agent_message_text, update_user_message_text
from acp.schema import ToolCallProgress, ToolCallStart

from naestro.client.api import Client
from naestro.errors import NaestroError
from naestro.types import Digest, RunStatus
from naestro_acp.projection import Projection, Update
from naestro_acp.sessions import Session, Turn

DETAILED_TURNS = 20
"""Turns, the latest, whose tool calls are shown: older ones are read for their words."""

CHANGING = ("title", "kind", "status", "content", "locations", "raw_input", "raw_output")
AT_WORK = (RunStatus.RUNNING, RunStatus.WAITING)


async def replay(client: Client, session: Session) -> AsyncIterator[tuple[Update, str | None]]:
    """The updates that show `session` again, each with the run behind it."""
    first_detailed = len(session.turns) - DETAILED_TURNS
    for number, turn in enumerate(session.turns):
        yield update_user_message_text(turn.prompt), turn.run
        told = _Told(turn)
        if turn.run is not None and (number >= first_detailed or not turn.reply):
            await told.read(client, turn.run)
        for update in told.updates(is_detailed=number >= first_detailed):
            yield update, turn.run


async def working_run(client: Client, session: Session) -> str | None:
    """The run of the last turn, when it works or waits."""
    run = session.turns[-1].run if session.turns else None
    return run if run is not None and await _works(client, run) else None


class _Told:
    """One turn, and what its run recorded."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._projection = Projection()
        self._calls: dict[str, ToolCallStart] = {}
        self._is_working = False

    async def read(self, client: Client, run: str) -> None:
        """Fold the run's events; of one that was pruned, or still works, nothing is told."""
        try:
            self._is_working = await _works(client, run)
            events = [] if self._is_working else await client.history(run)
            for event in events:
                digests: Iterable[Digest] = self._projection.needs(event)
                blobs = {digest: await client.artifact(digest) for digest in digests}
                for update in self._projection.show(event, blobs):
                    self._take(update)
        except NaestroError:
            self._calls.clear()

    def updates(self, *, is_detailed: bool) -> Iterable[Update]:
        """The turn's tool calls as they ended, and its reply."""
        if self._is_working:
            return
        if is_detailed:
            yield from self._calls.values()
        if reply := self._turn.reply or self._projection.reply:
            yield update_agent_message_text(reply)

    def _take(self, update: Update) -> None:
        if isinstance(update, ToolCallStart):
            self._calls[update.tool_call_id] = update
        elif isinstance(update, ToolCallProgress) and update.tool_call_id in self._calls:
            said = {name: value for name in CHANGING if (value := getattr(update, name)) is not None}
            started = self._calls[update.tool_call_id]
            self._calls[update.tool_call_id] = started.model_copy(update=said)


async def _works(client: Client, run: str) -> bool:
    try:
        return (await client.get(run)).status in AT_WORK
    except NaestroError:
        return False  # pruned
