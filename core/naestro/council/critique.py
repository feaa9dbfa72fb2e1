"""The critics: they read the proposals and what executing them showed, and each finding is checked.

A finding counts as far as it can be falsified: proved by failed evidence at the place that it names (`verified`),
naming a line that exists (`checked`), else an opinion, and shown as one. Above, the commands; below, the sitting.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec

from naestro.council.candidates import line_counter
from naestro.council.citations import Lines
from naestro.council.generate import Seat, generate_json
from naestro.council.look_up import look_up
from naestro.council.material import by_letter, show_candidates
from naestro.council.prefix import Prefix
from naestro.council.roles import Role, instruction
from naestro.council.sitting import Sitting, side_by_side
from naestro.council.verdict import Candidate, Finding, Findings, Severity
from naestro.engines.engine import ChatRequest
from naestro.policy.buffers import reading
from naestro.routing.pool import Route
from naestro.runs.run import StepSpec
from naestro.types import Json, StepKind

FINDINGS_MAX = 4
"""Findings of one critic: more is noise from a small model, and each costs the later prompts their room."""

_PLACE = re.compile(r"\(?(?P<path>[^()\s]*?)(?::(?P<line>\d+)(?:-\d+)?)?\)?")
"""A path, or a whole citation in its place: `calc.py`, `(calc.py:4-6)`."""


class Fault(msgspec.Struct, frozen=True):
    """A fault as a critic writes it."""

    proposal: str
    severity: Severity
    path: str
    line: int
    claim: str


class _Faults(msgspec.Struct, frozen=True):
    findings: list[Fault]


@dataclass(frozen=True, slots=True)
class Reading:
    """What critics read."""

    prefix: Prefix
    material: str
    """The proposals, as the synthesizer reads them too."""
    user: str
    """The whole user message."""
    shown: dict[str, Candidate]
    """The candidates by letter."""


async def critique(sitting: Sitting, prefix: Prefix, candidates: Sequence[Candidate]) -> list[Finding]:
    """What all critics found, checked; nothing where no critic is asked or could answer."""
    shown = by_letter(candidates)
    material = show_candidates(shown, "Proposal")
    user = prefix.ask(material, instruction("critique", most=str(FINDINGS_MAX)))
    count = sitting.kit.settings.council.critics
    seats = await sitting.seats(Role.CRITIC, count, prefix.system, user)
    read = Reading(prefix, material, user, shown)
    works = [partial(_criticise, sitting, read, seat) for seat in enumerate(seats, 1)]
    made = await side_by_side(works)
    sitting.ended.extend(f"critique.{number}" for number in range(1, len(works) + 1))
    return [finding for findings in made if findings is not None for finding in findings.findings]


async def _criticise(sitting: Sitting, read: Reading, seat: tuple[int, list[Route]]) -> Findings | None:
    number, routes = seat
    settings = sitting.role(Role.CRITIC)
    step = f"critique.{number}"
    desk = await sitting.desk("critic")

    async def work(seat: Seat) -> Findings:
        prompt = await seat.attempt.given("prompt", read.user)
        request = ChatRequest(
            messages=read.prefix.messages(prompt, read.material),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=seat.attempt.seed,
            schema=_schema(list(read.shown)),
        )
        retries = sitting.kit.settings.council.schema_retries
        looked = await look_up(seat, request, desk, sitting.tool_calls(seat.engine.info.name))
        check = partial(faults_in, read.shown)
        faults = await generate_json(seat, looked.request, check, retries=retries, written=looked.completion)
        counter = line_counter(sitting.kit.files)
        checked = await reading(_check_all, step, faults, read.shown, counter)
        return Findings(findings=checked)

    spec = StepSpec(step, StepKind.CRITIQUE, reads=tuple(sitting.ended))
    return await sitting.take_seat(spec, routes, work, Findings)


def faults_in(shown: Mapping[str, Candidate], raw: bytes) -> list[Fault]:
    """The faults in a critic's answer. Raises `ValueError` with what is wrong."""
    faults = msgspec.json.decode(raw, type=_Faults).findings[:FINDINGS_MAX]
    for fault in faults:
        if fault.proposal not in shown:
            raise ValueError(f"there is no proposal {fault.proposal!r}, only {', '.join(shown)}")
    return faults


def _check_all(step: str, faults: list[Fault], shown: Mapping[str, Candidate], lines: Lines) -> list[Finding]:
    return [check(step, fault, shown[fault.proposal], lines) for fault in faults]


def check(step: str, fault: Fault, candidate: Candidate, lines: Lines) -> Finding:
    """A critic's fault as a finding, with how far it can be believed."""
    fault = _placed(fault)
    return Finding(
        critic=step,
        candidate=candidate.name,
        severity=fault.severity,
        path=fault.path,
        line=fault.line,
        claim=fault.claim,
        standing=_standing(fault, candidate, lines),
    )


def _placed(fault: Fault) -> Fault:
    """`fault` with a place that was written as one citation taken apart."""
    match = _PLACE.fullmatch(fault.path.strip())
    if match is None:
        return fault
    line = fault.line or int(match["line"] or 0)
    return msgspec.structs.replace(fault, path=match["path"], line=line)


def _standing(fault: Fault, candidate: Candidate, lines: Lines) -> Literal["verified", "checked", "opinion"]:
    """How far a finding can be believed: failed evidence, an existing line (before or after the change), neither."""
    failed = {(one.path, one.line) for one in candidate.report.evidence if not one.is_passed and one.path}
    if (fault.path, fault.line) in failed:
        return "verified"
    after = [change.after for change in candidate.report.changes if change.path == fault.path]
    counts = (
        [lines(fault.path) or 0, *(len((text or "").splitlines()) for text in after)] if fault.path else []
    )
    return "checked" if 1 <= fault.line <= max(counts, default=0) else "opinion"


def _schema(proposals: list[str]) -> dict[str, Json]:
    """What a critic's answer must look like. Lengths are bounded by the token limit: `maxLength` is slow in engines."""
    fault: dict[str, Json] = {
        "type": "object",
        "properties": {
            "proposal": {"type": "string", "enum": proposals},
            "severity": {"type": "string", "enum": ["blocker", "major", "minor"]},
            "path": {"type": "string"},
            "line": {"type": "integer"},
            "claim": {"type": "string"},
        },
        "required": ["proposal", "severity", "path", "line", "claim"],
        "additionalProperties": False,
    }
    findings: dict[str, Json] = {"type": "array", "items": fault, "maxItems": FINDINGS_MAX}
    return {
        "type": "object",
        "properties": {"findings": findings},
        "required": ["findings"],
        "additionalProperties": False,
    }
