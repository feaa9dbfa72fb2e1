"""How servers say that something failed, mapped onto the one tree: by type, then by the message, then by the status.

`openai` above hands in what came back, `supervisor` the last lines of a server's log; this module knows no HTTP
client, so httpx2's exceptions are named, not imported. The tables are the project's measured facts on llama.cpp and
vLLM, TensorRT-LLM's source, and the error codes that OpenAI documents.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from naestro.errors import (
    ContextTooLong,
    EngineError,
    EngineMalformed,
    EngineOutOfMemory,
    EngineOverloaded,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
)
from naestro.types import Json

DETAIL_MAX_CHARS = 300
"""Of a server's own words, as much as one reads in a terminal; some servers send whole stack traces."""

KEY_HINT = "Check the key: the variable that api_key_env names in the settings must hold one that this server accepts."
PATH_HINT = "Check the engine's model name and base_url in the settings; base_url usually ends in /v1."
SCHEMA_HINT = "The server cannot follow this JSON schema; take another engine for this role."
TOOLS_HINT = "Start the server with what its message asks for, or take another engine for this role."


@dataclass(frozen=True, slots=True)
class Meaning:
    """The class of the tree that an error belongs to, and what to do where the class's own hint is too vague."""

    kind: type[EngineError]
    hint: str | None = None


_TOO_LONG = Meaning(ContextTooLong)
_MEMORY = Meaning(EngineOutOfMemory)
_BUSY = Meaning(EngineOverloaded)
_DEAD = Meaning(EngineUnreachable, "Look at the server's log for the cause, and start it again.")
_KEY = Meaning(EngineRefused, KEY_HINT)
_PATH = Meaning(EngineRefused, PATH_HINT)
_TOOLS = Meaning(EngineRefused, TOOLS_HINT)

BY_TYPE: Mapping[str, Meaning] = {
    # llama.cpp
    "exceed_context_size_error": _TOO_LONG,
    "unavailable_error": _BUSY,
    "not_supported_error": _TOOLS,
    "authentication_error": _KEY,
    "permission_error": _KEY,
    "not_found_error": _PATH,
    # vLLM, TensorRT-LLM
    "NotFoundError": _PATH,
    "NotImplementedError": _TOOLS,
    "ServiceUnavailableError": _BUSY,
    "EngineDeadError": _DEAD,
    # OpenAI, by its `code`
    "context_length_exceeded": _TOO_LONG,
    "insufficient_quota": Meaning(EngineRefused, "The account has no credit left; take another engine."),
    "invalid_api_key": _KEY,
    "model_not_found": _PATH,
    "rate_limit_exceeded": _BUSY,
    "rate_limit_error": _BUSY,
    "overloaded_error": _BUSY,
}
"""`type` or `code` of an error's body; words that say nothing (`invalid_request_error`) are not here."""

BY_MESSAGE: tuple[tuple[re.Pattern[str], Meaning], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), meaning)
    for pattern, meaning in (
        (r"exceeds? the available context size", _TOO_LONG),
        (
            r"maximum context length|context (length|window) (is )?exceeded|exceeds? the context window",
            _TOO_LONG,
        ),
        (r"greater than (the )?(max_model_len|max_seq_len)|longer than the maximum model length", _TOO_LONG),
        (
            r"(exceeds?|greater than) (the )?max(imum)?[_ ](seq_len|num_tokens|input_len|sequence length)",
            _TOO_LONG,
        ),
        (r"prompt is too long", _TOO_LONG),
        (r"out of memory|insufficient (gpu )?memory|bad_alloc|OutOfMemoryError", _MEMORY),
        (r"failed to create_context|failed to allocate|unable to allocate", _MEMORY),
        (r"no available memory for the cache blocks|free memory on device .* less than desired", _MEMORY),
        (r"JSON schema error|grammar error|failed to parse grammar", Meaning(EngineRefused, SCHEMA_HINT)),
        (r"is not supported|are not supported|requires --enable-auto-tool-choice", _TOOLS),
        (r"the model .* does not exist", _PATH),
        (r"EngineCore encountered an issue|engine is dead", _DEAD),
        (
            r"currently busy|cannot accept new requests|loading model|overloaded|rate limit|queue is full",
            _BUSY,
        ),
        # Last: vLLM says it after whatever really happened, most often too little memory.
        (r"engine core initialization failed", _MEMORY),
    )
)
"""Patterns on an error's message, the first that is found counts."""

BY_STATUS: Mapping[int, Meaning] = {
    400: Meaning(EngineRefused),
    401: _KEY,
    403: _KEY,
    404: _PATH,
    405: _PATH,
    408: Meaning(EngineTimeout),
    413: _TOO_LONG,
    422: Meaning(EngineRefused),
    429: _BUSY,
    501: _TOOLS,
    502: _DEAD,
    503: _BUSY,
    504: Meaning(EngineTimeout),
    529: _BUSY,
}
"""Where neither type nor message say more; other statuses are a plain `EngineError`, redirects are refused."""

