"""One prompt turn: what a person asks becomes a run, which is followed to its end; a second prompt waits its turn.

`agent` above calls it; below stand the client, `following`, `first_use` and `views`. A cancelled prompt is answered at
once, while the run's cancellation goes on. When the connection goes, its turns end and their runs go on.
"""

from contextlib import suppress

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
from acp.helpers import ContentBlock
from acp.schema import ClientCapabilities, PromptResponse, StopReason
from acp.schema import Usage as WireUsage

from naestro.client.api import CallerClient, Command
from naestro.errors import InputError, NaestroError, RunStateError
from naestro.types import Origin, RunStatus, Usage
from naestro_acp.editor import AcpEditor
from naestro_acp.first_use import FirstUse, settings_of
from naestro_acp.following import Following
from naestro_acp.outlet import GONE, ClientConnection, Outlet
from naestro_acp.permissions import Permissions
from naestro_acp.projection import Projection
from naestro_acp.prompt import Prompt, read_prompt
from naestro_acp.queue import Queue, Ticket
from naestro_acp.sessions import Session, Sessions, Turn, utc_now
from naestro_acp.slash import VIEWS, Asked, parse
from naestro_acp.views import own_run_of, undo, view

QUEUED = "Queued: this starts when the turn before it has ended."
TARGETED = ("explain", "test")
"""Commands that take the whole workspace where no target is named."""
REFERRING = frozenset({
    "above", "again", "also", "earlier", "instead", "it", "previous", "same", "that", "them", "they", "this",
})  # fmt: skip
"""A prompt with one of these words may speak of the turn before, which then comes along."""
EARLIER_CHARS_MAX = 500
"""Most of an earlier prompt, and of its reply, that comes along: small models have little room."""


