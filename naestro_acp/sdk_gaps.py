"""What the SDK lacks or does wrong, mended in one place; each line below is a test in `tests/acp/`.

- It has no route for `session/delete`, `logout` and `$/cancel_request`, and takes `session/resume`, `session/close`
  and `session/fork` for unstable: `agent` gives its router routes made by `request_route`, and requests are cancelled.
- What an agent does not implement is answered with `null`; here with -32601.
- It spreads `_meta` over a handler's arguments, so that a client can overwrite any; here a handler gets the request.
- It leaves out of a result what was not set, though the other side's default may differ, and of an elicitation the
  type of its schema; here both are whole.
- The text of an error may hold what is no JSON, and then nothing is answered, or what the client sent.
- A response with a strange id or error ends its receive loop; a fault in a notification is printed to stderr.
- It knows no `notice` and no compaction updates, and drops the client's word that it can show them.
- Nothing can be sent right behind an answer; `after_answer` does that.

`agent` and `plugin` above use it; below are the SDK and `transport`. It knows nothing of sessions and runs.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from logging import getLogger
from typing import Any, Literal, TypeVar, cast

import anyio
from acp.agent.connection import AgentSideConnection
from acp.connection import Connection
from acp.exceptions import RequestError
from acp.interfaces import Agent
from acp.meta import CLIENT_METHODS
from acp.router import MessageRouter, Route
from pydantic import BaseModel, Field, ValidationError

from acp import schema
from naestro.errors import NaestroError
from naestro.types import Json
from naestro_acp.errors import CANCELLED, INTERNAL, INVALID_REQUEST, wire_error, wrong_parameters
from naestro_acp.transport import LineTransport, error_object

ClientConnection = AgentSideConnection
"""The client as the agent sees it: the SDK's class, over a `MendedConnection`."""

CANCEL_REQUEST = "$/cancel_request"
log = getLogger(__name__)

RequestT = TypeVar("RequestT", bound=BaseModel)
After = Callable[[], Awaitable[None]]
Withdraw = Callable[[dict[str, Json]], Awaitable[None]]


class ClientSessionCapabilities(schema.ClientSessionCapabilities):
    """With what the SDK drops."""

    notices: dict[str, Any] | None = None  # Any: the SDK's models say so, `{}` is all that is looked at
    compaction: dict[str, Any] | None = None


class ClientCapabilities(schema.ClientCapabilities):
    """With what the SDK drops."""

    session: ClientSessionCapabilities | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # narrower


class InitializeRequest(schema.InitializeRequest):
    """With what the SDK drops of the client's capabilities."""

    client_capabilities: ClientCapabilities | None = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default=None, alias="clientCapabilities"
    )


class NoticeUpdate(BaseModel):
    """Word to the person that is no part of the conversation; only for a client with `session.notices`."""

    session_update: Literal["notice"] = Field(default="notice", serialization_alias="sessionUpdate")
    severity: Literal["info", "warning", "error"]
    title: str = Field(min_length=1)
    """One sentence that can stand alone."""
    description: str | None = None


class CompactionUpdate(BaseModel):
    """That older turns are summed up; only for a client with `session.compaction`."""

    session_update: Literal["compaction_update"] = Field(
        default="compaction_update", serialization_alias="sessionUpdate"
    )
    compaction_id: str = Field(serialization_alias="compactionId")
    status: Literal["in_progress", "completed", "failed", "cancelled"]
    summary: list[schema.TextContentBlock] | None = None
    error: str | None = None


class CompactionSummaryChunk(BaseModel):
    """A part of such a summary; only for a client with `session.compaction`."""

    session_update: Literal["compaction_summary_chunk"] = Field(
        default="compaction_summary_chunk", serialization_alias="sessionUpdate"
    )
    compaction_id: str = Field(serialization_alias="compactionId")
    content: schema.TextContentBlock


MissingUpdate = NoticeUpdate | CompactionUpdate | CompactionSummaryChunk


@dataclass(slots=True, eq=False)
class OpenRequest:
    """A request of the client that has no answer yet."""

    id: Json
    method: str
    parameters: dict[str, Json]
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_cancelled: bool = False
    after: list[After] = field(default_factory=list[After])
    done: anyio.Event = field(default_factory=anyio.Event)


