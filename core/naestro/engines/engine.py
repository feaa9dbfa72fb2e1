"""What an engine is: something that generates text, one interface for all of them.

The council above knows this interface and nothing of HTTP; `openai.py` and `embedded.py` beside it implement it.
An engine knows no run and no journal.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from naestro.types import Json, Usage, Value

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(Value, frozen=True):
    """A call of a tool that the model asks for."""

    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it; not checked."""


class Message(Value, frozen=True, omit_defaults=True):
    """One message of a chat."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Of an assistant's message: the calls that it asked for."""
    tool_call_id: str = ""
    """Of a tool's message: the call that it answers."""


class ChatRequest(Value, frozen=True):
    """One chat completion to make; recorded as an artifact, so it holds no secret and no address."""

    messages: list[Message]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: list[str] = []
    schema: dict[str, Json] | None = None
    """JSON schema that the answer must follow."""
    tools: list[dict[str, Json]] = []
    """Tools in the form of the OpenAI API."""


class Completion(Value, frozen=True):
    """What came back, whole."""

    text: str
    finish_reason: str
    """`stop`, `length`, `tool_calls` or the engine's own word."""
    usage: Usage
    tool_calls: list[ToolCall] = []
    model: str = ""
    """What the engine says it ran."""


class ChatStream(Protocol):
    """A chat completion under way. Iterating gives the text as it comes; then `completion()` is whole."""

    def __aiter__(self) -> AsyncIterator[str]:
        """The pieces of text, each not empty."""
        ...

    def completion(self) -> Completion:
        """What came back; only after the iteration ended. Raises `EngineMalformed` before."""
        ...


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What is known of an engine without asking it."""

    name: str
    """The name in the settings; what the trace shows."""
    model: str
    context_tokens: int
    """Tokens that one request may have, prompt and answer together."""
    is_local: bool
    """Whether it runs on this machine (a loopback address or a child process)."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an engine can answer now."""

    is_ready: bool
    detail: str
    """One line: what runs, or why not."""


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """What an engine tells of itself; None where it does not say."""

    running: int | None = None
    """Requests that are being answered."""
    waiting: int | None = None
    """Requests in its queue."""
    kv_cache_used: float | None = None
    """Share of the key-value cache in use, 0 to 1."""
    cached_tokens_total: int | None = None
    """Prompt tokens served from the prefix cache since it started."""


class Engine(Protocol):
    """Something that generates text. Every method may raise an `EngineError`."""

    @property
    def info(self) -> EngineInfo:
        """What is known of it without asking."""
        ...

    def chat(self, request: ChatRequest) -> AbstractAsyncContextManager[ChatStream]:
        """Open a chat completion. Leaving the context early cancels it and frees the engine's slot."""
        ...

    async def health(self) -> Health:
        """Ask whether it can answer; never raises for an engine that is down, says so instead."""
        ...

    async def metrics(self) -> EngineMetrics:
        """Ask for its load; all None where it has no such endpoint."""
        ...
