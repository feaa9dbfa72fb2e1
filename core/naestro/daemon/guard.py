"""Who may speak HTTP to the daemon, as ASGI middleware around the whole application.

Whoever can open the user's own socket is the user: its folder lets nobody else in. The loopback port is open to every
process and every web page of the machine, so there each request carries the bearer token, names the daemon as its
Host (a page that had its name resolved to loopback names itself), and comes from no other origin. No answer carries a
CORS header. What is neither is treated as the loopback port. Nothing here knows what the application does.
"""

import hmac
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_MAX_BYTES = 16 * 1024 * 1024
LOOPBACK = ("127.0.0.1", "localhost")


class Guard:
    """The application behind it sees only requests that may be made."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Guard `app`; `token` is asked for on the loopback port. An empty one lets nobody in there."""
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, _limited(receive), send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if _is_too_large(dict(headers)):
            return _refused(413, f"A request has at most {BODY_MAX_BYTES} bytes.")
        if _is_own_socket(scope):
            return None
        return self._loopback_refusal(headers, _port(scope))

    def _loopback_refusal(self, headers: list[tuple[bytes, bytes]], port: int | None) -> Response | None:
        names = {f"{name}:{port}".encode() for name in LOOPBACK}
        hosts, origins = _all(headers, b"host"), _all(headers, b"origin")
        if len(hosts) != 1 or hosts[0] not in names:
            return _refused(403, "The Host of the request is not this daemon's.")
        if any(origin != b"http://" + hosts[0] for origin in origins):
            return _refused(403, "Requests from other origins are refused.")
        if not self._is_known(_all(headers, b"authorization")):
            return _refused(401, "The bearer token is missing or wrong.", {"WWW-Authenticate": "Bearer"})
        return None

    def _is_known(self, given: list[bytes]) -> bool:
        scheme, _, token = (given[0] if len(given) == 1 else b"").partition(b" ")
        is_equal = hmac.compare_digest(token.strip(), self._token)
        return scheme.lower() == b"bearer" and bool(self._token) and is_equal


def _limited(receive: Receive) -> Receive:
    """`receive` that ends a request whose body grows over the limit, which no header has to announce."""
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > BODY_MAX_BYTES:
            raise HTTPException(413, f"A request has at most {BODY_MAX_BYTES} bytes.")
        return message

    return receive_some


def _is_too_large(headers: Mapping[bytes, bytes]) -> bool:
    length = headers.get(b"content-length", b"0")
    return not length.isdigit() or int(length) > BODY_MAX_BYTES


def _is_own_socket(scope: Scope) -> bool:
    """Whether the request came by a Unix socket, of which uvicorn tells the path and no port."""
    server = scope.get("server")
    return server is not None and server[1] is None and server[0].startswith("/")


def _port(scope: Scope) -> int | None:
    server = scope.get("server")
    return server[1] if server is not None else None


def _all(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"message": message}}, status, headers)
