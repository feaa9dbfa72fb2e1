"""What a run waits for: the open questions that still stand, and how to answer them from a shell.

`watch` asks them and `trace` shows them; below stands the history.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from naestro.runs.history import History
from naestro.runs.records import InterruptRecord
from naestro.terminal.text import printable, readable
from naestro.types import Digest


@dataclass(frozen=True, slots=True)
class Question:
    """What a run asks."""

    interrupt: str
    text: str
    options: list[str]
    payload: Digest | None
    """Artifact: what it is about, a diff for instance."""


def waiting(history: History) -> list[Question]:
    """The open questions that still stand: one about a step's older revision is asked anew, or never."""
    return [
        Question(one.interrupt, one.question, one.options, one.payload)
        for one in history.open_interrupts
        if _is_current(one, history)
    ]


def _is_current(one: InterruptRecord, history: History) -> bool:
    return one.step is None or history.step(one.step).revision == one.revision


def question_lines(history: History, artifact: Callable[[Digest], bytes]) -> Iterator[str]:
    """The questions that wait, each with what it is about and how to answer it."""
    for question in waiting(history):
        if question.payload is not None:
            yield readable(artifact(question.payload))
        answers = "|".join(question.options) or "TEXT"
        yield f"The run {history.run} waits for an answer: {printable(question.text)}"
        yield f"`naestro resume {history.run} --answer {answers}` answers and goes on."
