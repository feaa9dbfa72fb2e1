"""The stages of a review: reviewers find, what they found is put together, critics object, all of it is told.

A finding counts only with a line that exists in what was reviewed; the same fault found by several is told once, with
all who say so. An objection hides nothing: a disputed finding stands last, with the objection. Above, the command
`review`; below, the sitting. Pure functions stand at the end.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from naestro.council.changed import Ground
from naestro.council.generate import Seat, generate_json
from naestro.council.look_up import look_up
from naestro.council.prefix import fence
from naestro.council.propose import spread_temperature
from naestro.council.roles import Role, instruction
from naestro.council.sitting import Sitting, side_by_side
from naestro.council.verdict import MERGED, Finding, Findings, Severity
from naestro.engines.engine import ChatRequest
from naestro.errors import ContextTooLong, NoProposal
from naestro.routing.pool import Route
from naestro.runs.attempt import Attempt
from naestro.runs.run import StepSpec
from naestro.types import Json, StepKind, Value

FINDINGS_MAX = 5
"""Findings of one reviewer: more is noise from a small model."""
NEAR_LINES = 2
"""Lines between two places that may show the same fault."""
ALIKE = 1 / 3
"""Of the shorter claim's words, how many two claims of one fault share."""
_SEVERITIES: tuple[Severity, ...] = ("blocker", "major", "minor")
_WORD = re.compile(r"\w{4,}")


class Reviewed(Value, frozen=True):
    """The output of one reviewer."""

    findings: list[Finding]
    dropped: int
    """Findings whose place does not exist."""


class Objection(Value, frozen=True):
    """A critic's word against a finding."""

    critic: str
    """The step."""
    number: int
    """Of the finding, from 1, as they were merged."""
    reason: str


class Objections(Value, frozen=True):
    """The output of a critique of findings."""

    objections: list[Objection]


class _Fault(msgspec.Struct, frozen=True):
    severity: Severity
    path: str
    line: int
    claim: str


class _Faults(msgspec.Struct, frozen=True):
    findings: list[_Fault]


class _Wrong(msgspec.Struct, frozen=True):
    number: int
    reason: str


