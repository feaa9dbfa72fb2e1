"""The ACP agent of one connection: one thin method for each method of the protocol.

`plugin` above makes it; below stand `sessions` (what is kept), `options` (what is picked), `presence` (what a client
is told about a session), `history` (what is shown again) and `turn` (what a prompt does). It holds no rule of its own
but the order in which these are asked.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import anyio
from acp.exceptions import RequestError
from acp.meta import AGENT_METHODS, PROTOCOL_VERSION
from acp.router import MessageRouter
from msgspec.structs import replace
from pydantic import ValidationError

import naestro
from acp import schema
from naestro.client.api import CallerClient
from naestro.errors import InputError, RunStateError
from naestro.types import Json
from naestro_acp import history, options, sdk_gaps
from naestro_acp.errors import wrong_parameters
from naestro_acp.presence import McpServer, Presence
from naestro_acp.sdk_gaps import ClientConnection, after_answer, notification_route, request_route
from naestro_acp.sessions import Session, Sessions, title_of, utc_now
from naestro_acp.turn import Turns

AUTH_METHOD = schema.AuthMethodAgent(
    id="local", name="This machine", description="Nothing is needed: models run on this machine."
)
STEERING = "session/steering"
"""An extension that several agents share, called `_session/steering` on the wire: text for the turn at work."""


class NaestroAgent:
    """What a client may ask for, over one connection."""

    def __init__(self, client: CallerClient, editor: ClientConnection) -> None:
        """Work through `client`, which is bound to the caller, and tell `editor` of it."""
        self._client = client
        self._editor = editor
        self.sessions = Sessions(client.documents)
        """Those of this connection, and what their editor lends."""
        self._order: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()
        """For each session, its prompts and cancellations in the order in which they came."""

    # -- the connection

    async def initialize(self, request: sdk_gaps.InitializeRequest) -> schema.InitializeResponse:
        """Tell the version of the protocol that is spoken here, whatever the client's is, and what works."""
        capabilities = request.client_capabilities or schema.ClientCapabilities()
        self._presence = Presence(self._editor, self._client, capabilities)
        self._turns = Turns(self._editor, self._client, capabilities, self.sessions)
        return schema.InitializeResponse(
            protocol_version=PROTOCOL_VERSION,
            agent_info=schema.Implementation(name="naestro", title="Naestro", version=naestro.__version__),
            agent_capabilities=_abilities(),
            auth_methods=[AUTH_METHOD],
            field_meta={"steering": {"supported": True}},
        )

    # -- sessions

    async def new_session(self, request: schema.NewSessionRequest) -> schema.NewSessionResponse:
        """Begin a session in a folder that exists."""
        session = await self.sessions.create(
            request.cwd, request.additional_directories or [], _as_given(request.mcp_servers)
        )
        state = await self._presence.open(session, request.mcp_servers)
        return schema.NewSessionResponse(session_id=session.id, **state)

    async def load_session(self, request: schema.LoadSessionRequest) -> schema.LoadSessionResponse:
        """Show a session again, then answer, then go on showing a run that still works."""
        session = await self._reopen(request)
        async for update, run in history.replay(self._client, session):
            await self._editor.session_update(session.id, update, **_meta(run))
        state = await self._presence.open(session, request.mcp_servers)
        await self._go_on(session)
        return schema.LoadSessionResponse(**state)

    async def resume_session(self, request: schema.ResumeSessionRequest) -> schema.ResumeSessionResponse:
        """Go on with a session that the client shows already: nothing is shown again."""
        session = await self._reopen(request)
        state = await self._presence.open(session, request.mcp_servers)
        await self._go_on(session)
        return schema.ResumeSessionResponse(**state)

    async def fork_session(self, request: schema.ForkSessionRequest) -> schema.ForkSessionResponse:
        """A new session with the turns of another."""
        session = await self.sessions.fork(
            request.session_id,
            request.cwd,
            request.additional_directories or [],
            _as_given(request.mcp_servers),
        )
        state = await self._presence.open(session, request.mcp_servers)
        return schema.ForkSessionResponse(session_id=session.id, **state)

    async def list_sessions(self, request: schema.ListSessionsRequest) -> schema.ListSessionsResponse:
        """A page of the sessions, the latest first."""
        page, cursor = await self.sessions.page(request.cwd, request.cursor)
        return schema.ListSessionsResponse(sessions=[_info(session) for session in page], next_cursor=cursor)

    async def close_session(self, request: schema.CloseSessionRequest) -> schema.CloseSessionResponse:
        """Stop what a session does and let go of it; it stays in the list."""
        await self.sessions.change(request.session_id, lambda now: replace(now, closed=True))
        await self._let_go(request.session_id)
        return schema.CloseSessionResponse()

    async def delete_session(self, request: schema.DeleteSessionRequest) -> schema.DeleteSessionResponse:
        """Forget a session; its runs stay in the journal. One that is not there is gone already."""
        await self._let_go(request.session_id)
        await self.sessions.delete(request.session_id)
        return schema.DeleteSessionResponse()

    # -- what is picked

    async def set_mode(self, request: schema.SetSessionModeRequest) -> schema.SetSessionModeResponse:
        """Set the mode; the picker among the options follows."""
        session = await self.sessions.change(
            request.session_id, lambda now: options.with_mode(now, request.mode_id)
        )
        after_answer(lambda: self._presence.tell_pickers(session))
        return schema.SetSessionModeResponse()

    async def set_option(
        self, request: schema.SetSessionConfigOptionSelectRequest
    ) -> schema.SetSessionConfigOptionResponse:
        """Set an option; the answer has all of them, and the modes' own picker follows."""
        found = await self.sessions.find(request.session_id)
        choices = await options.choices_in(self._client, found.workspace)
        session = await self.sessions.change(
            found.id, lambda now: options.with_option(now, request.config_id, request.value, choices)
        )
        if request.config_id == options.MODE:
            after_answer(lambda: self._presence.tell_mode(session))
        return schema.SetSessionConfigOptionResponse(
            config_options=[*options.config_options(session, choices)]
        )

    # -- turns

    async def prompt(self, request: schema.PromptRequest) -> schema.PromptResponse:
        """One turn, or one more in the queue of a session that is at work."""
        async with self._in_order(request.session_id):
            session = await self._begun(request)
        return await self._turns.prompt(session, request.prompt)

    async def cancel(self, request: schema.CancelNotification) -> None:
        """Stop what a session does; a prompt that came before has begun by then."""
        async with self._in_order(request.session_id):
            pass
        await self._turns.cancel(request.session_id)

    async def withdraw(self, parameters: dict[str, Json]) -> None:
        """`$/cancel_request` of a prompt: what it began ends, too."""
        await self.cancel(schema.CancelNotification(session_id=str(parameters.get("sessionId"))))

    async def extend(self, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """A method that is no part of the protocol (named without its `_`): steering."""
        if name != STEERING:
            raise RequestError.method_not_found(f"_{name}")
        try:
            request = schema.PromptRequest.model_validate(parameters)
        except ValidationError as error:
            raise wrong_parameters(error) from error
        session = await self.sessions.find(request.session_id)
        try:
            await self._turns.steer(session.id, _words(request))
        except RunStateError:  # no turn is at work
            return {"outcome": "promptRequired"}
        return {"outcome": "injected"}

    # -- steps that several methods share

    async def _reopen(self, request: schema.LoadSessionRequest | schema.ResumeSessionRequest) -> Session:
        return await self.sessions.open(
            request.session_id,
            request.cwd,
            request.additional_directories or [],
            _as_given(request.mcp_servers),
        )

    async def _go_on(self, session: Session) -> None:
        if await history.working_run(self._client, session) is not None:
            after_answer(lambda: self._turns.follow(session))

    async def _let_go(self, session_id: str) -> None:
        await self._turns.cancel(session_id)
        self._turns.close(session_id)
        self._client.tooling.take_back(session_id)

    def _in_order(self, session_id: str) -> anyio.Lock:
        return self._order.setdefault(session_id, anyio.Lock())

    async def _begun(self, request: schema.PromptRequest) -> Session:
        """The session, with a title from its first prompt."""
        session = await self.sessions.find(request.session_id)
        title = title_of(_words(request))
        if session.title or not title:
            return session
        session = await self.sessions.change(
            session.id, lambda now: replace(now, title=title, updated=utc_now())
        )
        await self._presence.tell_title(session)
        return session


async def authenticate(request: schema.AuthenticateRequest) -> schema.AuthenticateResponse:
    """Nothing is needed; an unknown method is refused."""
    if request.method_id != AUTH_METHOD.id:
        raise InputError(
            f"There is no way to sign in called {request.method_id!r}.",
            hint=f"There is {AUTH_METHOD.id!r}, which needs nothing.",
        )
    return schema.AuthenticateResponse()


async def logout(_: schema.LogoutRequest) -> schema.LogoutResponse:
    """Nothing was signed in to, so nothing is left."""
    return schema.LogoutResponse()


def routes(router: MessageRouter, agent: NaestroAgent) -> None:
    """Lead every method of the protocol that works here to `agent`; the router refuses the others."""
    names = AGENT_METHODS
    for route in (
        request_route(names["initialize"], sdk_gaps.InitializeRequest, agent.initialize),
        request_route(names["authenticate"], schema.AuthenticateRequest, authenticate),
        request_route(names["logout"], schema.LogoutRequest, logout),
        request_route(names["session_new"], schema.NewSessionRequest, agent.new_session),
        request_route(names["session_load"], schema.LoadSessionRequest, agent.load_session),
        request_route(names["session_resume"], schema.ResumeSessionRequest, agent.resume_session),
        request_route(names["session_fork"], schema.ForkSessionRequest, agent.fork_session),
        request_route(names["session_list"], schema.ListSessionsRequest, agent.list_sessions),
        request_route(names["session_close"], schema.CloseSessionRequest, agent.close_session),
        request_route(names["session_delete"], schema.DeleteSessionRequest, agent.delete_session),
        request_route(names["session_set_mode"], schema.SetSessionModeRequest, agent.set_mode),
        request_route(
            names["session_set_config_option"], schema.SetSessionConfigOptionSelectRequest, agent.set_option
        ),
        request_route(names["session_prompt"], schema.PromptRequest, agent.prompt),
        notification_route(names["session_cancel"], schema.CancelNotification, agent.cancel),
    ):
        router.add_route(route)
    router.handle_extension_request(agent.extend)


def _abilities() -> schema.AgentCapabilities:
    """What works, and nothing else: no engine can see or hear yet, and no MCP server is used yet."""
    return schema.AgentCapabilities(
        load_session=True,
        prompt_capabilities=schema.PromptCapabilities(image=False, audio=False, embedded_context=True),
        mcp_capabilities=schema.McpCapabilities(http=True, sse=False, acp=False),
        session_capabilities=schema.SessionCapabilities(
            list=schema.SessionListCapabilities(),
            resume=schema.SessionResumeCapabilities(),
            fork=schema.SessionForkCapabilities(),
            close=schema.SessionCloseCapabilities(),
            delete=schema.SessionDeleteCapabilities(),
        ),
        auth=schema.AgentAuthCapabilities(logout=schema.LogoutCapabilities()),
    )


def _as_given(servers: Sequence[McpServer] | None) -> list[dict[str, Json]]:
    return [server.model_dump(mode="json", by_alias=True, exclude_none=True) for server in servers or []]


def _info(session: Session) -> schema.SessionInfo:
    return schema.SessionInfo(
        session_id=session.id,
        cwd=session.cwd,
        title=session.title or None,
        updated_at=session.updated,
        additional_directories=session.additional_directories or None,
    )


def _words(request: schema.PromptRequest) -> str:
    """The text of a prompt, without what came along."""
    blocks = [block.text for block in request.prompt if isinstance(block, schema.TextContentBlock)]
    return "".join(blocks).strip()


def _meta(run: str | None) -> dict[str, Json]:
    return {} if run is None else {"naestro": {"run": run}}
