"""The council's stages as the protocol's plan: which there are, and how far each is.

`projection` above feeds it with steps and sends the list whenever it changed. Pure. A stage that turns out not to be
needed (an early exit, an answer without a change) leaves the list when the run ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from acp.helpers import plan_entry
from acp.schema import PlanEntry, PlanEntryStatus

from naestro.types import Json, StepKind

_WORDS: Mapping[StepKind, str] = {
    StepKind.RETRIEVE: "Look for the code that matters",
    StepKind.PROPOSE: "Propose",
    StepKind.EXECUTE: "Check what was proposed",
    StepKind.CRITIQUE: "Criticise",
    StepKind.SYNTHESIZE: "Merge",
    StepKind.ADJUDICATE: "Decide",
    StepKind.APPLY: "Apply the change",
}
_CHANGING = ("orchestrate", "test")
"""Commands that may change files."""


@dataclass(slots=True)
class Plan:
    """The stages of one run, in order, with the steps of each."""

    stages: dict[StepKind, dict[str, bool]] = field(default_factory=dict[StepKind, dict[str, bool]])
    """By stage: its steps, each with whether it is over."""
    proposers: int = 0
    is_waiting: bool = False
    """Whether a person is asked about a change."""

    @classmethod
    def of(cls, command: str, settings: Mapping[str, Json]) -> "Plan":
        """The plan of a run of `command` with its recorded `settings`."""
        council = _section(settings, "council")
        proposers = _number(council.get("proposers"), 0)
        left_out = {StepKind.APPLY} if command not in _CHANGING else set[StepKind]()
        if command == "review":
            left_out |= {StepKind.EXECUTE, StepKind.ADJUDICATE}
        elif command == "judge" or proposers == 1:
            left_out |= {StepKind.CRITIQUE, StepKind.SYNTHESIZE}
        if _number(council.get("critics"), 1) == 0:
            left_out.add(StepKind.CRITIQUE)
        kinds = [kind for kind in _WORDS if kind not in left_out]
        return cls({kind: {} for kind in kinds}, proposers if command != "judge" else 0)

    def begin(self, kind: StepKind, step: str) -> None:
        """A step of a stage works."""
        if kind not in self.stages:
            order = list(_WORDS)
            steps = {**self.stages, kind: {}}
            self.stages = {one: steps[one] for one in sorted(steps, key=order.index)}
        self.stages[kind][step] = False

    def end(self, kind: StepKind, step: str) -> None:
        """A step is over, well or not."""
        if kind in self.stages:
            self.stages[kind][step] = True

    def close(self) -> None:
        """The run came to its end: what never began was not needed."""
        self.stages = {kind: dict.fromkeys(steps, True) for kind, steps in self.stages.items() if steps}
        self.is_waiting = False

    def entries(self) -> list[PlanEntry]:
        """The whole list as it stands."""
        return [
            plan_entry(self._words(kind), priority="medium", status=self._status(kind, steps))
            for kind, steps in self.stages.items()
        ]

    def _status(self, kind: StepKind, steps: Mapping[str, bool]) -> PlanEntryStatus:
        if kind is StepKind.APPLY and self.is_waiting:
            return "in_progress"
        if not steps:
            return "pending"
        wanted = self.proposers if kind is StepKind.PROPOSE else 0
        is_later = any(self.stages[one] for one in list(self.stages)[list(self.stages).index(kind) + 1 :])
        return "completed" if all(steps.values()) and (len(steps) >= wanted or is_later) else "in_progress"

    def _words(self, kind: StepKind) -> str:
        words = _WORDS[kind]
        if kind is StepKind.APPLY and self.is_waiting:
            return f"{words}: waits for a yes"
        if kind is StepKind.PROPOSE and self.proposers > 1:
            done = sum(self.stages[kind].values())
            return f"{words}: {done} of {max(self.proposers, len(self.stages[kind]))}"
        return words


def _section(settings: Mapping[str, Json], name: str) -> dict[str, Json]:
    section = settings.get(name)
    # JSON has no other objects than those with texts as keys.
    return cast("dict[str, Json]", section) if isinstance(section, dict) else {}


def _number(value: Json, default: int) -> int:
    return value if isinstance(value, int) else default
