"""The synthesizer: one more candidate, made of what is right in the proposals.

It is a candidate like the others: executed, out when it fails, and judged blind among them, so that merging can not
make the result worse by itself. Above, the commands; below, the sitting.
"""

from collections.abc import Sequence

from naestro.council.generate import Seat
from naestro.council.material import by_letter, show_candidates, show_findings
from naestro.council.prefix import Prefix
from naestro.council.propose import Ask, write
from naestro.council.roles import Role
from naestro.council.sitting import Sitting
from naestro.council.verdict import Candidate, Finding, Proposal
from naestro.engines.engine import ChatRequest
from naestro.runs.run import StepSpec
from naestro.types import StepKind


async def synthesize(
    sitting: Sitting, prefix: Prefix, ask: Ask, candidates: Sequence[Candidate], findings: Sequence[Finding]
) -> Proposal | None:
    """The merged proposal; None where nobody could write it. `ask` is the synthesizer's instruction."""
    shown = by_letter(candidates)
    material = show_candidates(shown, "Proposal")
    user = prefix.ask(material, show_findings(findings, shown), ask.text)
    settings = sitting.role(Role.SYNTHESIZER)

    async def work(seat: Seat) -> Proposal:
        prompt = await seat.attempt.given("prompt", user)
        request = ChatRequest(
            messages=prefix.messages(prompt, material),
            max_tokens=ask.max_tokens,
            temperature=settings.temperature,
            seed=seat.attempt.seed,
        )
        return await write(seat, request)

    seats = await sitting.seats(Role.SYNTHESIZER, 1, prefix.system, user)
    if not seats:
        return None
    spec = StepSpec("synthesize", StepKind.SYNTHESIZE, reads=tuple(sitting.ended))
    merged = await sitting.take_seat(spec, seats[0], work, Proposal)
    sitting.ended.append("synthesize")
    return merged
