"""What the chunks of a streamed chat completion add up to: text, tool calls, usage, and whether it is whole.

`openai_stream` above feeds it one event after the other. It decides what counts as an answer: a finish reason, then
`[DONE]`, and no error before that. It knows no connection and no clock.
"""

from dataclasses import dataclass, field

import msgspec

from naestro.engines.engine import Completion, ToolCall
from naestro.engines.wire import Chunk, ToolCallDelta, WireUsage, decode_chunk
from naestro.engines.wire_errors import error_of, read_error
from naestro.errors import EngineError, EngineMalformed
from naestro.types import Usage

DONE = b"[DONE]"
GAVE_UP = ("error", "abort")
"""Finish reasons by which an engine says that it did not finish."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who answers, for the errors."""

    engine: str
    address: str
    secret: str = field(repr=False)

    def malformed(self, what: str) -> EngineMalformed:
        """The error that the answer cannot be used, and why."""
        return EngineMalformed(f"The answer of the engine {self.engine} is not usable: {what}.")


class Answer:
    """What the chunks add up to."""

    def __init__(self, source: Source) -> None:
        self.is_begun = False
        """Whether the model has said anything: text, thoughts, a tool call, its end."""
        self.is_done = False
        """Whether `[DONE]` came after a finish reason."""
        self._source = source
        self._texts: list[str] = []
        self._tool_calls: list[_ToolCallParts] = []
        self._finish_reason = ""
        self._usage: WireUsage | None = None
        self._model = ""

    def take(self, data: bytes) -> str:
        """Take one event; its text, often empty. Raises an `EngineError` where it is, or shows, one."""
        if data == DONE:
            self._end()
            return ""
        chunk = self._decode(data)
        self._usage = chunk.usage or self._usage
        self._model = chunk.model or self._model
        return self._take_choice(chunk) if chunk.choices else ""

    def completion(self) -> Completion:
        """The whole."""
        return Completion(
            text="".join(self._texts),
            finish_reason=self._finish_reason,
            usage=self._usage.value() if self._usage else Usage(),
            tool_calls=[call.value(index) for index, call in enumerate(self._tool_calls)],
            model=self._model,
        )

    def _decode(self, data: bytes) -> Chunk:
        try:
            chunk = decode_chunk(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._source.malformed("an event of its stream is no chunk of a chat completion") from error
        if chunk.error is not None or chunk.object == "error":
            raise self._error(data)
        return chunk

    def _error(self, data: bytes) -> EngineError:
        return error_of(read_error(data), self._source.engine, self._source.secret)

    def _take_choice(self, chunk: Chunk) -> str:
        assert chunk.choices
        choice = chunk.choices[0]
        delta = choice.delta
        text = (delta.content if delta else None) or ""
        if text:
            self._texts.append(text)
        for part in (delta.tool_calls if delta else None) or []:
            self._tool_call(part).add(part)
        if choice.finish_reason:
            self._finish(choice.finish_reason)
        if not self.is_begun:
            thoughts = delta and (delta.reasoning_content or delta.reasoning)
            self.is_begun = bool(text or thoughts or self._tool_calls or choice.finish_reason)
        return text

    def _finish(self, reason: str) -> None:
        if reason in GAVE_UP:
            raise EngineError(f"The engine {self._source.engine} gave up while it answered: {reason}.")
        self._finish_reason = reason

    def _end(self) -> None:
        if not self._finish_reason:
            raise self._source.malformed("it ended without a finish reason")
        self.is_done = True

    def _tool_call(self, part: ToolCallDelta) -> "_ToolCallParts":
        """The call that `part` belongs to: by its index; without one, a part with an id begins a new call."""
        calls = self._tool_calls
        index = part.index
        if index is None:
            index = len(calls) - (0 if part.id or not calls else 1)
        if index > len(calls) or index < 0:
            raise self._source.malformed("its tool calls are not numbered in order")
        if index == len(calls):
            calls.append(_ToolCallParts())
        return calls[index]


@dataclass(slots=True)
class _ToolCallParts:
    """One tool call as its pieces come in."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])

    def add(self, part: ToolCallDelta) -> None:
        """Add a piece: the id and the name come once, the arguments bit by bit."""
        self.id = part.id or self.id
        if part.function:
            self.name = part.function.name or self.name
            self.arguments.append(part.function.arguments or "")

    def value(self, index: int) -> ToolCall:
        """The whole call."""
        return ToolCall(id=self.id or f"call_{index}", name=self.name, arguments="".join(self.arguments))
