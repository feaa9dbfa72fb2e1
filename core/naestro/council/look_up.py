"""The look-up: a role of the council calls tools before it does its part, within bounds.

`propose` and `critique` above ask for it; `asking` beside it speaks to the engine in one of two ways; below stand the
tools, and the journal, in which each call and its result lie. What was looked up goes into the role's own message as
fenced material, right before its instruction, so that what all roles share stays the same byte for byte, and so that
no chat template has to know tools when the answer is written. Results are data: nothing here acts on one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import anyio
import msgspec

from naestro.config import ToolsSettings
from naestro.council.asking import Native, Round, Schema, Way, Word, looked_up
from naestro.council.budget import estimate_tokens, request_tokens
from naestro.council.generate import Seat, generate
from naestro.engines.engine import ChatRequest, Completion, ToolCall
from naestro.errors import (
    ContextTooLong,
    EngineMalformed,
    EngineRefused,
    InputError,
    NaestroError,
    RunStateError,
    ToolTimeout,
)
from naestro.tools.tool import Offered, Tool, ToolRequest, ToolResult, cut_result
from naestro.types import Json, Usage

ROOM_MIN_TOKENS: Final = 128
"""With less room for results than this, nothing worth reading could be looked up."""
ROOM_GOOD_TOKENS: Final = 512
"""Where tools have to be left out, so many are that this much room is there for what the others give."""
NAMES_SHOWN_MAX: Final = 8
CHARS_PER_TOKEN: Final = 3
AGAIN: Final = "This was asked before; its result stands above."
WITHHELD: Final = (
    "The process ended while this call was under way, and it may have taken effect: it is not made again, and its "
    "result is not known."
)
REPLAYED: Final = "This run repeats another one, which did not make this call: it is not made."


@dataclass(frozen=True, slots=True)
class Desk:
    """What a look-up may use."""

    tools: Offered
    settings: ToolsSettings
    is_replay: bool = False
    """Whether the run only repeats another: what cannot be repeated without an effect is not called."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look-up came to."""

    request: ChatRequest
    """The role's request with what was looked up."""
    completion: Completion | None = None
    """The role's answer, where the engine gave it instead of another call."""


async def look_up(seat: Seat, request: ChatRequest, desk: Desk | None, mode: str) -> Looked:
    """`request` with what the engine of `seat` looked up for it, or its answer; unchanged where there is nothing to do.

    `mode` is how the engine is asked: `native`, `schema`, or `auto` for the first that it takes. An engine that
    cannot call tools costs a try, never the step. Raises an `EngineError` as `generate` does.
    """
    if desk is None or not desk.tools.tools or mode == "never":
        return Looked(request)
    ways: dict[str, Sequence[Way]] = {"native": [Native()], "schema": [Schema()]}
    for way in ways.get(mode, [Native(), Schema()]):
        looking = _Looking(seat, request, desk, way)
        if looking.left_out:
            seat.attempt.tell(looking.left_out)
        if not looking.tools:
            return Looked(request)
        try:
            return await looking.run()
        except EngineRefused:
            if looking.rounds:
                return looking.so_far()
        except EngineMalformed:
            return looking.so_far()
        except ContextTooLong:
            return Looked(request)
    return Looked(request)