FOREIGN: Mapping[str, tuple[type[EngineError], str]] = {
    "HTTPError": (EngineUnreachable, "the request failed"),
    "RequestError": (EngineUnreachable, "the request failed"),
    "TransportError": (EngineUnreachable, "the connection failed"),
    "TimeoutException": (EngineTimeout, "it took too long"),
    "ConnectTimeout": (EngineUnreachable, "it took no connection in time"),
    "ReadTimeout": (EngineTimeout, "it said nothing for too long"),
    "WriteTimeout": (EngineTimeout, "it did not take the request in time"),
    "PoolTimeout": (EngineOverloaded, "no connection was free in time"),
    "NetworkError": (EngineUnreachable, "the connection failed"),
    "ConnectError": (EngineUnreachable, "nothing answers there"),
    "ReadError": (EngineUnreachable, "the connection broke"),
    "WriteError": (EngineUnreachable, "the connection broke"),
    "CloseError": (EngineUnreachable, "the connection broke"),
    "ProxyError": (EngineUnreachable, "the proxy on the way to it refused"),
    "UnsupportedProtocol": (EngineRefused, "its address is neither http nor https"),
    "ProtocolError": (EngineMalformed, "the connection does not speak HTTP as it should"),
    "LocalProtocolError": (EngineRefused, "the request cannot be sent by HTTP"),
    "RemoteProtocolError": (EngineMalformed, "it closed the connection before its answer was whole"),
    "SSEError": (EngineMalformed, "its stream of events is broken"),
    "DecodingError": (EngineMalformed, "its answer is compressed in a broken way"),
    "TooManyRedirects": (EngineRefused, "it redirects without end"),
    "HTTPStatusError": (EngineError, "it answered with an error"),
    "InvalidURL": (EngineRefused, "its address is no address"),
    "CookieConflict": (EngineMalformed, "its cookies contradict one another"),
    "StreamError": (EngineMalformed, "its answer was read after it was closed"),
    "StreamConsumed": (EngineMalformed, "its answer was read twice"),
    "StreamClosed": (EngineMalformed, "its answer was read after it was closed"),
    "ResponseNotRead": (EngineMalformed, "its answer was used before it was read"),
    "RequestNotRead": (EngineMalformed, "the request was used before it was read"),
}
"""httpx2's exceptions by name, and what happened in words; a test holds it to the classes that there are."""


class _Body(msgspec.Struct, frozen=True):
    """An error's body in any of the shapes: nested, flat, or FastAPI's `detail`."""

    error: Json = None
    message: Json = None
    type: Json = None
    code: Json = None
    detail: Json = None


@dataclass(frozen=True, slots=True)
class WireError:
    """An error as a server wrote it."""

    message: str
    words: tuple[str, ...] = ()
    """Its `type` and `code` where they are words."""
    status: int | None = None
    """The HTTP status; of an error within a stream its `code`."""


def read_error(body: bytes, status: int | None = None) -> WireError:
    """The error in a response's body, whatever its shape; a body that is no JSON is its own message."""
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return WireError(body.decode("utf-8", "replace"), status=status)
    inner = found.error if found.error is not None else found.detail
    if isinstance(inner, str):
        return WireError(inner, status=status)
    if isinstance(inner, dict):
        found = msgspec.convert(inner, type=_Body, str_keys=True)
    message = found.message if isinstance(found.message, str) else body.decode("utf-8", "replace")
    words = tuple(word for word in (found.type, found.code) if isinstance(word, str))
    code = found.code if isinstance(found.code, int) else None
    return WireError(message, words, status if status is not None else code)


def meaning_of(error: WireError) -> Meaning:
    """What `error` means: by its type, then by its message, then by its status."""
    for word in error.words:
        if word in BY_TYPE:
            return BY_TYPE[word]
    return meaning_of_text(error.message) or _meaning_of_status(error.status)


def meaning_of_text(text: str) -> Meaning | None:
    """What a message, or the end of a server's log, means; None where no pattern is found in it."""
    return next((meaning for pattern, meaning in BY_MESSAGE if pattern.search(text)), None)


def _meaning_of_status(status: int | None) -> Meaning:
    if status is None:
        return Meaning(EngineError)
    default = _PATH if 300 <= status < 500 else Meaning(EngineError)
    return BY_STATUS.get(status, default)


def error_of(error: WireError, engine: str, secret: str = "") -> EngineError:
    """`error` of the engine of that name as one of the tree; `secret`, the key, is struck out of the server's words."""
    meaning = meaning_of(error)
    detail = _one_line(error.message, secret) or _phrase(error.status)
    return meaning.kind(f"The engine {engine} answered with an error: {detail}", hint=meaning.hint)


def error_of_exception(foreign: Exception, engine: str, address: str) -> EngineError:
    """An exception of httpx2 as one of the tree; of its own words none is shown, since they may hold the key."""
    names = (base.__name__ for base in type(foreign).__mro__)
    kind, what = next(FOREIGN[name] for name in names if name in FOREIGN)
    return kind(f"The engine {engine} at {address} cannot be used: {what}.")


def _one_line(text: str, secret: str) -> str:
    line = " ".join(text.replace(secret, "***").split() if secret else text.split())
    return line if len(line) <= DETAIL_MAX_CHARS else f"{line[:DETAIL_MAX_CHARS]}..."


def _phrase(status: int | None) -> str:
    if status is None:
        return "it gives no reason"
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}"
