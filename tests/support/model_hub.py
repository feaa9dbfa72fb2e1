"""A model hub on loopback that speaks the hub's HTTP API, with a store of large files at another address.

with ModelHub({"config.json": b"{}", "model.safetensors": big}) as hub:
    hub.cut_after = [1000]          # the first answer of the store breaks off after 1000 bytes
    ... hub.url ...
    assert hub.tokens["/api/..."] == "Bearer ..."
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

NAME = "owner/model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 10_000
"""Files from here on lie in the store, as those in git's large file storage do."""


class ModelHub:
    """The servers, what they hold, and what they were asked."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.commit = COMMIT
        self.revisions = {"main", "v1"}
        self.is_private = False
        """Without the token, nothing of it is there."""
        self.gated: bool | str = False
        """Everybody sees what it holds; the files take the token."""
        self.token = "hf_right"
        self.tells_sums = True
        self.wrong_sums: set[str] = set()
        """Files whose sums are told wrongly."""
        self.sizes: dict[str, int] = {}
        """Sizes that are told wrongly."""
        self.extra: list[dict[str, object]] = []
        """Listed besides."""
        self.answer: bytes | None = None
        """What the listing is instead."""
        self.status = 200
        """Another one is the answer to everything."""
        self.cut_after: list[int] = []
        """For one answer of the store after the other: bytes after which the connection is cut."""
        self.holds = threading.Event()
        """While it is not set, the store stops in the middle of its answer."""
        self.holds.set()
        self.asked: list[str] = []
        """The path of each request to the hub, and of each to the store, which begins with `/store/`."""
        self.tokens: dict[str, str | None] = {}
        """What was sent as Authorization, by path."""
        self.ranges: list[str | None] = []
        """The Range header of each request to the store."""
        self._servers = [_Server(self), _Server(self)]
        self._threads = [threading.Thread(target=each.serve_forever, args=(0.01,)) for each in self._servers]

    @property
    def url(self) -> str:
        """What takes the place of the hub's address."""
        return self._servers[0].url

    @property
    def store_url(self) -> str:
        """Where large files are."""
        return self._servers[1].url

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.holds.set()
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join(10)

    def listing(self) -> bytes:
        """What the API says of the repository."""
        siblings = [self._listed(path, content) for path, content in self.files.items()]
        tags = ["sentence-transformers", "license:mit"]
        told = {"id": NAME, "sha": self.commit, "private": self.is_private, "gated": self.gated}
        return json.dumps({**told, "tags": tags, "siblings": [*siblings, *self.extra]}).encode()

    def _listed(self, path: str, content: bytes) -> dict[str, object]:
        if not self.tells_sums:
            return {"rfilename": path}
        size = self.sizes.get(path, len(content))
        body = content + b"x" if path in self.wrong_sums else content
        git = hashlib.sha1(b"blob %d\0" % len(content) + body, usedforsecurity=False).hexdigest()
        told: dict[str, object] = {"rfilename": path, "size": size, "blobId": git}
        if len(content) >= LARGE_BYTES:
            sha256 = hashlib.sha256(body).hexdigest()
            told["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 134}
        return told


class _Server(ThreadingHTTPServer):
    def __init__(self, hub: ModelHub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is what a test asked for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        hub.asked.append(path)
        hub.tokens[path] = self.headers["Authorization"]
        if hub.status != 200:
            self._answer(hub.status, b"")
        elif path.startswith("/store/"):
            self._store(hub.files[path.removeprefix("/store/")])
        elif path.startswith(f"/api/models/{NAME}/revision/"):
            self._list(path.rpartition("/")[2])
        elif path.startswith(f"/{NAME}/resolve/{hub.commit}/"):
            self._resolve(path.removeprefix(f"/{NAME}/resolve/{hub.commit}/"))
        else:
            self._answer(401, b"Repository not found", {"X-Error-Code": "RepoNotFound"})

    def _list(self, revision: str) -> None:
        hub = self.server.hub
        if hub.is_private and not self._is_let_in():
            self._answer(401, b"Invalid credentials", {"X-Error-Code": "RepoNotFound"})
        elif revision not in {*hub.revisions, hub.commit}:
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        else:
            self._answer(200, hub.listing() if hub.answer is None else hub.answer)

    def _resolve(self, path: str) -> None:
        hub = self.server.hub
        content = hub.files.get(path)
        if (hub.is_private or hub.gated) and not self._is_let_in():
            self._answer(403, b"", {"X-Error-Code": "GatedRepo"})
        elif content is None:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        elif len(content) >= LARGE_BYTES:
            self._answer(302, b"", {"Location": f"{hub.store_url}/store/{path}"})
        else:
            self._answer(200, content, {"ETag": '"small"'})

    def _is_let_in(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {self.server.hub.token}"

    def _store(self, content: bytes) -> None:
        hub, wanted = self.server.hub, self.headers["Range"]
        hub.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        headers = {"ETag": '"large"', "Content-Length": str(len(content) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(206 if start else 200, headers)
        cut = hub.cut_after.pop(0) if hub.cut_after else len(content)
        body = content[start:][:cut]
        self.wfile.write(body[: len(body) // 2])
        hub.holds.wait(10)
        self.wfile.write(body[len(body) // 2 :])
        self.close_connection = start + len(body) < len(content)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  named by the base class
        """Say nothing: a test's output is its own."""
