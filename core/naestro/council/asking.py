"""The two ways in which an engine is offered tools: its own tool calling, or a JSON schema that every engine follows.

`look_up` above asks by one of them and shows the results in the role's message in the end. By an engine's own way the
calls and results of earlier rounds are messages of their own; by schema they stand in the user's message, where the
instruction is last. This module makes requests and reads answers; it calls nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from naestro.council.prefix import fence
from naestro.council.roles import instruction
from naestro.engines.engine import ChatRequest, Completion, Message, ToolCall
from naestro.tools.tool import ToolSpec
from naestro.types import Json

NONE = "none"
"""What an engine answers, in the place of a tool's name, when it needs no more."""
CHOICE_TOKENS_MAX = 160
"""Of an answer that only names a tool and its arguments."""
ARGUMENTS_CHARS_MAX = 300
"""Of a call's arguments, where they are shown again."""


@dataclass(frozen=True, slots=True)
class Word:
    """A call and what came of it."""

    call: ToolCall
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Round:
    """One answer of the engine: what it said beside its calls, and the calls."""

    text: str
    words: Sequence[Word]


class Way(Protocol):
    """How an engine is offered tools."""

    answers: bool
    """Whether an answer without a call is the role's own answer."""

    def ask(self, request: ChatRequest, rounds: Sequence[Round], tools: Sequence[ToolSpec]) -> ChatRequest:
        """The request of the next round."""
        ...

    def calls(self, completion: Completion) -> list[ToolCall]:
        """The calls that an answer asks for."""
        ...


class Native:
    """By the engine's own tool calling."""

    answers = True

    def ask(self, request: ChatRequest, rounds: Sequence[Round], tools: Sequence[ToolSpec]) -> ChatRequest:
        """The role's request with the tools, then what was called and what came of it."""
        *before, last = request.messages
        first = msgspec.structs.replace(last, content=f"{last.content}\n\n{instruction('look_up_native')}")
        messages = [*before, first]
        for one in rounds:
            calls = tuple(word.call for word in one.words)
            messages.append(Message(role="assistant", content=one.text, tool_calls=calls))
            messages += [_answer(word) for word in one.words]
        # Servers refuse a schema beside tools.
        return msgspec.structs.replace(
            request, messages=messages, schema=None, tools=[tool.wire for tool in tools]
        )

    def calls(self, completion: Completion) -> list[ToolCall]:
        """The calls as the engine says them."""
        return list(completion.tool_calls)


class Schema:
    """By a JSON schema: the answer names a tool, or none."""

    answers = False

    def ask(self, request: ChatRequest, rounds: Sequence[Round], tools: Sequence[ToolSpec]) -> ChatRequest:
        """The role's request with another ending: which tool, instead of the role's own part."""
        *before, last = request.messages
        listed = "\n".join(map(_line, tools))
        # What stands before the last message is shared (`Prefix.messages`), and says the task.
        kept = "" if before and before[-1].role == "user" else last.content
        ending = instruction("look_up_schema", tools=listed)
        content = "\n\n".join(filter(None, [kept, _sections(rounds), ending]))
        return msgspec.structs.replace(
            request,
            messages=[*before, msgspec.structs.replace(last, content=content)],
            schema=_choice([tool.name for tool in tools]),
            max_tokens=min(request.max_tokens, CHOICE_TOKENS_MAX),
        )

    def calls(self, completion: Completion) -> list[ToolCall]:
        """The one call that the answer names; none where it names none, or is no such answer."""
        try:
            chosen = msgspec.json.decode(completion.text.encode("utf-8", "replace"), type=_Choice)
        except msgspec.DecodeError:
            return []
        if chosen.tool == NONE:
            return []
        return [ToolCall(id="", name=chosen.tool, arguments=msgspec.json.encode(chosen.arguments).decode())]


class _Choice(msgspec.Struct, frozen=True):
    tool: str
    arguments: dict[str, Json] = {}


def looked_up(request: ChatRequest, rounds: Sequence[Round]) -> ChatRequest:
    """The role's request with what was looked up, fenced, before its last message's own words."""
    section = _sections(rounds)
    if not section:
        return request
    *before, last = request.messages
    shown = msgspec.structs.replace(last, content=f"{section}\n\n{last.content}")
    return msgspec.structs.replace(request, messages=[*before, shown])


def _sections(rounds: Sequence[Round]) -> str:
    words = [word for one in rounds for word in one.words]
    return "\n\n".join(["# Looked up", *map(_section, words)]) if words else ""


def _section(word: Word) -> str:
    arguments = word.call.arguments[:ARGUMENTS_CHARS_MAX]
    title = f"## {word.call.name} {arguments}{' failed' if word.is_error else ''}"
    return f"{title.replace(chr(10), ' ')}\n{fence('result', word.text)}"


def _answer(word: Word) -> Message:
    return Message(role="tool", content=fence("result", word.text), tool_call_id=word.call.id)


def _line(tool: ToolSpec) -> str:
    """A tool in one line: `- search(query, limit): Find …`; what may be left out stands with a question mark."""
    shape = _shape(tool)
    shown = ", ".join(name if name in shape.required else f"{name}?" for name in shape.properties)
    return f"- {tool.name}({shown}): {' '.join(tool.description.split())}"


class _Shape(msgspec.Struct, frozen=True):
    """What of a schema is shown."""

    properties: dict[str, Json] = {}
    required: list[str] = []


def _shape(tool: ToolSpec) -> _Shape:
    try:
        return msgspec.convert(tool.parameters, _Shape)
    except msgspec.ValidationError:
        return _Shape()


def _choice(names: Sequence[str]) -> dict[str, Json]:
    """What an answer must look like. The arguments stay open: engines differ in what of a schema they follow."""
    return {
        "type": "object",
        "properties": {
            "tool": {"type": "string", "enum": [*names, NONE]},
            "arguments": {"type": "object"},
        },
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }
