"""What the scripted server may be told to answer: good, slow and broken streams, errors in each engine's words.

`scripted_server` above plays these; this module knows no socket. An `Answer` is plain data, so that it can stand in
a JSON file for the server as a program. Build one by `say`, `say_json`, `call_tool`, `fail` or `words_of`, and
change single fields with `with_(answer, ...)`.
"""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

Flavour = Literal["llama.cpp", "vllm", "tensorrt-llm"]
Trouble = Literal[
    "context too long",
    "out of memory",
    "loading",
    "busy",
    "bad schema",
    "not supported",
    "unknown model",
    "dead",
    "wrong key",
]

DEAD_ENGINE = {"message": "EngineCore encountered an issue", "type": "InternalServerError", "code": 500}
"""What vLLM sends when its core dies in mid-stream."""

_PIECE = re.compile(r"\s*\S+|\s+\Z")


class ScriptedToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call; its arguments are streamed in pieces of `piece_chars`, as engines do."""

    id: str = "call_1"
    name: str
    arguments: str
    piece_chars: int = 8


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer of the scripted server. The defaults make a quick, correct stream."""

    text: str = ""
    pieces: list[str] | None = None
    """The chunks to stream; by default `text` by words. `stop` and `max_tokens` of the request are honoured."""
    tool_calls: list[ScriptedToolCall] = []
    finish_reason: str | None = None
    """By default `stop`, `length` where `max_tokens` cut it, `tool_calls` where it calls some."""
    first_token_delay_s: float = 0.0
    token_delay_s: float = 0.0
    """Before each piece after the first."""
    prompt_tokens: int | None = None
    """By default the words of all messages."""
    cached_tokens: int | None = None
    """By default the words that this prompt's start shares with an earlier one's, as in a prefix cache."""
    completion_tokens: int | None = None
    model: str = "scripted"

    status: int = 200
    headers: dict[str, str] = {}
    body: str = ""
    """Sent as it is where `status` is not 200."""

    stall_after: int | None = None
    """After that many pieces wait until the client hangs up or `server.release()`.

    0: before the first piece; -1: before the response's head, so that nothing at all is said."""
    cut_after: int | None = None
    """After that many pieces close the connection without an end."""
    error_after: int | None = None
    """After that many pieces send `error` as a chunk, then `[DONE]`."""
    error: dict[str, object] = msgspec.field(default_factory=lambda: dict(DEAD_ENGINE))
    garbage_after: int | None = None
    """After that many pieces send a chunk that is no JSON."""
    raw_first: str = ""
    """Sent as the data of the first event, before everything else."""
    sends_role_chunk: bool = True
    """Whether a first chunk without text comes, as all engines send one."""
    sends_usage: bool = True
    sends_finish: bool = True
    """Whether a chunk with `finish_reason` comes."""
    sends_done: bool = True
    """Whether `[DONE]` comes at the end."""
    ends: Literal["whole", "cut", "open"] = "whole"
    """After the last event: end the response, close the connection without an end, or wait as `stall_after` does."""
    is_deaf: bool = False
    """Whether the connection is closed when the request is read, without any response."""
    progress_chunks: int = 0
    """Chunks of `prompt_progress` before the first piece, where the request asks `return_progress` (llama.cpp)."""

    def pieces_to_send(self) -> list[str]:
        """The text as it is streamed, piece by piece."""
        return self.pieces if self.pieces is not None else _PIECE.findall(self.text)


def with_(answer: Answer, **changes: object) -> Answer:
    """`answer` with the given fields changed."""
    return msgspec.structs.replace(answer, **changes)


def say(text: str, **fields: object) -> Answer:
    """An answer of that text; any other field of `Answer` by name."""
    return with_(Answer(text=text), **fields)


def say_json(value: object, **fields: object) -> Answer:
    """An answer that is `value` as JSON."""
    return say(msgspec.json.encode(value).decode(), **fields)


def say_tokens(count: int, *, token_delay_s: float = 0.0, **fields: object) -> Answer:
    """An answer of `count` pieces: ` 0 1 2 ...`."""
    return with_(
        Answer(pieces=[f" {number}" for number in range(count)], token_delay_s=token_delay_s), **fields
    )


