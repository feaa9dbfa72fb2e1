"""What is posted over HTTP: one message in a body of bounded size, or an error in the words that a pipe would get.

`http` above puts it in front of the SDK's sessions, which tell a body that is no message by their library's own report,
and fall silent at a stream that should go on where it broke off. The daemon's guard has let the request in. It knows no
method of the protocol.
"""

from http import HTTPStatus

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from naestro.client.json_lines import BadLine, parse_message, too_long
from naestro_mcp.message import message_of

RESUMING = b"last-event-id"
"""By this header a client asks for what it missed of a stream. Nothing is kept: it gets what comes from now on."""


class Posting:
    """An application that gets bodies with a message only."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        """Pass on to `app` what has at most `max_bytes`."""
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say what is wrong with it."""
        scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != RESUMING]}
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._body(receive)
            if body is None:
                return  # the client hung up: nobody is there to answer
            message_of(parse_message(body))
        except BadLine as fault:
            await _refusal(fault)(scope, receive, send)
        else:
            await self._app(scope, _again(body, receive), send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None where the client hung up before its end. Raises `BadLine` where it is too long."""
        body, size, is_whole = bytearray(), 0, False
        while not is_whole:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            size += len(message.get("body", b""))
            if size <= self._max_bytes:
                body += message.get("body", b"")
            else:
                body.clear()  # read to its end all the same: a client that still writes would not hear why
            is_whole = not message.get("more_body", False)
        if size > self._max_bytes:
            raise TooLong(too_long(self._max_bytes))
        return bytes(body)


class TooLong(BadLine):
    """A body that was not kept."""


def _refusal(fault: BadLine) -> JSONResponse:
    is_long = isinstance(fault, TooLong)
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if is_long else HTTPStatus.BAD_REQUEST
    answer = {"jsonrpc": "2.0", "id": fault.request_id, "error": fault.error.shown()}
    return JSONResponse(answer, status)


def _again(body: bytes, receive: Receive) -> Receive:
    """`receive` that gives `body` first."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
