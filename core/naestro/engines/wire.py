"""The OpenAI-compatible wire: the body of a chat completion, and the chunks that come back.

`openai` and `openai_stream` above send and read it. Fields that no caller needs are left out; whatever a server adds
is ignored, and null stands for absent, since servers differ in that. It knows no HTTP.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from naestro.engines.engine import ChatRequest, Message
from naestro.types import Json, Usage

Flavour = Literal["llama.cpp", "vllm", "tensorrt-llm", "openai"]
"""Which server stands behind the interface; `openai` for everything else of that shape."""

SCHEMA_NAME = "answer"
"""The name that `response_format` wants for a schema; no server gives it a meaning."""


class PromptDetails(msgspec.Struct, frozen=True):
    """`usage.prompt_tokens_details`."""

    cached_tokens: int | None = None


class WireUsage(msgspec.Struct, frozen=True):
    """`usage`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None

    def value(self) -> Usage:
        """It as the project's own value."""
        details = self.prompt_tokens_details
        return Usage(
            prompt_tokens=self.prompt_tokens or 0,
            completion_tokens=self.completion_tokens or 0,
            cached_tokens=(details.cached_tokens or 0) if details else 0,
        )


class FunctionDelta(msgspec.Struct, frozen=True):
    """A piece of a called function."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(msgspec.Struct, frozen=True):
    """A piece of a tool call."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct, frozen=True):
    """What one chunk adds."""

    content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    reasoning_content: Json = None
    """A thinking model's thoughts (llama.cpp, older vLLM): a sign of life, no part of the answer."""
    reasoning: Json = None
    """The same, in newer vLLM's name."""


class Choice(msgspec.Struct, frozen=True):
    """One choice of a chunk; only one is ever asked for."""

    delta: Delta | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct, frozen=True):
    """One event of a streamed chat completion, or an error in its place."""

    choices: list[Choice] | None = None
    usage: WireUsage | None = None
    model: str | None = None
    error: Json = None
    object: str | None = None
    """`error` in TensorRT-LLM's flat errors."""


_encoder = msgspec.json.Encoder()
_chunks = msgspec.json.Decoder(Chunk)


def decode_chunk(data: bytes) -> Chunk:
    """One chunk; raises `msgspec.DecodeError` (or its `ValidationError`) when it is none."""
    return _chunks.decode(data)


def encode_request(
    request: ChatRequest, model: str, flavour: Flavour, fields: Mapping[str, Json] = {}
) -> bytes:
    """The body of `POST /chat/completions`, always streamed and with usage; `fields` are added as they are."""
    body: dict[str, Json] = {
        "model": model,
        "messages": [_message(one) for one in merge_user_messages(request.messages)],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
        **_optional(request),
    }
    if flavour == "llama.cpp":
        # Without it the server notices a hang-up only after the whole prompt is read.
        body["return_progress"] = True
    return _encoder.encode({**body, **fields})


def _message(message: Message) -> Json:
    """A message as the API has it: a call of a tool is wrapped once more there."""
    if not message.tool_calls:
        return message
    calls: list[Json] = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.tool_calls
    ]
    return {"role": message.role, "content": message.content, "tool_calls": calls}


def merge_user_messages(messages: list[Message]) -> list[Message]:
    """`messages` with adjacent ones of the user made one: chat templates of local models refuse two in a row."""
    merged: list[Message] = []
    for message in messages:
        if merged and message.role == merged[-1].role == "user":
            merged[-1] = Message(role="user", content=f"{merged[-1].content}\n\n{message.content}")
        else:
            merged.append(message)
    return merged


def _optional(request: ChatRequest) -> dict[str, Json]:
    """The fields that are left out where they say nothing: some servers refuse them empty."""
    fields: dict[str, Json] = {}
    if request.stop:
        fields["stop"] = request.stop
    if request.tools:
        fields["tools"] = request.tools
    if request.schema is not None:
        schema = {"name": SCHEMA_NAME, "schema": request.schema}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return fields
