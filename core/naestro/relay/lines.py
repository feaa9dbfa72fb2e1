"""A stream of bytes as lines, and what each line of JSON-RPC says about itself.

`pump` feeds what it reads from either side, and passes on what comes out: whole lines, and longer ones in pieces, so
that memory stays bounded. Nothing is changed here, and no method is known; members are those of JSON-RPC
2.0, ACP and MCP. The parser is the C part of `json`, without the package around it, whose import would cost a third of
the relay's start.
"""

from _json import encode_basestring_ascii, make_scanner

HOLD_BYTES = 1 << 20
"""The longest line that is kept until it is whole; a longer one passes in pieces."""
OUTLINE_BYTES = 1 << 16
"""Of a longer line, this much of its outermost level is read."""
STRING_BYTES = 1 << 12
"""A longer string of that level is no method and no id."""

PROGRESS = "\0"
"""Begins what is no session's name."""
OPENING, CLOSING = b"{[", b"}]"


class _Rules:
    """What the C scanner asks of whoever makes one: the settings of `json.loads`."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: "dict[str, str]" = {}


# The stub wants a scanner to make a scanner; what CPython reads are these attributes.
_scan = make_scanner(_Rules())  # pyright: ignore[reportArgumentType] - see above


class Message:
    """What a line says about itself. Ids are kept as JSON text, since 1 and "1" are two ids."""

    __slots__ = ("cancelled", "id", "method", "run", "session", "uri")

    def __init__(self, fields: "dict[str, object]") -> None:
        """Of a JSON object's members."""
        method = fields.get("method")
        self.method = method if isinstance(method, str) else None
        self.id = id_text(fields["id"]) if "id" in fields else None
        params = _members(fields, "params")
        meta = _members(params, "_meta")
        self.session = _session_of(params, meta)
        run = _members(meta, "naestro").get("run")
        self.run = run if isinstance(run, str) else None
        self.uri = str(params.get("uri", ""))
        self.cancelled = id_text(params["requestId"]) if "requestId" in params else None
        """The request that it takes back."""

    @property
    def is_request(self) -> bool:
        """Whether it waits for an answer."""
        return self.method is not None and self.id is not None

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return self.method is None and self.id is not None


def id_text(value: object) -> str:
    """A request's id as JSON text."""
    if isinstance(value, str):
        return quoted(value)
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else "null"


def _session_of(params: "dict[str, object]", meta: "dict[str, object]") -> str | None:
    """What ties a request to what is said about it: ACP's session; MCP's progress token, marked as such."""
    session = params.get("sessionId")
    if isinstance(session, str):
        return session
    token = params.get("progressToken", meta.get("progressToken"))
    return PROGRESS + id_text(token) if token is not None else None


def quoted(text: str) -> str:
    """`text` as JSON."""
    return encode_basestring_ascii(text)


def _members(fields: "dict[str, object]", name: str) -> "dict[str, object]":
    value = fields.get(name)
    # A JSON object's keys are strings.
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType] - see above


def read_message(line: "bytes | bytearray") -> Message | None:
    """What `line` says; None where it is no JSON object. Never raises."""
    try:
        value, _ = _scan(line.decode().strip(), 0)
    except (ValueError, StopIteration, RecursionError, SystemError):
        # SystemError: the C scanner finds no class for its error while the package `json` is not loaded.
        return None
    # A JSON object's keys are strings.
    return Message(value) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownArgumentType] - see above


class Piece:
    """A line, or a part of one that is too long to be kept."""

    __slots__ = ("data", "is_end", "is_start", "message")

    def __init__(self, data: bytes, message: Message | None, *, is_start: bool, is_end: bool) -> None:
        """`message` is known with the last piece."""
        self.data = data
        self.message = message
        self.is_start = is_start
        self.is_end = is_end

    @property
    def is_whole(self) -> bool:
        """Whether it is a line."""
        return self.is_start and self.is_end


