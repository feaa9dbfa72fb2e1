"""A scripted server of tools over streamable HTTP on loopback, good or bad as told; it runs in a thread of the test.

It stands on plain sockets, so that it can break the protocol as no library would. What a call of a tool does is said
by its name: `say` echoes the arguments as JSON, `events` as an event stream, `huge` and `huge_events` answer with a
hundred megabytes, `zipped` with a compressed answer, `never` not at all, `drip` a byte now and then, `cut` with half an
answer, `junk` with what is no JSON, `busy` with the status 503, `away` with a redirect to another host,
`page` with a page of HTML, `halves` with half an emoji, `lost` with the status 404 the first time: the session is over;
`silent` with an event stream that says nothing, `denied` with the status 403. A server with `oauth` wants a sign-in.
"""

import json
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOLS = ("say", "events", "huge", "huge_events", "zipped", "never", "drip", "cut", "junk", "busy", "away")
MORE_TOOLS = ("page", "halves", "lost", "silent", "denied")
LISTED = (*TOOLS, *MORE_TOOLS)
MEGABYTE = b"x" * (1 << 20)


class Speaker(BaseHTTPRequestHandler):
    """One connection, and its way to speak."""

    protocol_version = "HTTP/1.1"
    token = ""
    """The bearer token that it wants; empty: none."""
    oauth = False
    sessions: list[str]
    """The sessions that were opened."""
    seen: list[str]
    """The authorization of each request."""
    over: threading.Event
    """Set when the test is over."""

    def _give(self, body: dict[str, Any], result: object) -> None:
        self._json({"jsonrpc": "2.0", "id": body["id"], "result": result})

    def _json(self, message: object) -> None:
        self._plain(200, json.dumps(message).encode())

    def _plain(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self._head(status, kind, len(body))
        self.wfile.write(body)

    def _head(self, status: int, kind: str, length: int, *more: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("content-type", kind), ("content-length", str(length)), *more):
            self.send_header(name, value)
        self.end_headers()


class Ways(Speaker):
    """The ways to answer a call."""

    def _do_say(self, body: dict[str, Any]) -> None:
        self._give(body, _text(json.dumps(body["params"].get("arguments"))))

    def _do_events(self, body: dict[str, Any]) -> None:
        message = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": _text("as events")})
        self._plain(200, f"event: message\ndata: {message}\n\n".encode(), "text/event-stream")

    def _do_huge(self, body: dict[str, Any], kind: str = "application/json", before: bytes = b"") -> None:
        self._head(200, kind, 100 << 20)
        self.wfile.write(before)
        try:
            for _ in range(100):
                self.wfile.write(MEGABYTE)
        except OSError:
            self.close_connection = True

    def _do_huge_events(self, body: dict[str, Any]) -> None:
        self._do_huge(body, "text/event-stream", b"data: ")

    def _do_zipped(self, body: dict[str, Any]) -> None:
        packed = zlib.compress(MEGABYTE * 8, 1)
        self._head(200, "application/json", len(packed), ("content-encoding", "deflate"))
        self.wfile.write(packed)

    def _do_never(self, body: dict[str, Any]) -> None:
        self.over.wait(60)
        self.close_connection = True

    def _do_drip(self, body: dict[str, Any]) -> None:
        self._head(200, "application/json", 1 << 20)
        try:
            while not self.over.is_set():
                self.wfile.write(b" ")
                time.sleep(0.05)
        except OSError:
            pass
        self.close_connection = True

    def _do_cut(self, body: dict[str, Any]) -> None:
        self._head(200, "application/json", 1_000)
        self.wfile.write(b'{"jsonrpc":')
        self.close_connection = True

    def _do_junk(self, body: dict[str, Any]) -> None:
        self._plain(200, b"<html>It works</html>", "application/json")

    def _do_busy(self, body: dict[str, Any]) -> None:
        self._plain(503, b"later")

    def _do_away(self, body: dict[str, Any]) -> None:
        self._head(307, "text/plain", 0, ("location", "http://example.invalid/mcp"))

    def _do_page(self, body: dict[str, Any]) -> None:
        self._plain(200, b"<html>Sign in, please</html>", "text/html")

    def _do_denied(self, body: dict[str, Any]) -> None:
        self._plain(403, f"not you, {self.headers.get('authorization')}".encode(), "text/plain")

    def _do_halves(self, body: dict[str, Any]) -> None:
        told = f'{{"jsonrpc":"2.0","id":{body["id"]},"result":{{"content":[{{"type":"text","text":"a\\ud83d b"}}]}}}}'
        self._plain(200, told.encode())

    def _do_lost(self, body: dict[str, Any]) -> None:
        if len(self.sessions) == 1:
            self._plain(404, b"no such session", "text/plain")
        else:
            self._do_say(body)

    def _do_silent(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        try:
            while not self.over.wait(0.05):
                self.wfile.write(b": still here\n\n")
        except OSError:
            pass
        self.close_connection = True


class Handler(Ways):
    """The loop."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """There is no stream of its own."""
        self._plain(405, b"")

    def do_DELETE(self) -> None:
        """A session ends."""
        self._plain(200, b"")

    def do_POST(self) -> None:
        """A message."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append(self.headers.get("authorization", ""))
        if self.token and self.headers.get("authorization") != f"Bearer {self.token}":
            where = 'Bearer resource_metadata="http://x/.well-known/oauth-protected-resource"'
            body401 = b'{"error": "who are you"}'
            self._head(
                401, "application/json", len(body401), *([("www-authenticate", where)] if self.oauth else [])
            )
            self.wfile.write(body401)
        elif "id" not in body:
            self._plain(202, b"")
        elif body["method"] == "initialize":
            version = body["params"]["protocolVersion"]
            info = {"name": "scripted", "version": "1"}
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
            self.sessions.append(f"s{len(self.sessions)}")
            said = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result}).encode()
            self._head(200, "application/json", len(said), ("mcp-session-id", self.sessions[-1]))
            self.wfile.write(said)
        elif body["method"] == "tools/list":
            self._give(body, {"tools": [{"name": one, "inputSchema": {"type": "object"}} for one in LISTED]})
        elif body["method"] == "tools/call":
            getattr(self, f"_do_{body['params']['name']}")(body)
        else:
            error = {"code": -32601, "message": "Method not found"}
            self._json({"jsonrpc": "2.0", "id": body["id"], "error": error})


def _text(text: str) -> object:
    return {"content": [{"type": "text", "text": text}]}


@contextmanager
def mcp_http_server(token: str = "", *, oauth: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the authorization of each request as they come."""
    seen: list[str] = []
    over = threading.Event()
    handler = type(
        "Bound", (Handler,), {"token": token, "seen": seen, "over": over, "oauth": oauth, "sessions": []}
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/mcp", seen
        finally:
            over.set()
            server.shutdown()
            thread.join()
