"""The proposers: side by side, blind to one another, each with its own engine, temperature and seed.

A proposer that fails is dropped with its reason (one that found the prompt too long is given another engine first);
the run fails only when nobody proposed anything. Above, the deliberation calls `propose`; below stands the sitting.
This module knows no patch grammar: the instruction comes ready.
"""

from dataclasses import dataclass
from functools import partial

from naestro.council.budget import request_tokens
from naestro.council.generate import Seat, generate
from naestro.council.look_up import look_up
from naestro.council.prefix import Prefix
from naestro.council.roles import Role
from naestro.council.sitting import Sitting, side_by_side
from naestro.council.verdict import Proposal
from naestro.engines.engine import ChatRequest, Completion
from naestro.errors import ContextTooLong, NoProposal
from naestro.routing.pool import Route
from naestro.runs.run import StepSpec
from naestro.types import StepKind

COOLEST = 0.5
"""The share of the role's temperature that the first proposer gets; the last one gets all of it. Equal ones on one
engine would only repeat one another, and small models lose the thread when all are warm."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a writing role is told at the end of its message, and how much it may write."""

    text: str
    max_tokens: int


async def propose(sitting: Sitting, prefix: Prefix, ask: Ask) -> dict[str, Proposal]:
    """The proposals by step name; `ask` is the proposers' instruction.

    Raises `NoProposal` when all failed, `ContextTooLong` when the prompt is larger than every engine's context.
    """
    user = prefix.ask(ask.text)
    needed = request_tokens(prefix.system, user, max_tokens=ask.max_tokens)
    count = sitting.kit.settings.council.proposers
    routes = sitting.kit.engines.for_role(Role.PROPOSER, count, needed_tokens=needed)
    message = Ask(user, ask.max_tokens)
    seats = [partial(_propose_one, sitting, prefix, message, place) for place in enumerate(routes, 1)]
    made = await side_by_side(seats)
    sitting.ended.extend(f"propose.{number}" for number in range(1, count + 1))
    proposals = {f"propose.{number}": one for number, one in enumerate(made, 1) if one is not None}
    if not proposals:
        raise NoProposal(f"All {count} proposers failed. {sitting.losses[0]}")
    return proposals


async def _propose_one(
    sitting: Sitting, prefix: Prefix, message: Ask, place: tuple[int, Route]
) -> Proposal | None:
    number, route = place
    desk = await sitting.desk("proposer")
    temperature = spread_temperature(sitting, number)

    async def work(seat: Seat) -> Proposal:
        prompt = await seat.attempt.given("prompt", message.text)
        request = ChatRequest(
            messages=prefix.messages(prompt),
            max_tokens=message.max_tokens,
            temperature=temperature,
            seed=seat.attempt.seed,
        )
        looked = await look_up(seat, request, desk, sitting.tool_calls(seat.engine.info.name))
        return await write(seat, looked.request, looked.completion)

    spec = StepSpec(f"propose.{number}", StepKind.PROPOSE, reads=tuple(sitting.ended))
    others = sitting.kit.engines.alternatives(Role.PROPOSER, route)
    return await sitting.take_seat(spec, others, work, Proposal, reroute_on=ContextTooLong)


def spread_temperature(sitting: Sitting, number: int) -> float:
    """Of proposer `number`, from 1: spread evenly from a part of the role's temperature to all of it."""
    others = sitting.kit.settings.council.proposers - 1
    share = COOLEST + (1 - COOLEST) * (number - 1) / others if others else COOLEST
    return round(sitting.role(Role.PROPOSER).temperature * share, 3)


async def write(seat: Seat, request: ChatRequest, written: Completion | None = None) -> Proposal:
    """What the engine of `seat` writes to `request`, or has `written`, as a proposal."""
    completion = written or await generate(seat, request)
    return Proposal(
        text=completion.text,
        engine=seat.engine.info.name,
        temperature=request.temperature,
        seed=request.seed,
        finish_reason=completion.finish_reason,
    )