class Turns:
    """The turns of one connection."""

    def __init__(
        self,
        conn: ClientConnection,
        client: CallerClient,
        capabilities: ClientCapabilities,
        sessions: Sessions | None = None,
    ) -> None:
        """Show turns through `conn`, whose client can do what `capabilities` say, and work through `client`.

        `sessions` are the connection's, which know the servers of tools that the client named; None: new ones.
        """
        self._conn = conn
        self._client = client
        self._capabilities = capabilities
        self._sessions = sessions or Sessions(client.documents)
        self._permissions = Permissions(client.documents, capabilities)
        self._first_use = FirstUse(client, self._sessions)
        self._queue = Queue()
        self._costs_usd: dict[str, float] = {}

    async def prompt(self, session: Session, blocks: list[ContentBlock]) -> PromptResponse:
        """One turn, or one more in the queue of a session that is at work.

        Raises a `NaestroError` when nothing could start.
        """
        ticket = self._queue.join(session.id)
        response = PromptResponse(stop_reason="cancelled")
        with self._queue.holding(session.id, ticket), suppress(*GONE), ticket.scope:
            response = await self._answer(ticket, session, blocks)
        return PromptResponse(stop_reason="cancelled") if ticket.is_cancelled else response

    async def cancel(self, session_id: str) -> None:
        """Answer all prompts of a session with `cancelled`, then end their runs."""
        tickets = self._queue.of(session_id)
        for ticket in tickets:
            ticket.is_cancelled = True
            ticket.scope.cancel()
        for ticket in tickets:
            await ticket.begun.wait()
            if ticket.run is not None:
                await self._end(ticket.run)

    async def steer(self, session_id: str, text: str) -> None:
        """Add `text` to the task of the turn that works: the council starts again with it.

        Raises `RunStateError` where no turn works.
        """
        working = [ticket for ticket in self._queue.of(session_id) if ticket.run and not ticket.over.is_set()]
        if not working:
            raise RunStateError("No turn works in this session.", hint="Send it as a prompt.")
        ticket = working[0]
        ticket.steering.append(text)
        try:
            await self._client.cancel(
                str(ticket.run), "the task was added to, and the council starts again with it"
            )
        except RunStateError:  # it has just ended
            ticket.steering.remove(text)
            raise

    async def follow(self, session: Session) -> None:
        """Go on showing the run of the session's last turn, which still works; questions are asked again."""
        run = session.turns[-1].run if session.turns else None
        if run is None:
            return
        ticket = self._queue.join(session.id)
        with self._queue.holding(session.id, ticket), suppress(*GONE), ticket.scope:
            ticket.run = run
            ticket.begun.set()
            outlet = Outlet(self._conn, session.id)
            if session.stands_in((await self._client.get(run)).workspace):
                self._lent(session, outlet).adopt(run)
            await self._to_end(ticket, outlet, session, run)

    def close(self, session_id: str) -> None:
        """Forget what is kept of a session in memory."""
        self._costs_usd.pop(session_id, None)
        self._permissions.close(session_id)

    # -- one turn, top to bottom

    async def _answer(self, ticket: Ticket, session: Session, blocks: list[ContentBlock]) -> PromptResponse:
        outlet = Outlet(self._conn, session.id)
        prompt = await anyio.to_thread.run_sync(read_prompt, blocks, session.workspace, session.cwd)
        for note in prompt.notes:
            await outlet.say(note)
        try:
            asked = parse(prompt.text or "\n".join(prompt.quotes), session.mode)
        except InputError as error:
            return await self._told(session, prompt, outlet, error)
        if asked.name in VIEWS:
            ticket.over.set()
            return await self._view(session, prompt, asked, outlet)
        if ticket.is_waiting:
            await outlet.say(QUEUED)
        await ticket.wait()
        current = await self._sessions.find(session.id)
        if asked.name in ("resume", "undo"):
            return await self._go_back(ticket, current, prompt, asked, outlet)
        return await self._run(ticket, current, prompt, asked, outlet)

    async def _view(self, session: Session, prompt: Prompt, asked: Asked, outlet: Outlet) -> PromptResponse:
        try:
            text = await view(self._client, self._permissions, outlet, session, asked)
        except NaestroError as error:
            return await self._told(session, prompt, outlet, error)
        await self._note(session, Turn(prompt=prompt.text, reply=text, at=utc_now()))
        return _response("end_turn")

    async def _go_back(
        self, ticket: Ticket, session: Session, prompt: Prompt, asked: Asked, outlet: Outlet
    ) -> PromptResponse:
        """`/undo` and `/resume`."""
        try:
            if asked.name == "undo":
                text = await undo(self._client, outlet, session, asked.rest)
                await self._note(session, Turn(prompt=prompt.text, reply=text, at=utc_now()))
                return _response("end_turn")
            run = await self._resume(ticket, session, outlet, asked.rest)
        except NaestroError as error:
            return await self._told(session, prompt, outlet, error)
        await self._note(session, Turn(prompt=prompt.text, run=run, at=utc_now()))
        return await self._to_end(ticket, outlet, session, run, is_resumed=True)

    async def _run(
        self, ticket: Ticket, session: Session, prompt: Prompt, asked: Asked, outlet: Outlet
    ) -> PromptResponse:
        """A command that makes a run: started, followed, and started again with what the person adds meanwhile."""
        ready = await self._first_use.ensure(outlet, session)
        if ready is None:
            return _response("end_turn")
        words = [_words(ready, prompt, asked)]
        while True:
            run = await self._start(ticket, ready, outlet, _command(ready, prompt, asked, "\n\n".join(words)))
            await self._note(ready, Turn(prompt=prompt.text, run=run, at=utc_now()))
            response = await self._to_end(ticket, outlet, ready, run)
            if not ticket.steering:
                return response
            words += ticket.steering
            ticket.steering.clear()

    async def _start(self, ticket: Ticket, session: Session, outlet: Outlet, command: Command) -> str:
        """Start a run; a cancellation meanwhile finds it by the ticket, so that none is left alone."""
        await anyio.lowlevel.checkpoint()
        if ticket.begun.is_set():
            ticket.begun = anyio.Event()
        with anyio.CancelScope(shield=True):
            ticket.run = await self._lent(session, outlet).start(command)
        ticket.begun.set()
        return str(ticket.run)

    async def _resume(self, ticket: Ticket, session: Session, outlet: Outlet, name: str) -> str:
        """Go on with a run, or join the one that works already."""
        info = await own_run_of(self._client, session, name)
        lent = self._lent(session, outlet)
        with anyio.CancelScope(shield=True):
            if info.status in (RunStatus.RUNNING, RunStatus.WAITING):
                with suppress(RunStateError):  # somebody works on it
                    await lent.resume(info.id)
                lent.adopt(info.id)
            elif info.status is not RunStatus.FINISHED:
                await lent.resume(info.id)
            ticket.run = info.id
        ticket.begun.set()
        return info.id

    async def _to_end(
        self, ticket: Ticket, outlet: Outlet, session: Session, run: str, *, is_resumed: bool = False
    ) -> PromptResponse:
        """Follow `run` to its end, and keep what it came to."""
        cost_usd = self._costs_usd.get(session.id, 0.0)
        projection = Projection(self._first_use.contexts.get(session.workspace, {}), cost_usd)
        following = Following(self._client, self._sessions, self._permissions, outlet, projection)
        try:
            await following.to_end(run, is_resumed=is_resumed)
        except NaestroError as error:  # the run was started: what ends it now is told in the conversation
            await outlet.tell(error)
        self._costs_usd[session.id] = cost_usd + projection.usage.cost_usd
        if following.is_cancelled:
            await self._end(run)
            return _response("cancelled", projection.usage, run)
        await self._keep_reply(session, run, projection.reply)
        if not projection.reply and (await self._client.get(run)).status is RunStatus.RUNNING:
            await outlet.say(f"Nobody works on the run any more. `/resume {run}` goes on with it.")
        return _response("end_turn", projection.usage, run)

    # -- small things

    def _lent(self, session: Session, outlet: Outlet) -> CallerClient:
        """The client with this session's editor."""
        return self._client.with_editor(
            AcpEditor(outlet, self._capabilities, session.cwd, session.mcp_servers)
        )

    async def _end(self, run: str) -> None:
        with suppress(RunStateError):  # it has ended, or nobody works on it
            await self._client.cancel(run, "cancelled in the editor")

    async def _told(
        self, session: Session, prompt: Prompt, outlet: Outlet, error: NaestroError
    ) -> PromptResponse:
        """What was asked cannot be done: said as a message, since the session is well."""
        await outlet.tell(error)
        await self._note(
            session, Turn(prompt=prompt.text, reply=f"{error.message} {error.hint}", at=utc_now())
        )
        return _response("end_turn")

    async def _note(self, session: Session, turn: Turn) -> None:
        await self._sessions.change(
            session.id, lambda now: msgspec.structs.replace(now, turns=[*now.turns, turn], updated=utc_now())
        )

    async def _keep_reply(self, session: Session, run: str, reply: str) -> None:
        def edit(now: Session) -> Session:
            turns = [
                msgspec.structs.replace(turn, reply=reply) if turn.run == run else turn for turn in now.turns
            ]
            return msgspec.structs.replace(now, turns=turns, updated=utc_now())

        await self._sessions.change(session.id, edit)


