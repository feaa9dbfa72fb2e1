"""One request as what answers it sees it: who asks, in which era of the protocol, and how they can be told and asked.

`places`, `asking` and the tools work with it; below stands the SDK's context of a request. From 2026-07-28 on a server
asks nothing by itself: it answers "input required" with its questions and a state, and the client asks again with the
answers (`InputNeeded`); before, it sends a request of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.message import ServerMessageMetadata
from mcp.types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    ProgressNotification,
    ProgressNotificationParams,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ValidationError

from naestro.types import Json

ROOTS_S = 5.0
"""How long a client may take to name its roots."""
ROOTS, ANSWER = "roots", "answer"
"""The names of the questions that a client is asked by "input required"."""

Lifespan = Mapping[str, object]
"""The SDK's own state of a server, of which no use is made."""
Context = ServerRequestContext[Lifespan, object]


class InputNeeded(Exception):
    """The request can be answered when the client has answered this."""

    def __init__(
        self, name: str, question: ListRootsRequest | ElicitRequest, state: Mapping[str, Json]
    ) -> None:
        """Ask `question`; `state` comes back with the answer, sealed on its way."""
        super().__init__(name)
        text = msgspec.json.encode(state).decode()
        self.result = InputRequiredResult(input_requests={name: question}, request_state=text)


@dataclass(slots=True)
class Request:
    """One request."""

    ctx: Context
    answers: Mapping[str, BaseModel] = field(default_factory=dict[str, BaseModel])
    """What the client answered to the questions of the round before."""
    state: dict[str, Json] = field(default_factory=dict[str, Json])
    """What this server knew in the round before."""

    @classmethod
    def of(cls, ctx: Context, answers: Mapping[str, BaseModel] | None, state: str | None) -> "Request":
        """With what came back of the round before; the SDK has checked that `state` is this server's."""
        return cls(
            ctx, answers or {}, {} if state is None else msgspec.json.decode(state, type=dict[str, Json])
        )

    @property
    def is_modern(self) -> bool:
        """Whether questions are asked by "input required"."""
        return self.ctx.protocol_version in MODERN_PROTOCOL_VERSIONS

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the HTTP request; none where it came by another way."""
        return getattr(self.ctx.request, "headers", {})

    @property
    def session(self) -> str:
        """A name for all requests of one client, as far as the transport tells them apart."""
        return self.headers.get("mcp-session-id", "")

    @property
    def is_alone(self) -> bool:
        """Whether nothing ties it to the client's other requests."""
        return bool(self.headers) and not self.session

    @property
    def can_name_roots(self) -> bool:
        """Whether the client says that it has roots."""
        has = self.ctx.session.client_capabilities
        return has is not None and has.roots is not None

    @property
    def can_ask(self) -> bool:
        """Whether the client puts questions to its person."""
        has = self.ctx.session.client_capabilities
        return has is not None and has.elicitation is not None

    @property
    def is_taken_back(self) -> bool:
        """Whether the client cancelled it. Over HTTP, from 2026-07-28 on, it does so by hanging up."""
        # The SDK hands the handler no other way to tell a cancelled request from a connection that ends.
        channel = self.ctx.session._request_outbound  # pyright: ignore[reportPrivateUsage] - see above
        return channel.cancel_requested.is_set() or (self.is_modern and bool(self.headers))

    def when_gone(self, forget: Callable[[], None]) -> None:
        """Call `forget` when the connection ends; up to 2025-11-25, where requests share one."""
        # The SDK keeps what a connection must clean up, and shows it to its own modules alone.
        connection = self.ctx.session._connection  # pyright: ignore[reportPrivateUsage] - see above
        connection.exit_stack.callback(forget)

    @property
    def has_progress(self) -> bool:
        """Whether the client wants to hear how far it is."""
        return self.progress_token is not None

    @property
    def progress_token(self) -> str | int | None:
        """By which the client knows what is told of its request."""
        return None if self.ctx.meta is None else self.ctx.meta.get("progress_token")

    async def roots(self) -> ListRootsResult | None:
        """The client's roots; None where it does not say. Raises `InputNeeded`."""
        if self.is_modern:
            found = self.answers.get(ROOTS)
            if found is None and ROOTS not in self.state:
                raise InputNeeded(ROOTS, ListRootsRequest(), {**self.state, ROOTS: True})
            return found if isinstance(found, ListRootsResult) else None
        try:
            return await self.ctx.session.send_request(
                ListRootsRequest(), ListRootsResult, ROOTS_S, ServerMessageMetadata(self.ctx.request_id)
            )
        except (MCPError, NoBackChannelError, ValidationError):
            return None

    async def ask(self, form: ElicitRequestFormParams, state: Mapping[str, Json]) -> ElicitResult | None:
        """The person's answer to `form`; None where the client fails to ask. Raises `InputNeeded` with `state`."""
        question = ElicitRequest(params=form)
        if self.is_modern:
            raise InputNeeded(ANSWER, question, {**self.state, **state})
        try:
            related = ServerMessageMetadata(self.ctx.request_id)
            return await self.ctx.session.send_request(question, ElicitResult, None, related)
        except (MCPError, NoBackChannelError, ValidationError):
            return None

    async def progress(self, done: float, words: str, run: str) -> None:
        """Tell how far it is, where the client wants to know; the relay keeps `run` for the loss of the daemon."""
        token = self.progress_token
        if token is None:
            return
        params = ProgressNotificationParams(
            progress_token=token,
            progress=done,
            message=words,
            _meta={"naestro": {"run": run}},
        )
        await self.ctx.session.send_notification(ProgressNotification(params=params), self.ctx.request_id)
