"""What a run has come to, for a caller: its state, its answer, an open question, and how to go on.

The tools above that start, follow or show a run give it; below stands the client. The recorded result is read
leniently, so that a command that comes later is told too.
"""

from collections.abc import Iterator

import msgspec

from naestro.client.api import CallerClient
from naestro.errors import NotInJournal
from naestro.types import (
    Event,
    InterruptAnswered,
    InterruptOpened,
    RunFailed,
    RunFinished,
    RunInfo,
    RunStatus,
    StepFinished,
)
from naestro_mcp.tool import CHARS_OF_TOKEN, Call, Reply

CUT = "\n… cut here: the resource naestro://runs/{run}/patch has all of it."
CUT_ANSWER = "\n… cut here: the resource naestro://runs/{run} has all of it."
YES = "yes"


class Voice(msgspec.Struct):
    """A voice against the verdict."""

    source: str = ""
    candidate: str = ""
    text: str = ""


class Verdict(msgspec.Struct):
    """How it was decided."""

    winner: str = ""
    certainty: str = ""
    method: str = ""
    dissent: list[Voice] = []


class Finding(msgspec.Struct):
    """What a reviewer or critic claims."""

    severity: str = ""
    standing: str = ""
    path: str = ""
    line: int = 0
    claim: str = ""


class Result(msgspec.Struct):
    """Whatever of a command's recorded result is told."""

    answer: str = ""
    patch: str | None = None
    is_applied: bool = False
    verdict: Verdict | None = None
    findings: list[Finding] = []
    warnings: list[str] = []


class Question(msgspec.Struct, omit_defaults=True):
    """What a run waits for."""

    interrupt: str
    kind: str
    text: str
    options: list[str] = []


class Outlined(msgspec.Struct, omit_defaults=True):
    """What is always told of an outcome: as much of its schema as the list of tools has room for."""

    run: str
    status: str
    answer: str = ""
    next: str = ""
    """How to go on, where there is something to do."""


class Outcome(Outlined, omit_defaults=True):
    """What a tool that works on a run gives."""

    patch: str = ""
    is_applied: bool = False
    verdict: Verdict | None = None
    findings: list[Finding] = []
    warnings: list[str] = []
    question: Question | None = None
    steps_done: list[str] = []


def open_questions(events: list[Event]) -> list[InterruptOpened]:
    """What the run of `events` waits for, oldest first."""
    answered = {event.data.interrupt for event in events if isinstance(event.data, InterruptAnswered)}
    opened = {event.data.interrupt: event.data for event in events if isinstance(event.data, InterruptOpened)}
    return [one for name, one in opened.items() if name not in answered]


async def own_run(call: Call, name: str) -> RunInfo:
    """The run that `name` names. Raises `NotInJournal` where none of this workspace is called so."""
    info = await call.host.client.get(name)
    if info.workspace != call.root:
        raise NotInJournal(f"There is no run {name!r} in this workspace.", hint="The tool runs lists them.")
    return info


async def outcome_of(call: Call, run: str) -> Reply:
    """What `run` has come to."""
    client = call.host.client
    info, events = await client.get(run), await client.history(run)
    result = await _result(client, events)
    waiting = open_questions(events)[-1:] if info.status is RunStatus.WAITING else []
    patch = result.patch or ""
    if waiting and waiting[0].payload is not None and not patch:
        patch = (await client.artifact(waiting[0].payload)).decode("utf-8", "replace")
    room = call.options.page_tokens * CHARS_OF_TOKEN // 2
    value = Outcome(
        run=info.id,
        status=info.status.value,
        answer=_cut(result.answer, room, CUT_ANSWER, info.id),
        patch=_cut(patch, room, CUT, info.id),
        is_applied=result.is_applied,
        verdict=result.verdict if result.verdict is not None and result.verdict.winner else None,
        findings=result.findings,
        warnings=[*_faults(events), *result.warnings],
        question=next((Question(q.interrupt, q.kind, q.question, q.options) for q in waiting), None),
        steps_done=[] if info.status is RunStatus.FINISHED else _done(events),
        next=_next(info, waiting),
    )
    return Reply(value, "\n\n".join(_told(value)))


async def _result(client: CallerClient, events: list[Event]) -> Result:
    finished = [event.data for event in events if isinstance(event.data, RunFinished)]
    if not finished:
        return Result()
    return _decoded(await client.artifact(finished[-1].result))


def _decoded(recorded: bytes) -> Result:
    try:
        return msgspec.json.decode(recorded, type=Result)
    except msgspec.DecodeError:
        return Result(answer=recorded.decode("utf-8", "replace"))


def read_patch(recorded: bytes) -> str | None:
    """The change in a run's recorded result."""
    return _decoded(recorded).patch


def _faults(events: list[Event]) -> list[str]:
    last = events[-1].data if events else None
    return [f"{last.fault.message} {last.fault.hint}".strip()] if isinstance(last, RunFailed) else []


def _done(events: list[Event]) -> list[str]:
    steps = (event.step or "" for event in events if isinstance(event.data, StepFinished))
    return list(dict.fromkeys(steps))


def _next(info: RunInfo, waiting: list[InterruptOpened]) -> str:
    match info.status:
        case RunStatus.RUNNING:
            return f'It goes on. Call respond with run "{info.id}" and action "wait" to wait for more.'
        case RunStatus.WAITING if waiting and is_writing(waiting[0]):
            return (
                f"The person decides about this change: in their terminal, `naestro respond {info.id}`. "
                f'respond with run "{info.id}", action "answer" and answer "no" declines it.'
            )
        case RunStatus.WAITING:
            return f'Call respond with run "{info.id}", action "answer" and the answer.'
        case RunStatus.STOPPED | RunStatus.FAILED | RunStatus.CANCELLED:
            return (
                f'Call respond with run "{info.id}" and action "resume" to go on from its last finished step.'
            )
        case _:
            return ""


def is_writing(question: InterruptOpened) -> bool:
    """Whether a yes to it changes files of the workspace."""
    return question.kind == "approve" and question.payload is not None and YES in question.options


def _told(value: Outcome) -> Iterator[str]:
    """The outcome in words."""
    yield f"Run {value.run}: {value.status}."
    if value.warnings:
        yield "\n".join(f"Warning: {one}" for one in value.warnings)
    if value.answer:
        yield value.answer
    if value.patch:
        yield f"```diff\n{value.patch.rstrip()}\n```"
        yield "The change was applied." if value.is_applied else "No file was changed so far."
    if value.findings:
        yield "\n".join(f"- {f.severity}, {f.standing}: {f.path}:{f.line} {f.claim}" for f in value.findings)
    if (verdict := value.verdict) is not None:
        yield f"Verdict: {verdict.winner}, {verdict.certainty}. {verdict.method}"
        yield from (f"Dissent of {v.source} for {v.candidate}: {v.text}" for v in verdict.dissent)
    if value.question is not None:
        options = f" ({', '.join(value.question.options)})" if value.question.options else ""
        yield f"It needs input: {value.question.text}{options}"
    if value.steps_done:
        yield f"Done so far: {', '.join(value.steps_done)}."
    if value.next:
        yield value.next


def _cut(text: str, chars: int, note: str, run: str) -> str:
    return text if len(text) <= chars else text[:chars] + note.format(run=run)
