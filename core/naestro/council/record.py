"""Each engine's record: how often its work proved right before, as weights for votes.

What counts is a verified outcome alone, which is a person's act in the journal: a patch that was applied, one that
was declined or taken back, a verdict that was overridden. No judge's opinion counts. Until there are any, all engines
weigh the same. Above stands `adjudicate`; below, the journal. Kinds of task are told apart by the command.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from naestro.council.candidates import author_step
from naestro.council.sitting import Sitting
from naestro.council.verdict import Verdict
from naestro.runs.attempt import Attempt
from naestro.runs.history import History
from naestro.runs.reader import Reader
from naestro.runs.run import StepSpec
from naestro.types import StepKind, Value

HALF_LIFE_DAYS = 30.0
"""An outcome counts half after this time: models and code bases change."""
RUNS_READ = 300
"""The newest runs that are looked at; by the half-life older ones hardly count."""

Side = Literal["proposer", "judge"]


class Outcome(Value, frozen=True):
    """One verified outcome: an engine was right or wrong in a role."""

    engine: str
    role: Side
    is_win: bool
    age_days: float


class Weights(Value, frozen=True):
    """What each engine's voice weighs by role, from 0 to 1; one without an entry counts whole."""

    proposer: dict[str, float] = {}
    judge: dict[str, float] = {}
    outcomes: int = 0
    """How many verified outcomes they rest on; 0 means that all weigh the same."""


async def weigh(sitting: Sitting) -> Weights:
    """The weights of this run, as a step of its own, so that a person can see and patch them."""

    async def work(_: Attempt) -> Weights:
        journal, command = sitting.kit.journal, sitting.run.started.command
        outcomes = await journal.read(read_outcomes, journal.reader, command)
        return weights_of(outcomes, sitting.kit.engines.names)

    spec = StepSpec("weigh", StepKind.ADJUDICATE)
    weights = await sitting.run.step(spec, work, Weights)
    sitting.ended.append("weigh")
    return weights


def weights_of(outcomes: Sequence[Outcome], engines: Iterable[str]) -> Weights:
    """The weights of `engines` by `outcomes`."""
    names = list(engines)
    return Weights(
        proposer={name: posterior(_of(outcomes, name, "proposer")) for name in names},
        judge={name: posterior(_of(outcomes, name, "judge")) for name in names},
        outcomes=len(outcomes),
    )


def posterior(outcomes: Iterable[Outcome]) -> float:
    """The mean of the Beta posterior over `outcomes` of one engine in one role; 0.5 without any (uniform prior)."""
    wins = losses = 1.0
    for outcome in outcomes:
        weight = 0.5 ** (outcome.age_days / HALF_LIFE_DAYS)
        wins += weight * outcome.is_win
        losses += weight * (not outcome.is_win)
    return wins / (wins + losses)


def read_outcomes(reader: Reader, command: str, now: datetime | None = None) -> list[Outcome]:
    """The verified outcomes of the newest runs of `command`; ages count until `now`."""
    until = now if now is not None else datetime.now(UTC)
    found: list[Outcome] = []
    for info in reader.runs(RUNS_READ):
        if info.command == command:
            found.extend(outcomes_of(History.of(reader.events(info.id)), reader, until))
    return found


def outcomes_of(history: History, reader: Reader, until: datetime) -> list[Outcome]:
    """The verified outcomes of one run: who was right by what the person did."""
    adjudicated = history.steps.get("adjudicate")
    if adjudicated is None or adjudicated.last.output is None:
        return []
    age_days = max(0.0, (until - datetime.fromisoformat(history.updated_at)).total_seconds() / 86_400)
    verdict = msgspec.json.decode(reader.artifact(adjudicated.last.output), type=Verdict)
    patch = adjudicated.last.patch
    if patch is None or not adjudicated.last.is_given:
        accepted = _accepted(history)
        return [] if accepted is None else _ruled(history, verdict, accepted, age_days)
    before = msgspec.json.decode(reader.artifact(patch.before), type=Verdict)
    overruled = [] if before.winner == verdict.winner else _ruled(history, before, False, age_days)
    return [*overruled, *_ruled(history, verdict, True, age_days)]


def _accepted(history: History) -> bool | None:
    """Whether the person took the patch: True applied, False declined or taken back, None for no word on it."""
    if history.changes:
        return history.changes[-1].undone is None
    asked = [one for one in history.interrupts.values() if one.kind == "approve" and one.answer is not None]
    return None if not asked else asked[-1].answer == "yes"


def _ruled(history: History, verdict: Verdict, is_right: bool, age_days: float) -> list[Outcome]:
    """The outcomes of a verdict that a person found right or wrong: of its winner's author, of the judges' votes."""
    author = history.steps.get(author_step(verdict.winner))
    engine = author.engine if author is not None else None
    found: list[Outcome] = []
    if engine is not None:
        found.append(Outcome(engine=engine, role="proposer", is_win=is_right, age_days=age_days))
    for vote in verdict.votes:
        if vote.choice is not None and (is_right or vote.choice == verdict.winner):
            is_win = is_right and vote.choice == verdict.winner
            found.append(Outcome(engine=vote.engine, role="judge", is_win=is_win, age_days=age_days))
    return found


def _of(outcomes: Iterable[Outcome], engine: str, role: Side) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.engine == engine and outcome.role == role]
