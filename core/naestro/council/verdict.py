"""The values that the council's steps hand on: proposals, candidates, findings, votes, the verdict, the result.

Every step's output is one of these, recorded in the journal as JSON. This module holds no logic beyond what a value
says of itself; `adjudicate` makes verdicts, `answers` makes results.
"""

from enum import StrEnum
from typing import Literal

from naestro.config import Consensus
from naestro.council.citations import Citation
from naestro.council.execute import Evidence, ExecutionReport
from naestro.council.outcome import SuiteOutcome
from naestro.policy.changes import Change
from naestro.types import Value

Kind = Literal["answer", "change"]
Wants = Literal["answer", "change", "either"]
"""What a command takes from a proposer."""
Severity = Literal["blocker", "major", "minor"]
MERGED = "merged"
"""The name of the candidate that the synthesizer wrote."""


class Proposal(Value, frozen=True):
    """What one proposer, or the synthesizer, wrote; the output of its step."""

    text: str
    engine: str
    temperature: float
    seed: int
    finish_reason: str = "stop"
    """`length` where the token limit cut it."""


class Candidate(Value, frozen=True):
    """A proposal with what executing it showed."""

    name: str
    """`propose.2`, or `merged`; judges never see it."""
    engine: str
    text: str
    report: ExecutionReport
    is_cut: bool = False
    """Whether the token limit cut it."""

    @property
    def kind(self) -> Kind:
        """Whether it changes files."""
        return "change" if self.report.changes else "answer"


class Finding(Value, frozen=True):
    """A critic's claim, and what checking it against files and evidence gave."""

    critic: str
    """The step that found it."""
    candidate: str
    severity: Severity
    path: str
    line: int
    claim: str
    standing: Literal["verified", "checked", "opinion"]
    """`verified`: executed evidence failed at that place; `checked`: the cited line exists; else `opinion`."""


class Findings(Value, frozen=True):
    """The output of a critique."""

    findings: list[Finding]


class Vote(Value, frozen=True):
    """One judge's vote, after it compared in both orders."""

    judge: str
    """The judge's step."""
    engine: str
    choice: str | None
    """The candidate's name; None for an abstention."""
    reason: str
    """What the judge wrote, or why it abstains."""


class RungNote(Value, frozen=True):
    """What one rung of the ladder decided."""

    rung: str
    kept: list[str]
    dropped: dict[str, str]
    """Candidate to reason."""


class Dissent(Value, frozen=True):
    """A voice against the verdict."""

    source: str
    """The step it came from."""
    candidate: str
    """The candidate that it speaks for."""
    text: str


class Certainty(StrEnum):
    """How sure a verdict is, in one word; `CERTAINTY_TEXT` says what each means."""

    CHECKED = "checked"
    AGREED = "agreed"
    MAJORITY = "majority"
    JUDGED = "judged"
    RECORD = "record"
    TIED = "tied"
    ALONE = "alone"
    PERSON = "person"
    COLLECTED = "collected"


CERTAINTY_TEXT: dict[Certainty, str] = {
    Certainty.CHECKED: "the only one that passed the executed checks",
    Certainty.AGREED: "all proposals agree, which is no proof: nothing was run",
    Certainty.MAJORITY: "most proposals agree, which is no proof: nothing was run",
    Certainty.JUDGED: "chosen by judges, which is an opinion",
    Certainty.RECORD: "a tie, broken by which engine's work was accepted more often before",
    Certainty.TIED: "a tie: another candidate is as good by all that was checked",
    Certainty.ALONE: "the only proposal; it was compared with nothing",
    Certainty.PERSON: "chosen by a person",
    Certainty.COLLECTED: "what several found, put together; that a place exists was checked, the rest is opinion",
}


class Verdict(Value, frozen=True, kw_only=True):
    """Which candidate won, how, and who was against it; the output of `adjudicate`."""

    winner: str
    certainty: Certainty
    method: str
    """One sentence on how it was decided."""
    consensus: Consensus
    tied: list[str] = []
    """The candidates among which no decision was possible, the winner included; empty where there was one."""
    votes: list[Vote] = []
    weights: dict[str, float] = {}
    """By engine, where votes were weighted."""
    rungs: list[RungNote] = []
    dissent: list[Dissent] = []

    @property
    def is_tie(self) -> bool:
        """Whether the winner is shown only because one must be shown first."""
        return bool(self.tied)


class CouncilResult(Value, frozen=True, kw_only=True):
    """What a run of the council comes to; what it used up stands in `run.finished`, so that runs can be compared."""

    answer: str
    """Text with checked citations; for a change, the winner's own words."""
    patch: str | None = None
    """Unified diff, or None for an answer."""
    changes: list[Change] = []
    is_applied: bool = False
    citations: list[Citation] = []
    citations_removed: int = 0
    evidence: list[Evidence] = []
    verdict: Verdict
    findings: list[Finding] = []
    tests: SuiteOutcome | None = None
    """What running tests of the workspace showed, after the person's yes."""
    warnings: list[str] = []
    """First among them, where it applies, that the answer was given with less."""