@dataclass(slots=True)
class _Looking:
    """One look-up under way."""

    seat: Seat
    request: ChatRequest
    desk: Desk
    way: Way
    tools: dict[str, Tool] = field(default_factory=dict[str, Tool])
    """Those that are offered, by name: all, or as many as the engine's context has room for."""
    rounds: list[Round] = field(default_factory=list[Round])
    seconds: float = 0.0
    """Spent in tools."""
    tokens_left: int = 0
    calls_left: int = 0
    asked: set[bytes] = field(default_factory=set[bytes])
    """The calls that were made, to see one that comes again."""

    def __post_init__(self) -> None:
        """See what room the engine's context leaves."""
        count = self._fitting()
        self.tools = {tool.spec.name: tool for tool in self.desk.tools.tools[:count]}
        self.tokens_left = min(self.desk.settings.tokens, self._room(count))
        self.calls_left = self.desk.settings.calls

    @property
    def left_out(self) -> str:
        """What is not offered for want of room, in a sentence; empty where everything is."""
        info, names = self.seat.engine.info, [tool.spec.name for tool in self.desk.tools.tools]
        out = [name for name in names if name not in self.tools]
        if not out:
            return ""
        room = f"beside the prompt its context of {info.context_tokens:,} tokens has no room for"
        if not self.tools:
            return f"{info.name} is offered no tools: {room} them."
        shown = ", ".join(out[:NAMES_SHOWN_MAX])
        more = f" and {len(out) - NAMES_SHOWN_MAX:,} more" if len(out) > NAMES_SHOWN_MAX else ""
        return f"{info.name} is offered {len(self.tools):,} of {len(names):,} tools: {room} {shown}{more}."

    def _fitting(self) -> int:
        """How many of the tools, from the first on, can be offered."""
        most = len(self.desk.tools.tools)
        if self._room(most) >= ROOM_MIN_TOKENS:
            return most
        counts = range(1, most)
        for room in (ROOM_GOOD_TOKENS, ROOM_MIN_TOKENS):
            count = bisect_right(counts, -room, key=lambda count: -self._room(count))
            if count:
                return count
        return 0

    def _room(self, count: int) -> int:
        """The tokens that the engine's context leaves for results where the first `count` tools are offered."""
        asked = self.way.ask(self.request, [], [tool.spec for tool in self.desk.tools.tools[:count]])
        texts = [message.content for message in asked.messages] + [str(tool) for tool in asked.tools]
        needed = request_tokens(*texts, max_tokens=self.request.max_tokens)
        return self.seat.engine.info.context_tokens - needed

    async def run(self) -> Looked:
        """Ask until the engine has what it needs, or a bound is met."""
        specs = [tool.spec for tool in self.tools.values()]
        while len(self.rounds) < self.desk.settings.rounds and self._may_go_on:
            asked = self.way.ask(self.request, self.rounds, specs)
            completion = await generate(self.seat, asked, is_shown=self.way.answers)
            calls = self.way.calls(completion)
            if not calls:
                is_answer = self.way.answers and bool(completion.text.strip())
                return self.so_far(completion if is_answer else None)
            words = [await self._word(call) for call in calls[: self.calls_left]]
            self.calls_left -= len(words)
            self.rounds.append(Round(completion.text, words))
        return self.so_far()

    def so_far(self, completion: Completion | None = None) -> Looked:
        """What was looked up until now."""
        return Looked(looked_up(self.request, self.rounds), completion)

    @property
    def _may_go_on(self) -> bool:
        has_time = self.seconds < self.desk.settings.seconds
        return has_time and self.calls_left > 0 and self.tokens_left >= ROOM_MIN_TOKENS // 2

    async def _word(self, call: ToolCall) -> Word:
        """What is told of one call: its result, cut to the room that is left."""
        result = await self._result(call)
        room = max(ROOM_MIN_TOKENS // 4, min(self.desk.settings.result_tokens, self.tokens_left))
        text, _ = cut_result(result.text, room * CHARS_PER_TOKEN)
        self.tokens_left -= estimate_tokens(text) + estimate_tokens(call.arguments)
        return Word(call, text, result.is_error)

    async def _result(self, call: ToolCall) -> ToolResult:
        tool = self.tools.get(call.name)
        if tool is None:
            return _failed(f"There is no tool {call.name[:80]!r}; there are {', '.join(self.tools)}.")
        try:
            arguments = arguments_of(call.arguments)
        except InputError as error:
            return _failed(error.message)
        request = ToolRequest(call.name, arguments)
        key = msgspec.json.encode(request, order="sorted")
        if key in self.asked:
            return ToolResult(AGAIN)
        self.asked.add(key)
        began = monotonic()
        try:
            return await self._call(tool, request)
        except RunStateError:
            # An earlier attempt made it, and a crash took its result: the model is told, and the journal says so.
            return await self._told(tool, msgspec.structs.replace(request, is_withheld=True), WITHHELD)
        finally:
            self.seconds += monotonic() - began

    async def _call(self, tool: Tool, request: ToolRequest) -> ToolResult:
        if self.desk.is_replay and not tool.spec.is_idempotent:
            return await self._told(tool, request, REPLAYED)
        return await self._recorded(tool, request, tool.spec.is_idempotent)

    async def _told(self, tool: Tool, request: ToolRequest, words: str) -> ToolResult:
        """Record a call that is not made: what came of it is `words`, unless it is recorded already."""
        return await self._recorded(tool, request, is_idempotent=True, words=words)

    async def _recorded(
        self, tool: Tool, request: ToolRequest, is_idempotent: bool, words: str = ""
    ) -> ToolResult:
        """The result of a call: as the journal has it, or made now and written."""
        attempt, engine = self.seat.attempt, self.seat.engine.info.name
        async with attempt.call(engine, request, is_idempotent=is_idempotent, tool=request.tool) as call:
            if call.recorded is not None:
                return msgspec.json.decode(call.recorded, type=ToolResult)
            result = _failed(words) if words else await self._made(tool, request)
            await call.finish(result, Usage())
            return result

    async def _made(self, tool: Tool, request: ToolRequest) -> ToolResult:
        """Call the tool, for as long as the step may spend in tools. An error is a result: the model reads it."""
        left_s = max(0.0, self.desk.settings.seconds - self.seconds)
        try:
            with anyio.fail_after(left_s):
                return await tool.call(request.arguments)
        except TimeoutError:
            return _failed(ToolTimeout(f"{request.tool} gave no result within {left_s:.0f} s.").message)
        except NaestroError as error:
            return _failed(error.message)


def arguments_of(text: str) -> dict[str, Json]:
    """The arguments of a call as a model wrote them. Raises `InputError` with what is wrong."""
    try:
        return msgspec.json.decode(text.strip() or "{}", type=dict[str, Json])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise InputError(f"The arguments are no JSON object: {error}.") from error


def _failed(words: str) -> ToolResult:
    return ToolResult(words, is_error=True)