_current: ContextVar[OpenRequest] = ContextVar("acp_open_request")


def after_answer(work: After) -> None:
    """Do `work` right behind the answer to the request that is being handled, if that is a result.

    The answer is queued for the client before `work` begins, so no update that `work` sends can overtake it.
    """
    _current.get().after.append(work)


class MendedConnection(Connection):
    """The SDK's connection, with every request answered once, by a result or by an error that says what to do."""

    def __init__(self, router: MessageRouter, transport: LineTransport) -> None:
        """Answer by `router` what comes over `transport`."""
        super().__init__(router, transport, listening=False)
        self.withdrawals: dict[str, Withdraw] = {}
        """What `$/cancel_request` does to a method whose work outlives its handler, instead of cancelling that."""
        self._open: dict[Json, OpenRequest] = {}
        self._is_initialized = False

    async def send_request(self, method: str, params: Any | None = None) -> Any:
        """Ask the client; raises `RequestError` with its error, `ConnectionError` when it has gone."""
        if method == CLIENT_METHODS["elicitation_create"] and params and "requestedSchema" in params:
            params["requestedSchema"] = {"type": "object", "properties": {}} | params["requestedSchema"]
        return await super().send_request(method, params)

    async def settle(self, timeout_s: float, *, but: str) -> None:
        """Wait until the open requests of every method `but` one are answered, for at most `timeout_s` seconds."""
        with anyio.move_on_after(timeout_s):
            for request in [request for request in self._open.values() if request.method != but]:
                await request.done.wait()

    def _process_message(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            self._handle_response(message)
        elif "id" in message:
            request = OpenRequest(message["id"], method, message.get("params") or {})
            self._open[request.id] = request
            self._tasks.create(self._serve(request), name=f"acp {method}")
        elif method == CANCEL_REQUEST:
            self._cancel(message.get("params") or {})
        else:
            self._tasks.create(self._run_notification(message), name=f"acp {method}")

    async def _serve(self, request: OpenRequest) -> None:
        _current.set(request)
        try:
            answer = await self._answer(request)
            await self._transport.send({"jsonrpc": "2.0", "id": request.id} | answer)
            request.done.set()
            if "result" in answer:
                for work in request.after:
                    await work()
        except ConnectionError:
            pass  # the client has gone
        except Exception:  # a connection's boundary: what comes behind an answer ends no connection
            log.exception("What follows the answer to %s failed", request.method)
        finally:
            request.done.set()

    async def _answer(self, request: OpenRequest) -> dict[str, Json]:
        """The result or the error of a request."""
        answer: dict[str, Json] = {}
        try:
            with request.scope:
                answer = {"result": await self._result(request)}
        except Exception as error:  # noqa: BLE001 a connection's boundary: every request is answered
            answer = {"error": error_object(_wire_error(error, request.method))}
        finally:
            if self._open.get(request.id) is request:
                del self._open[request.id]
        if request.is_cancelled:
            answer = {"error": {"code": CANCELLED, "message": "The request was cancelled."}}
        return answer

    async def _result(self, request: OpenRequest) -> Json:
        is_first = request.method == "initialize"
        if is_first and self._is_initialized:
            raise RequestError(INVALID_REQUEST, "The connection is initialized already.")
        if not is_first and not self._is_initialized:
            raise RequestError(INVALID_REQUEST, "The connection is not initialized: send `initialize` first.")
        result: object = await self._handler(request.method, request.parameters, False)
        self._is_initialized = True
        if isinstance(result, BaseModel):
            return result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {} if result is None else result

    def _cancel(self, parameters: dict[str, Any]) -> None:
        request_id = parameters.get("requestId")
        request = self._open.get(request_id) if isinstance(request_id, int | str | None) else None
        if request is None or request.is_cancelled:
            return
        request.is_cancelled = True
        if withdraw := self.withdrawals.get(request.method):
            self._tasks.create(withdraw(request.parameters), name=f"acp withdraw {request.method}")
        else:
            request.scope.cancel()

    async def _run_notification(self, message: dict[str, Any]) -> None:
        if not self._is_initialized:
            return
        try:
            await self._handler(message["method"], message.get("params") or {}, True)
        except RequestError as error:
            log.info("The notification %s was passed over: %s", message["method"], error)
        except ConnectionError:
            pass  # the client has gone
        except Exception:  # a connection's boundary: a notification has no answer
            log.exception("The notification %s failed", message["method"])

    def _handle_response(self, message: dict[str, Any]) -> None:
        if not isinstance(message["id"], int):
            return  # every id of ours is an integer
        error: object = message.get("error")
        if isinstance(error, dict):
            message = {"id": message["id"], "error": _sound(cast("dict[str, Json]", error))}
        super()._handle_response(message)

    def _on_task_error(self, task: object, exc: BaseException) -> None:
        log.error("A task of the connection failed", exc_info=exc)


def connect(router: MessageRouter, transport: LineTransport) -> tuple[ClientConnection, MendedConnection]:
    """The client as the SDK shows it to an agent, and the connection under it, which the caller listens on."""
    mended = MendedConnection(router, transport)
    client = AgentSideConnection(cast("Agent", _Nobody()), transport, listening=False)
    # The SDK offers no way to bring one's own connection, and its class, which is final, is the typed way to a client.
    client._conn = mended  # pyright: ignore[reportPrivateUsage]
    return client, mended


def request_route(
    method: str, model: type[RequestT], handler: Callable[[RequestT], Awaitable[BaseModel | None]]
) -> Route:
    """The route of a request: its handler gets the parameters as a `model`, and nothing else."""
    return Route(method=method, func=_checked(model, handler), kind="request")


def notification_route(
    method: str, model: type[RequestT], handler: Callable[[RequestT], Awaitable[None]]
) -> Route:
    """The route of a notification."""
    return Route(method=method, func=_checked(model, handler), kind="notification")


async def send_update(client: ClientConnection, session_id: str, update: MissingUpdate, **meta: Json) -> None:
    """Send an update that the SDK does not know; `meta` becomes the notification's `_meta`."""
    shown = update.model_dump(mode="json", by_alias=True, exclude_none=True)
    parameters: dict[str, Json] = {"sessionId": session_id, "update": shown}
    # The SDK's method takes its own updates only.
    connection = client._conn  # pyright: ignore[reportPrivateUsage]
    await connection.send_notification(
        CLIENT_METHODS["session_update"], parameters | ({"_meta": meta} if meta else {})
    )


def shows_notices(capabilities: schema.ClientCapabilities | None) -> bool:
    """Whether the client said that it shows notices."""
    session = None if capabilities is None else capabilities.session
    return isinstance(session, ClientSessionCapabilities) and session.notices is not None


class _Nobody:
    """An agent without methods: the requests go to the router of `MendedConnection`."""


def _checked(
    model: type[RequestT], handler: Callable[[RequestT], Awaitable[BaseModel | None]]
) -> Callable[[Any], Awaitable[Any]]:
    async def handle(parameters: Any) -> Any:  # Any: as the SDK's router has it
        try:
            request = model.model_validate(parameters)
        except ValidationError as error:
            raise wrong_parameters(error) from error
        return await handler(request)

    return handle


def _wire_error(error: Exception, method: str) -> RequestError:
    if isinstance(error, RequestError):
        return error
    if isinstance(error, NaestroError):
        return wire_error(error)
    if not isinstance(error, ConnectionError):
        log.error("The request %s failed", method, exc_info=error)
    return RequestError(
        INTERNAL,
        "Something went wrong inside Naestro.",
        {"details": f"{type(error).__name__}: {error}", "hint": "Its log says more: `naestro daemon logs`."},
    )


def _sound(error: dict[str, Json]) -> dict[str, Json]:
    """A client's error with a code that is a number and a message that is a text, whatever it sent."""
    code, message = error.get("code"), error.get("message")
    return {
        "code": code if isinstance(code, int) else INTERNAL,
        "message": message if isinstance(message, str) else "The client gave no reason.",
        "data": error.get("data"),
    }