def _response(reason: StopReason, usage: Usage | None = None, run: str | None = None) -> PromptResponse:
    if usage is None:
        return PromptResponse(stop_reason=reason)
    spent = WireUsage(
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_read_tokens=usage.cached_tokens,
    )
    return PromptResponse(stop_reason=reason, usage=spent, field_meta={"naestro": {"run": run}})


def _command(session: Session, prompt: Prompt, asked: Asked, text: str) -> Command:
    return Command(
        name=asked.name,
        task={"text": text, "files": list(prompt.files)},
        workspace=session.cwd,
        origin=Origin.ACP,
        settings=settings_of(session),
    )


def _words(session: Session, prompt: Prompt, asked: Asked) -> str:
    """The text of the task, with what came along and, where a bare prompt speaks of it, the turn before."""
    text = asked.rest or ("." if asked.name in TARGETED else "")
    before = next((turn for turn in reversed(session.turns) if turn.run is not None and turn.reply), None)
    is_referring = not asked.is_typed and bool(REFERRING & set(text.lower().replace(",", " ").split()))
    earlier: list[str] = []
    if before is not None and is_referring:
        earlier.append(f"Before that I asked: {before.prompt[:EARLIER_CHARS_MAX]}")
        earlier.append(f"The answer was: {before.reply[:EARLIER_CHARS_MAX]}")
    quotes = prompt.quotes if prompt.text else []
    return "\n\n".join([text, *quotes, *earlier])