def call_tool(name: str, arguments: object, **fields: object) -> Answer:
    """An answer that calls one tool, its arguments given as plain data."""
    call = ScriptedToolCall(name=name, arguments=msgspec.json.encode(arguments).decode())
    return with_(Answer(tool_calls=[call]), **fields)


def fail(status: int, body: object = None, *, retry_after_s: float | None = None, **headers: str) -> Answer:
    """An answer with an HTTP error; `body` is plain data, or a string that is sent as it is."""
    text = (
        body
        if isinstance(body, str)
        else msgspec.json.encode(body or {"error": {"message": "scripted"}}).decode()
    )
    extra = {} if retry_after_s is None else {"retry-after": f"{retry_after_s:g}"}
    return Answer(status=status, body=text, headers={**headers, **extra})


def words_of(flavour: Flavour, trouble: Trouble) -> Answer:
    """The answer by which that engine tells that trouble; `KeyError` where it has no words of its own for it."""
    status, body = WORDS[trouble][flavour]
    return fail(status, body)


def _llama(code: int, kind: str, message: str, **more: object) -> tuple[int, object]:
    return code, {"error": {"code": code, "message": message, "type": kind, **more}}


def _vllm(code: int, kind: str, message: str) -> tuple[int, object]:
    return code, {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _tensorrt(code: int, kind: str, message: str) -> tuple[int, object]:
    return code, {"object": "error", "message": message, "type": kind, "param": None, "code": code}


WORDS: Mapping[Trouble, Mapping[Flavour, tuple[int, object]]] = {
    "context too long": {
        "llama.cpp": _llama(
            400,
            "exceed_context_size_error",
            "request (5031 tokens) exceeds the available context size (2048 tokens), try increasing it",
            n_prompt_tokens=5031,
            n_ctx=2048,
        ),
        "vllm": _vllm(
            400,
            "BadRequestError",
            "This model's maximum context length is 1024 tokens. However, you requested 2000 tokens.",
        ),
        "tensorrt-llm": _tensorrt(
            400, "BadRequestError", "prompt_token_ids length (5000) is greater than max_seq_len (2048)"
        ),
    },
    "out of memory": {
        "llama.cpp": _llama(500, "server_error", "failed to create_context with model: out of memory"),
        "vllm": _vllm(
            500,
            "InternalServerError",
            "CUDA out of memory. Tried to allocate 2.00 GiB.",
        ),
        "tensorrt-llm": _tensorrt(
            500, "InternalServerError", "Executor creation failed due to insufficient GPU memory."
        ),
    },
    "loading": {"llama.cpp": _llama(503, "unavailable_error", "Loading model")},
    "busy": {
        "vllm": _vllm(
            503,
            "ServiceUnavailableError",
            "The engine is currently busy and cannot accept new requests. Try later.",
        ),
    },
    "bad schema": {
        "llama.cpp": _llama(400, "invalid_request_error", "JSON schema error at #: unrecognized schema"),
        "vllm": _vllm(400, "BadRequestError", "Grammar error: Invalid type: banana"),
        "tensorrt-llm": (400, {"error": "1 validation error for ChatCompletionRequest"}),
    },
    "not supported": {
        "llama.cpp": _llama(501, "not_supported_error", "This feature is not supported by this server"),
        "vllm": _vllm(
            400,
            "BadRequestError",
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        ),
        "tensorrt-llm": _tensorrt(501, "NotImplementedError", "logprobs are not supported"),
    },
    "unknown model": {"vllm": _vllm(404, "NotFoundError", "The model `x` does not exist.")},
    "dead": {
        "vllm": _vllm(
            500, "InternalServerError", "EngineCore encountered an issue. See stack trace for the cause."
        ),
        "tensorrt-llm": (503, ""),
    },
    "wrong key": {
        "llama.cpp": _llama(401, "authentication_error", "Invalid API Key"),
        "vllm": (401, {"error": "Unauthorized"}),
    },
}
"""How each engine says it, from the project's measured facts: trouble, engine, then status and body."""