class _Wrongs(msgspec.Struct, frozen=True):
    wrong: list[_Wrong]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all seats of one stage are asked."""

    ground: Ground
    user: str
    schema: dict[str, Json]


async def find(sitting: Sitting, ground: Ground) -> list[Reviewed]:
    """What each reviewer found. Raises `NoProposal` when all failed, `ContextTooLong` where no engine holds it."""
    first = ground.spans[0]
    part = instruction("propose_review", most=str(FINDINGS_MAX), path=first.path, line=str(first.start))
    user = ground.prefix.ask(part)
    count = sitting.kit.settings.council.proposers
    seats = await sitting.seats(Role.PROPOSER, count, ground.prefix.system, user)
    asked = _Asked(ground, user, _faults_schema(list(ground.lines)))
    made = await side_by_side([partial(_find_one, sitting, asked, seat) for seat in enumerate(seats, 1)])
    sitting.ended.extend(f"propose.{number}" for number in range(1, len(seats) + 1))
    found = [one for one in made if one is not None]
    if not found:
        raise NoProposal(f"All {count} reviewers failed. {sitting.losses[0]}")
    return found


async def _find_one(sitting: Sitting, asked: _Asked, seat: tuple[int, list[Route]]) -> Reviewed | None:
    number, routes = seat
    step = f"propose.{number}"
    settings = sitting.role(Role.PROPOSER)
    desk = await sitting.desk("proposer")

    async def work(seat: Seat) -> Reviewed:
        prompt = await seat.attempt.given("prompt", asked.user)
        request = ChatRequest(
            messages=asked.ground.prefix.messages(prompt),
            max_tokens=settings.max_tokens,
            temperature=spread_temperature(sitting, number),
            seed=seat.attempt.seed,
            schema=asked.schema,
        )
        retries = sitting.kit.settings.council.schema_retries
        looked = await look_up(seat, request, desk, sitting.tool_calls(seat.engine.info.name))
        faults = await generate_json(
            seat, looked.request, _faults_in, retries=retries, written=looked.completion
        )
        return checked(f"{step} ({seat.engine.info.name})", faults, asked.ground)

    spec = StepSpec(step, StepKind.PROPOSE, reads=tuple(sitting.ended))
    return await sitting.take_seat(spec, routes, work, Reviewed, reroute_on=ContextTooLong)


async def put_together(sitting: Sitting, reviews: Sequence[Reviewed]) -> list[Finding]:
    """All findings, each fault once, the worst and most often found first; as a step, so that a person can patch it."""

    async def work(_: Attempt) -> Findings:
        return Findings(findings=merged([finding for one in reviews for finding in one.findings]))

    spec = StepSpec("synthesize", StepKind.SYNTHESIZE, reads=tuple(sitting.ended))
    together = await sitting.run.step(spec, work, Findings)
    sitting.ended.append(spec.name)
    return together.findings


async def dispute(sitting: Sitting, ground: Ground, findings: Sequence[Finding]) -> list[Objection]:
    """What critics say against the findings; nothing where there are none, or no critic could answer."""
    if not findings:
        return []
    listed = [f"{number}. {shown(one)}" for number, one in enumerate(findings, 1)]
    section = "\n".join(["# Findings", fence("findings", "\n".join(listed))])
    user = ground.prefix.ask(section, instruction("critique_review"))
    seats = await sitting.seats(Role.CRITIC, sitting.kit.settings.council.critics, ground.prefix.system, user)
    asked = _Asked(ground, user, _wrongs_schema(len(findings)))
    works = [partial(_dispute_one, sitting, asked, len(findings), seat) for seat in enumerate(seats, 1)]
    made = await side_by_side(works)
    sitting.ended.extend(f"critique.{number}" for number in range(1, len(seats) + 1))
    return [objection for one in made if one is not None for objection in one.objections]


async def _dispute_one(
    sitting: Sitting, asked: _Asked, count: int, seat: tuple[int, list[Route]]
) -> Objections | None:
    number, routes = seat
    step, settings = f"critique.{number}", sitting.role(Role.CRITIC)
    desk = await sitting.desk("critic")

    async def work(seat: Seat) -> Objections:
        prompt = await seat.attempt.given("prompt", asked.user)
        request = ChatRequest(
            messages=asked.ground.prefix.messages(prompt),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=seat.attempt.seed,
            schema=asked.schema,
        )
        retries = sitting.kit.settings.council.schema_retries
        looked = await look_up(seat, request, desk, sitting.tool_calls(seat.engine.info.name))
        check = partial(_wrongs_in, count)
        wrong = await generate_json(seat, looked.request, check, retries=retries, written=looked.completion)
        return Objections([Objection(critic=step, number=one.number, reason=one.reason) for one in wrong])

    spec = StepSpec(step, StepKind.CRITIQUE, reads=tuple(sitting.ended))
    return await sitting.take_seat(spec, routes, work, Objections)


def shown(finding: Finding) -> str:
    """A finding in one line."""
    return f"{finding.severity} ({finding.path}:{finding.line}): {finding.claim}"


def checked(reviewer: str, faults: Sequence[_Fault], ground: Ground) -> Reviewed:
    """The faults at lines that exist and were shown, as findings of `reviewer`."""
    kept = [
        fault
        for fault in faults
        if 1 <= fault.line <= ground.lines.get(fault.path, 0)
        and any(one.path == fault.path and one.start <= fault.line <= one.end for one in ground.spans)
    ]
    findings = [
        Finding(
            critic=reviewer,
            candidate=MERGED,
            severity=fault.severity,
            path=fault.path,
            line=fault.line,
            claim=" ".join(fault.claim.split()),
            standing="checked",
        )
        for fault in kept
    ]
    return Reviewed(findings=findings, dropped=len(faults) - len(kept))


def merged(findings: Sequence[Finding]) -> list[Finding]:
    """Each fault once: under its first claim, its worst severity and the names of all who found it."""
    groups: list[list[Finding]] = []
    for finding in findings:
        group = next((group for group in groups if _is_same(group[0], finding)), None)
        if group is None:
            groups.append([finding])
        else:
            group.append(finding)
    together = [_one_of(group) for group in groups]
    return sorted(
        together,
        key=lambda one: (_SEVERITIES.index(one.severity), -one.critic.count(","), one.path, one.line),
    )


def _is_same(one: Finding, other: Finding) -> bool:
    if one.path != other.path or abs(one.line - other.line) > NEAR_LINES:
        return False
    words = [set(_WORD.findall(finding.claim.lower())) for finding in (one, other)]
    smaller = min(map(len, words))
    return one.claim == other.claim or (smaller > 0 and len(words[0] & words[1]) >= ALIKE * smaller)


def _one_of(group: Sequence[Finding]) -> Finding:
    return msgspec.structs.replace(
        group[0],
        critic=", ".join(dict.fromkeys(one.critic for one in group)),
        severity=min((one.severity for one in group), key=_SEVERITIES.index),
    )


def _faults_in(raw: bytes) -> list[_Fault]:
    return [one for one in msgspec.json.decode(raw, type=_Faults).findings if one.claim.strip()][
        :FINDINGS_MAX
    ]


def _wrongs_in(count: int, raw: bytes) -> list[_Wrong]:
    """The objections in a critic's answer, one for each finding. Raises `ValueError` for a number that is none."""
    wrong = {one.number: one for one in msgspec.json.decode(raw, type=_Wrongs).wrong}
    for number in wrong:
        if not 1 <= number <= count:
            raise ValueError(f"there is no finding {number}, only 1 to {count}")
    return list(wrong.values())


def _faults_schema(paths: list[str]) -> dict[str, Json]:
    return _list_of(
        "findings",
        {
            "severity": {"type": "string", "enum": list(_SEVERITIES)},
            "path": {"type": "string", "enum": list(paths)},
            "line": {"type": "integer"},
            "claim": {"type": "string"},
        },
        FINDINGS_MAX,
    )


def _wrongs_schema(count: int) -> dict[str, Json]:
    return _list_of("wrong", {"number": {"type": "integer"}, "reason": {"type": "string"}}, count)


def _list_of(name: str, properties: dict[str, Json], most: int) -> dict[str, Json]:
    item: dict[str, Json] = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {name: {"type": "array", "items": item, "maxItems": most}},
        "required": [name],
        "additionalProperties": False,
    }
