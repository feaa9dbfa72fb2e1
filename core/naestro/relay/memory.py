"""What a relay remembers of a connection, so that a new daemon can take the place of a lost one.

`pump` tells it of each message that passed. It remembers the lines that opened the connection (`initialize`; for MCP
also `notifications/initialized` and what was subscribed to), the requests of either side that have no answer yet, and
the last run that was named for each session. It moves no bytes.
"""

from naestro.relay.lines import PROGRESS, Message, Piece, quoted

LOST = "Naestro's daemon was lost and has been started again."
STOPPED = "Naestro's daemon was stopped."
LOST_HINTS = {
    "acp": "`/resume RUN` follows the run, which goes on.",
    "mcp": "Ask again; the tool `runs` finds the run, which goes on.",
}
STOPPED_HINTS = {
    "acp": "The next request starts it again; `/resume RUN` goes on with the run.",
    "mcp": "The next request starts it again; the tool `respond` goes on with the run.",
}
INITIALIZED, SUBSCRIBE, UNSUBSCRIBE = (
    "notifications/initialized",
    "resources/subscribe",
    "resources/unsubscribe",
)
AGAIN = "naestro-again-"
"""Begins the ids of what is said again: nobody waits for those answers."""
SUBSCRIPTIONS_MAX = 256
"""More are not said again: a relay stays small."""
ERROR_CODE = -32603
"""JSON-RPC's "internal error"."""


class Memory:
    """The requests that are open, and what opened the connection."""

    __slots__ = (
        "_asked",
        "_initialized",
        "_names",
        "_runs",
        "_subscribed",
        "_void",
        "initialize",
        "initialize_id",
        "is_initialized",
        "open",
    )

    def __init__(self) -> None:
        self.initialize: bytes = b""
        """The line of the editor that opened the protocol; empty before it came."""
        self.initialize_id = ""
        self.is_initialized = False
        """Whether that was answered."""
        self.open: dict[str, str | None] = {}
        """The editor's requests without an answer: id to the session that each names."""
        self._initialized: bytes = b""
        """The line by which the editor said that it has the answer; empty where its protocol has none, or before."""
        self._subscribed: dict[str, bytes] = {}
        """What the editor subscribed to: the address, and the line."""
        self._asked: set[str] = set()
        """The daemon's requests that the editor has not answered yet."""
        self._void: set[str] = set()
        """Those of a daemon that is gone: their answers are for nobody."""
        self._names: dict[str, str] = {}
        """New ids of this daemon's requests whose own ids are still among `_void`."""
        self._runs: dict[str, str] = {}

    def from_editor(self, piece: Piece) -> bytes:
        """Note what the editor said; the bytes to pass on."""
        message = piece.message
        if message is None:
            return piece.data
        if message.is_request:
            self._note_request(piece, message)
        elif message.is_response and message.id is not None:
            return self._answer_of_editor(piece, message.id)
        elif message.method == INITIALIZED:
            self._initialized = piece.data if piece.is_whole else b""
        elif message.cancelled is not None:
            self._forget(message.cancelled)
        return piece.data

    def from_daemon(self, piece: Piece) -> bytes:
        """Note what the daemon said; the bytes to pass on."""
        message = piece.message
        if message is None:
            return piece.data
        if message.session is not None and message.run is not None:
            self._runs[message.session] = message.run
        if message.is_response and message.id is not None:
            self._forget(message.id)
            self.is_initialized = self.is_initialized or message.id == self.initialize_id
        elif message.is_request and message.id is not None:
            return self._request_of_daemon(piece, message.id)
        return piece.data

    def lose_daemon(self) -> None:
        """The daemon is gone: its requests are for nobody now."""
        self._void |= {self._names.get(asked, asked) for asked in self._asked}
        self._asked.clear()
        self._names.clear()

    def close_open(self, *, but_initialize: bool) -> list[tuple[str, str | None]]:
        """Take the open requests away, which the caller answers: each one's id and the run that it is about."""
        kept = self.initialize_id if but_initialize and self.is_opening else None
        return [(request, self.close(request)) for request in list(self.open) if request != kept]

    @property
    def is_opening(self) -> bool:
        """Whether the editor waits for the answer to `initialize`."""
        return bool(self.initialize) and not self.is_initialized

    def close(self, request: str) -> str | None:
        """Take one open request away, which the caller answers; the run that it is about."""
        run = self._forget(request)
        if request == self.initialize_id and not self.is_initialized:
            # It was never answered by a daemon, so it is nothing to be said again.
            self.initialize, self.initialize_id = b"", ""
        return run

    def said_again(self) -> bytes:
        """What a new daemon must hear after it answered `initialize`; the answers to it are for nobody."""
        lines = [
            renamed(line, quoted(f"{AGAIN}{number}")) for number, line in enumerate(self._subscribed.values())
        ]
        return b"".join([self._initialized, *lines])

    def _forget(self, request: str) -> str | None:
        """Take one open request away; the run that it is about. A progress token is of one request alone."""
        session = self.open.pop(request, None)
        if session is None:
            return None
        return self._runs.pop(session, None) if session.startswith(PROGRESS) else self._runs.get(session)

    def _note_request(self, piece: Piece, message: Message) -> None:
        assert message.id is not None
        self.open[message.id] = message.session
        if message.method == "initialize" and piece.is_whole:
            self.initialize, self.initialize_id, self.is_initialized = piece.data, message.id, False
        elif message.method == SUBSCRIBE and piece.is_whole and len(self._subscribed) < SUBSCRIPTIONS_MAX:
            self._subscribed[message.uri] = piece.data
        elif message.method == UNSUBSCRIBE:
            self._subscribed.pop(message.uri, None)

    def _answer_of_editor(self, piece: Piece, request: str) -> bytes:
        if request in self._void:
            self._void.discard(request)
            return b"" if piece.is_whole else piece.data
        self._asked.discard(request)
        for own, new in self._names.items():
            if new == request and piece.is_whole:
                del self._names[own]
                self._asked.discard(own)
                return renamed(piece.data, own)
        return piece.data

    def _request_of_daemon(self, piece: Piece, request: str) -> bytes:
        self._asked.add(request)
        if request not in self._void or not piece.is_whole:
            return piece.data
        new = quoted(f"naestro-{len(self._names)}-{request}")
        while new in self._void:
            new = quoted(f"{new}'")
        self._names[request] = new
        return renamed(piece.data, new)


def renamed(line: bytes, request: str) -> bytes:
    """The message with another id (JSON text)."""
    import json

    return json.dumps({**json.loads(line), "id": json.loads(request)}).encode() + b"\n"


def error_line(request: str, message: str, hint: str, run: str | None = None) -> bytes:
    """The answer to a request that nobody else can answer."""
    data = f'{{"run": {quoted(run) if run is not None else "null"}, "hint": {quoted(hint)}}}'
    error = f'{{"code": {ERROR_CODE}, "message": {quoted(message)}, "data": {data}}}'
    return f'{{"jsonrpc": "2.0", "id": {request}, "error": {error}}}\n'.encode()