class Lines:
    """Cuts one direction's bytes into lines."""

    __slots__ = ("_held", "_outline")

    def __init__(self) -> None:
        self._held = bytearray()
        self._outline: Outline | None = None

    @property
    def is_in_pieces(self) -> bool:
        """Whether a long line has begun and not ended."""
        return self._outline is not None

    def feed(self, data: bytes) -> list[Piece]:
        """What `data` completes, in order."""
        pieces: list[Piece] = []
        start = 0
        while (end := data.find(b"\n", start) + 1) > 0:
            pieces.append(self._ended(data[start:end]))
            start = end
        if start < len(data):
            pieces.extend(self._begun(data[start:]))
        return pieces

    def end(self) -> list[Piece]:
        """What the side that has closed left without a line's end: a line all the same, for the other to judge."""
        return [self._ended(b"\n")] if self._held or self._outline is not None else []

    def _ended(self, tail: bytes) -> Piece:
        if self._outline is None:
            line = bytes(self._held + tail) if self._held else tail
            self._held.clear()
            return Piece(line, read_message(line), is_start=True, is_end=True)
        self._outline.feed(tail)
        message = read_message(self._outline.text)
        self._outline = None
        return Piece(tail, message, is_start=False, is_end=True)

    def _begun(self, data: bytes) -> list[Piece]:
        if self._outline is not None:
            self._outline.feed(data)
            return [Piece(data, None, is_start=False, is_end=False)]
        self._held += data
        if len(self._held) <= HOLD_BYTES:
            return []
        self._outline = Outline()
        beginning = bytes(self._held)
        self._held = bytearray()
        self._outline.feed(beginning)
        return [Piece(beginning, None, is_start=True, is_end=False)]


class Outline:
    """The outermost level of a JSON object that comes in pieces: each inner object or list becomes a 0."""

    __slots__ = ("_carry", "_depth", "_is_inside", "_string", "text")

    def __init__(self) -> None:
        self.text = bytearray()
        self._depth = 0
        self._carry = b""
        self._is_inside = False
        """Of a string."""
        self._string = bytearray()

    def feed(self, data: bytes) -> None:
        """Read on. Works by whole strings, not by characters, so that 50 MB pass in a moment."""
        data = self._carry + data
        odd = (len(data) - len(data.rstrip(b"\\"))) % 2
        self._carry = data[len(data) - odd :]
        data = data[: len(data) - odd]
        # Same length, so that what stands where is still known.
        plain = data.replace(b"\\\\", b"..").replace(b'\\"', b"..")
        position = 0
        for number, part in enumerate(plain.split(b'"')):
            if number:
                self._toggle()
                position += 1
            original = data[position : position + len(part)]
            self._take_string(original) if self._is_inside else self._take_structure(original)
            position += len(part)

    def _toggle(self) -> None:
        if self._is_inside and self._depth == 1 and len(self.text) < OUTLINE_BYTES:
            fits = len(self._string) <= STRING_BYTES
            self.text += b'"' + (bytes(self._string) if fits else b"") + b'"'
        self._string.clear()
        self._is_inside = not self._is_inside

    def _take_string(self, part: bytes) -> None:
        if self._depth == 1 and len(self._string) <= STRING_BYTES:
            self._string += part[: STRING_BYTES + 1]

    def _take_structure(self, part: bytes) -> None:
        opened = part.count(b"{") + part.count(b"[")
        closed = part.count(b"}") + part.count(b"]")
        if self._depth - closed > 1:
            self._depth += opened - closed
            return
        if not opened and not closed:
            if self._depth == 1 and len(self.text) < OUTLINE_BYTES:
                self.text += part[:OUTLINE_BYTES]
            return
        for byte in part:
            self._take_byte(byte)

    def _take_byte(self, byte: int) -> None:
        if byte in CLOSING:
            self._depth -= 1
            if self._depth == 0:
                self.text.append(byte)
        elif byte in OPENING:
            self._depth += 1
            self.text += b"{" if self._depth == 1 else b"0" if self._depth == 2 else b""
        elif self._depth == 1 and len(self.text) < OUTLINE_BYTES:
            self.text.append(byte)
