"""How an `Answer` becomes chunks of a chat completion: text, tool calls, usage, and the scripted faults.

`scripted_server` above sends what this makes; this module knows no socket. `Pause` and `Cut` stand between chunks
where the server should wait, or close the connection.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from tests.support.answers import Answer

WHOLE_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait that long; for ever (until released) where it is None."""

    duration_s: float | None


class Cut:
    """Close the connection now."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What of a request shapes its answer."""

    tokens: int
    cached: int
    stop: list[str]
    max_tokens: int | None
    is_progress_wanted: bool
    is_usage_wanted: bool


def shown_pieces(answer: Answer, prompt: Prompt) -> tuple[list[str], str]:
    """The pieces that are sent, after `stop` and `max_tokens`, and the reason why they end."""
    pieces = answer.pieces_to_send()
    text = "".join(pieces)
    ends = [at for word in prompt.stop if (at := text.find(word)) >= 0]
    if ends:
        pieces = _cut_text(pieces, min(ends))
    reason = "tool_calls" if answer.tool_calls else "stop"
    if prompt.max_tokens is not None and len(pieces) > prompt.max_tokens:
        pieces, reason = pieces[: prompt.max_tokens], "length"
    return pieces, answer.finish_reason or reason


def play(answer: Answer, prompt: Prompt) -> Iterator[bytes | Pause | Cut]:
    """The stream of `answer`, event by event."""
    chunks = Chunks(answer, prompt)
    pieces, reason = shown_pieces(answer, prompt)
    yield Pause(answer.first_token_delay_s)
    yield from _before_text(answer, chunks)
    for number, piece in enumerate(pieces):
        yield from _fault_after(answer, number)
        if number and answer.token_delay_s:
            yield Pause(answer.token_delay_s)
        yield chunks.delta({"content": piece})
    yield from _fault_after(answer, len(pieces))
    yield from chunks.tool_calls()
    if answer.sends_finish:
        yield chunks.delta({}, reason)
    if answer.sends_usage and prompt.is_usage_wanted:
        yield chunks.usage(len(pieces))
    yield from _end(answer)


def _before_text(answer: Answer, chunks: "Chunks") -> Iterator[bytes]:
    if chunks.prompt.is_progress_wanted:
        yield from (chunks.progress(number) for number in range(1, answer.progress_chunks + 1))
    if answer.raw_first:
        yield b"data: " + answer.raw_first.encode() + b"\n\n"
    if answer.sends_role_chunk:
        yield chunks.delta({"role": "assistant", "content": None})


def _end(answer: Answer) -> Iterator[bytes | Pause | Cut]:
    if answer.sends_done:
        yield WHOLE_DONE
    if answer.ends == "open":
        yield Pause(None)
    if answer.ends == "cut":
        yield Cut()


def whole(answer: Answer, prompt: Prompt) -> bytes:
    """The response of `answer` to a request without `stream`."""
    pieces, reason = shown_pieces(answer, prompt)
    chunks = Chunks(answer, prompt)
    message = {"role": "assistant", "content": "".join(pieces)}
    body = chunks.base | {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": chunks.usage_of(len(pieces)),
    }
    return msgspec.json.encode(body)


class Chunks:
    """Builds the chunks of one answer."""

    def __init__(self, answer: Answer, prompt: Prompt) -> None:
        self.answer = answer
        self.prompt = prompt
        self.base = {
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": answer.model,
        }

    def delta(self, delta: dict[str, object], finish_reason: str | None = None) -> bytes:
        """A chunk of the first choice."""
        return event(self.base | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})

    def progress(self, number: int) -> bytes:
        """A chunk of llama.cpp's `return_progress`."""
        total = self.prompt.tokens
        done = total * number // self.answer.progress_chunks
        progress = {"total": total, "cache": self.prompt.cached, "processed": done, "time_ms": number}
        return event(self.base | {"choices": [], "prompt_progress": progress})

    def tool_calls(self) -> Iterator[bytes]:
        """The tool calls: the name first, then the arguments in pieces."""
        for index, call in enumerate(self.answer.tool_calls):
            function = {"name": call.name, "arguments": ""}
            yield self.delta(
                {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
            )
            for at in range(0, len(call.arguments), call.piece_chars):
                part = {"arguments": call.arguments[at : at + call.piece_chars]}
                yield self.delta({"tool_calls": [{"index": index, "function": part}]})

    def usage(self, completion_tokens: int) -> bytes:
        """The last chunk, of `stream_options.include_usage`."""
        return event(self.base | {"choices": [], "usage": self.usage_of(completion_tokens)})

    def usage_of(self, completion_tokens: int) -> dict[str, object]:
        """The usage, as all three engines write it."""
        answer = self.answer
        given = answer.completion_tokens
        completion = completion_tokens if given is None else given
        prompt = self.prompt.tokens if answer.prompt_tokens is None else answer.prompt_tokens
        cached = self.prompt.cached if answer.cached_tokens is None else answer.cached_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


def event(value: object) -> bytes:
    """`value` as one server-sent event."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _fault_after(answer: Answer, number: int) -> Iterator[bytes | Pause | Cut]:
    if answer.stall_after == number:
        yield Pause(None)
    if answer.garbage_after == number:
        yield b'data: {"choices": [{"delta": \n\n'
    if answer.error_after == number:
        yield event({"error": answer.error})
        yield WHOLE_DONE
        yield Cut()
    if answer.cut_after == number:
        yield Cut()


def _cut_text(pieces: list[str], length: int) -> list[str]:
    kept: list[str] = []
    for piece in pieces:
        if length <= 0:
            break
        kept.append(piece[:length])
        length -= len(piece)
    return kept
