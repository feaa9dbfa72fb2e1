"""The judges: blind, each comparing in both orders, and abstaining where the order changed their mind.

A judge sees letters, never names or engines. Each shuffles the candidates by a seed of its own, which its step
records, and reads them once in that order and once in the reverse. Above, `adjudicate` and the commands; below, the
sitting.
"""

import random
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from naestro.council.generate import Seat, generate_json
from naestro.council.material import by_letter, show_candidates
from naestro.council.prefix import Prefix
from naestro.council.roles import Role, instruction
from naestro.council.sitting import Sitting, side_by_side
from naestro.council.verdict import Candidate, Vote
from naestro.engines.engine import ChatRequest
from naestro.routing.pool import Route
from naestro.runs.run import StepSpec
from naestro.types import Json, StepKind

TIE = "tie"


class _Choice(msgspec.Struct, frozen=True):
    best: str
    reason: str


async def ask_judges(
    sitting: Sitting, prefix: Prefix, candidates: Sequence[Candidate], count: int
) -> list[Vote]:
    """The votes of `count` judges on `candidates`, in their order; a judge whose engine failed has none."""
    longest = _prompt(prefix, by_letter(candidates))
    seats = await sitting.seats(Role.JUDGE, count, prefix.system, longest)
    works = [partial(_judge, sitting, prefix, candidates, seat) for seat in enumerate(seats, 1)]
    votes = await side_by_side(works)
    sitting.ended.extend(f"judge.{number}" for number in range(1, len(works) + 1))
    return [vote for vote in votes if vote is not None]


async def _judge(
    sitting: Sitting, prefix: Prefix, candidates: Sequence[Candidate], seat: tuple[int, list[Route]]
) -> Vote | None:
    number, routes = seat
    step = f"judge.{number}"

    async def work(seat: Seat) -> Vote:
        order = list(candidates)
        random.Random(seat.attempt.seed).shuffle(order)  # noqa: S311 - a repeatable order, no secret
        there = await _compare(sitting, seat, prefix, order, "prompt")
        back = await _compare(sitting, seat, prefix, order[::-1], "prompt.reversed")
        return _vote(step, seat.engine.info.name, there, back)

    spec = StepSpec(step, StepKind.ADJUDICATE, reads=tuple(sitting.ended))
    return await sitting.take_seat(spec, routes, work, Vote)


async def _compare(
    sitting: Sitting, seat: Seat, prefix: Prefix, order: list[Candidate], name: str
) -> tuple[str | None, str]:
    """The name of the candidate that the judge takes in this order, None for a tie; and its reason."""
    settings = sitting.role(Role.JUDGE)
    shown = by_letter(order)
    prompt = await seat.attempt.given(name, _prompt(prefix, shown))
    request = ChatRequest(
        messages=prefix.messages(prompt),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=seat.attempt.seed,
        schema=_schema(list(shown)),
    )
    retries = sitting.kit.settings.council.schema_retries
    choice = await generate_json(seat, request, partial(_choice, shown), retries=retries)
    return (None if choice.best == TIE else shown[choice.best].name), choice.reason


def _prompt(prefix: Prefix, shown: Mapping[str, Candidate]) -> str:
    ask = instruction("judge", letters=", ".join(shown))
    return prefix.ask(show_candidates(shown, "Candidate"), ask)


def _choice(shown: Mapping[str, Candidate], raw: bytes) -> _Choice:
    """A judge's answer. Raises `ValueError` with what is wrong."""
    choice = msgspec.json.decode(raw, type=_Choice)
    if choice.best not in {*shown, TIE}:
        raise ValueError(f'"best" is {choice.best!r}, not one of {", ".join(shown)} or "tie"')
    return choice


def _vote(judge: str, engine: str, there: tuple[str | None, str], back: tuple[str | None, str]) -> Vote:
    if there[0] != back[0]:
        why = f"contradicted itself: {_said(there)} in one order, {_said(back)} in the other"
        return Vote(judge=judge, engine=engine, choice=None, reason=why)
    if there[0] is None:
        return Vote(judge=judge, engine=engine, choice=None, reason=f"called it a tie: {there[1]}")
    return Vote(judge=judge, engine=engine, choice=there[0], reason=there[1])


def _said(said: tuple[str | None, str]) -> str:
    return said[0] or "a tie"


def _schema(shown: list[str]) -> dict[str, Json]:
    properties: dict[str, Json] = {
        "best": {"type": "string", "enum": [*shown, TIE]},
        "reason": {"type": "string"},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": ["best", "reason"],
        "additionalProperties": False,
    }
