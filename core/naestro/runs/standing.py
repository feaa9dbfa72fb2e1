"""Where each step stands while a run is executed: what its next attempt needs to know, in memory for one pass.

It is read from the history when a pass of the flow begins and kept up to date by the run's own steps. What changes
from outside (a patch, a re-run) begins a new pass. Above stands the run, below the projections.
"""

import hashlib
from dataclasses import dataclass, field
from itertools import takewhile

import msgspec

from naestro.runs.attempt import Memory
from naestro.runs.history import History
from naestro.runs.outbox import Outbox
from naestro.runs.records import CallRecord, InputRecord, RevisionRecord, StepRecord, StepState
from naestro.types import Digest, Fault

SEED_MASK = 0x7FFF_FFFF
"""Seeds are 31 bits: what every engine takes."""


@dataclass(slots=True)
class Standing:
    """One step at its current revision."""

    revision: int
    seed_revision: int
    """The revision that the seed derives from: a replay takes the recorded run's."""
    memory: Memory
    attempts: int = 0
    output: Digest | None = None
    dropped: Fault | None = None
    outbox: Outbox | None = field(default=None, repr=False)
    """Of the newest attempt of this pass."""
    is_active: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether it has an output, or the run goes on without it."""
        return self.output is not None or self.dropped is not None


def standing_of(name: str, history: History, recorded: History | None) -> Standing:
    """Where the step `name` stands by `history`; `recorded` is the run that this one replays."""
    step, past = history.steps.get(name), recorded.steps.get(name) if recorded is not None else None
    now = step.last if step is not None else RevisionRecord(1)
    is_replayed = past is not None and now.revision == 1
    inputs = dict(past.last.inputs) if past is not None and is_replayed else {}
    if step is not None:
        inputs |= patched_inputs(step)
    return Standing(
        revision=now.revision,
        seed_revision=past.revision if past is not None and is_replayed else now.revision,
        memory=Memory(
            inputs,
            {one.name: one.value for one in now.inputs.values()},
            now.attempts,
            told_by_tools(recorded.run, past) if recorded is not None and past is not None else (),
        ),
        attempts=now.attempts[-1].attempt if now.attempts else 0,
        output=now.output,
        dropped=now.fault if now.state is StepState.DROPPED else None,
    )


def told_by_tools(run: str, step: StepRecord) -> list[CallRecord]:
    """The calls of tools of the step's last revision that have a result, each under a name that tells the run."""
    calls = (call for call in step.last.calls if call.tool and call.state == "finished")
    return [msgspec.structs.replace(call, call=f"{run}/{call.call}") for call in calls]


def patched_inputs(step: StepRecord) -> dict[str, InputRecord]:
    """The texts that a person gave the current revision of `step`.

    They last over re-runs and further patches of the step itself. A revision opened because another step changed
    begins without them: they were written for what that step said before.
    """
    found: dict[str, InputRecord] = {}
    for one in takewhile(lambda one: one.cause == step.name, reversed(step.revisions)):
        if one.patch is not None and not one.is_given:
            found.setdefault(
                one.patch.target, InputRecord(one.patch.target, one.patch.after, is_patched=True)
            )
    return found


def seed_of(run_seed: int, step: str, revision: int) -> int:
    """The seed of a step's revision, 31 bits: the same in every process, another for every name and revision."""
    digest = hashlib.sha256(f"{run_seed}/{step}/{revision}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & SEED_MASK
