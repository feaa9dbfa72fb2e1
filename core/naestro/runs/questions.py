"""The questions that a run puts to a person, and the waiting for answers: in memory, for one pass of the flow.

`interrupts` writes the answers, from any task of the process; the run's watcher brings them here. What is kept over
restarts is in the events alone.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import anyio

from naestro.runs.drafts import Draft, digest_of
from naestro.runs.history import History
from naestro.runs.journal import Journal
from naestro.runs.records import InterruptRecord
from naestro.types import InterruptAnswered, InterruptOpened

InterruptKind: TypeAlias = Literal["approve", "patch", "override", "answer", "pause"]

WITHDRAWN = "withdrawn"
"""The answer to a question whose subject has changed before a person answered."""

SELF = "naestro"
"""Who gave an answer that no person gave."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. The same name with another payload or revision is another question."""

    name: str
    kind: InterruptKind
    text: str
    options: list[str]
    payload: bytes | None = None
    step: str | None = None
    revision: int | None = None


class Questions:
    """The questions of one run that is being executed."""

    def __init__(self, journal: Journal, history: History, recorded: History | None) -> None:
        """`recorded` is the run that this one replays: its answers serve again, except approvals."""
        self._journal = journal
        self._run = history.run
        self._known = dict(history.interrupts)
        self._recorded = recorded
        self._answers: dict[str, anyio.Event] = {}

    async def ask(self, question: Question) -> str:
        """The answer: one given before, or the one that comes, as long as that takes."""
        record = self._find(question)
        if record is None:
            record = await self._open(question)
        if record.answer is None:
            await self._answers.setdefault(record.interrupt, anyio.Event()).wait()
        return str(record.answer)

    def take(self, data: InterruptAnswered) -> None:
        """An answer was written: wake who waits for it."""
        record = self._known.get(data.interrupt)
        if record is None:
            return
        record.answer, record.by = data.answer, data.by
        if (waits := self._answers.pop(data.interrupt, None)) is not None:
            waits.set()

    def _family(self, name: str) -> list[InterruptRecord]:
        """All questions of that name, oldest first: `name`, `name#2`, ..."""
        return [one for one in self._known.values() if one.interrupt.partition("#")[0] == name]

    def _find(self, question: Question) -> InterruptRecord | None:
        """The newest question of that name, when it is about the same thing."""
        family = self._family(question.name)
        is_same = bool(family) and _subject(question) == (
            family[-1].payload,
            family[-1].step,
            family[-1].revision,
        )
        return family[-1] if is_same else None

    async def _open(self, question: Question) -> InterruptRecord:
        family = self._family(question.name)
        payload, step, revision = _subject(question)
        record = InterruptRecord(
            interrupt=question.name if not family else f"{question.name}#{len(family) + 1}",
            kind=question.kind,
            question=question.text,
            options=question.options,
            payload=payload,
            step=step,
            revision=revision,
            opened="",
        )
        self._known[record.interrupt] = record
        withdrawn = [InterruptAnswered(one.interrupt, WITHDRAWN, SELF) for one in family if one.is_open]
        opened = InterruptOpened(record.interrupt, record.kind, record.question, record.options, payload)
        await self._journal.write(
            self._run,
            *map(Draft, withdrawn),
            Draft(opened, step=step, revision=revision),
            *map(Draft, self._recorded_answer(record)),
            artifacts=() if question.payload is None else (question.payload,),
        )
        return record

    def _recorded_answer(self, record: InterruptRecord) -> list[InterruptAnswered]:
        """The answer of the run that this one replays. An approval is given anew: it may change files."""
        if self._recorded is None or record.kind == "approve":
            return []
        past = self._recorded.interrupts.get(record.interrupt)
        if past is None or past.answer is None or past.payload != record.payload:
            return []
        record.answer, record.by = past.answer, f"replay of {self._recorded.run}"
        return [InterruptAnswered(record.interrupt, past.answer, record.by)]


def _subject(question: Question) -> tuple[str | None, str | None, int | None]:
    payload = None if question.payload is None else digest_of(question.payload)
    return payload, question.step, question.revision
