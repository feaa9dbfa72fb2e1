"""The one place where a journalled call and an engine meet.

Every text that the council gets from a model comes through `generate`, or through `generate_json` where it must
follow a schema. Below stand `runs` (which records the call) and `engines` (which makes it); this module knows no
role. Tries before the first token are the engine's business; asking again after a wrong answer is done here.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from naestro.council.roles import instruction
from naestro.engines.engine import ChatRequest, Completion, Engine
from naestro.errors import EngineMalformed
from naestro.routing.turns import Turn, Turns
from naestro.runs.attempt import Attempt

T = TypeVar("T")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:(?P<end>")|\\?\Z)', re.DOTALL)
"""A string of JSON; without `end` where the text stops in it."""
_CLOSER = {"{": "}", "[": "]"}
ERROR_CHARS = 200
"""How much of a validation error a model is told; small models lose the thread in more."""


@dataclass(frozen=True, slots=True)
class Seat:
    """An engine that speaks for one attempt at a step."""

    attempt: Attempt
    engine: Engine
    turns: Turns


async def generate(seat: Seat, request: ChatRequest, *, is_shown: bool = True) -> Completion:
    """The completion of `request`: recorded by an earlier attempt, or made now and recorded.

    Unless it `is_shown`, nobody follows its text as it comes: it only says which tool is called.

    Raises an `EngineError`; an answer without any text is `EngineMalformed`.
    """
    name = seat.engine.info.name
    async with seat.attempt.call(name, request) as call:
        if call.recorded is not None:
            return msgspec.json.decode(call.recorded, type=Completion)
        async with seat.turns.take(name) as turn:
            completion = await _stream(seat.engine, request, call.token if is_shown else _pass_over, turn)
        if not completion.text.strip() and not completion.tool_calls:
            raise EngineMalformed(f"{name} answered with nothing.")
        await call.finish(completion, completion.usage)
        return completion


async def generate_json(
    seat: Seat,
    request: ChatRequest,
    check: Callable[[bytes], T],
    *,
    retries: int,
    written: Completion | None = None,
) -> T:
    """What `check` makes of the answer; of what was `written` already, where that can be used.

    A `ValueError` from `check` (`msgspec.ValidationError` is one) is told to the model, which is asked again with
    the next seed, `retries` times at most; then raises `EngineMalformed`.
    """
    if written is not None:
        with suppress(ValueError):
            return check(_whole(written).encode("utf-8", "replace"))
    asked, problem = request, ""
    for number in range(1, retries + 2):
        completion = await generate(seat, asked)
        try:
            return check(_whole(completion).encode("utf-8", "replace"))
        except ValueError as error:
            cut = "it was cut at the token limit" if completion.finish_reason == "length" else str(error)
            problem = cut[:ERROR_CHARS]
        asked = _again(request, problem, request.seed + number)
    raise EngineMalformed(
        f"{seat.engine.info.name} gave no answer that fits the schema in {retries + 1} tries: {problem}."
    )


def _whole(completion: Completion) -> str:
    """The text of a JSON answer, closed where the token limit cut its last string: what came before is worth having."""
    text = completion.text
    return close_json(text) if completion.finish_reason == "length" else text


def close_json(text: str) -> str:
    """JSON that was cut in a string or behind a value, with what is missing to end it; other cuts stay malformed."""
    outside = _STRING.sub(lambda string: "" if string["end"] else '"', text)
    closers = ""
    for bracket in outside:
        if bracket in "{[":
            closers = _CLOSER[bracket] + closers
        elif bracket in "}]":
            closers = closers[1:]
    is_in_string = outside.endswith('"')
    has_half_escape = (len(text) - len(text.rstrip("\\"))) % 2 == 1
    ended = text[: len(text) - has_half_escape] if is_in_string else text.rstrip().removesuffix(",")
    return ended + '"' * is_in_string + closers


async def _stream(
    engine: Engine, request: ChatRequest, show: Callable[[str], None], turn: Turn
) -> Completion:
    async with engine.chat(request) as stream:
        async for piece in stream:
            turn.first_token()
            show(piece)
        return stream.completion()


def _pass_over(_piece: str) -> None:
    """Show nothing."""


def _again(request: ChatRequest, problem: str, seed: int) -> ChatRequest:
    """`request` with the problem told at the end of its last message, so that its beginning stays cached."""
    *before, last = request.messages
    content = f"{last.content}\n\n{instruction('again', error=problem)}"
    told = msgspec.structs.replace(last, content=content)
    return msgspec.structs.replace(request, messages=[*before, told], seed=seed)
