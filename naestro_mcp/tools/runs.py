"""`runs`: the runs of the workspace, what one came to, and what happened in it."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from naestro.client.api import waterfall
from naestro.types import Event, RunInfo, RunStatus, Tokens
from naestro_mcp.options import READ
from naestro_mcp.results import outcome_of, own_run
from naestro_mcp.tool import Call, Reply, Tool

LIST_MAX = 200
TASK_CHARS = 120
"""Of a task in a list."""
NOTE_CHARS = 300


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What it takes."""

    run: Annotated[str, msgspec.Meta(max_length=64, description="id, or last; empty: list")] = ""
    view: Literal["result", "trace"] = "result"
    cursor: str = ""
    root: str = ""


class Named(msgspec.Struct):
    """One run, as far as the list of tools tells of it."""

    run: str
    status: str


class Line(Named):
    """One run."""

    command: str
    task: str
    started: str


class Shown(msgspec.Struct, omit_defaults=True):
    """What it gives, as far as the list of tools tells of it."""

    runs: Sequence[Named]
    detail: str = ""
    next_cursor: str = ""


class ShownRun(Shown, omit_defaults=True):
    """The same of one run."""

    patch: str = ""
    next: str = ""


async def runs(call: Call, asked: Arguments) -> Reply:
    """The list, or one run."""
    if not asked.run:
        return _listed(call, await call.host.client.runs(limit=LIST_MAX, workspace=call.root))
    name = asked.run
    if name == "last":
        newest = await call.host.client.runs(limit=1, workspace=call.root)
        name = newest[0].id if newest else name
    info = await own_run(call, name)
    if asked.view == "trace":
        return _traced(call, info, await call.host.client.history(info.id))
    told = await outcome_of(call, info.id)
    patch, following = getattr(told.value, "patch", ""), getattr(told.value, "next", "")
    return Reply(ShownRun([_line(info)], told.text, patch=patch, next=following), told.text)


def _listed(call: Call, infos: list[RunInfo]) -> Reply:
    rest = infos[call.place :]
    texts = [" ".join(msgspec.structs.astuple(_line(info))) for info in rest]
    count = call.fitting(texts)
    place = call.place + count
    cursor = call.cursor(place) if place < len(infos) else ""
    text = "\n".join(texts[:count]) or "There is no run in this workspace yet."
    return Reply(
        Shown([_line(info) for info in rest[:count]], next_cursor=cursor),
        f"{text}\nnext_cursor: {cursor}" if cursor else text,
    )


def _traced(call: Call, info: RunInfo, events: list[Event]) -> Reply:
    lines = [_told(event) for event in events if not isinstance(event.data, Tokens)]
    rest = lines[call.place :]
    count = call.fitting([f"{line}\n" for line in rest])
    place = call.place + count
    cursor = call.cursor(place) if place < len(lines) else ""
    head = [] if call.place else [_summary(info, events)]
    text = "\n".join([*head, *rest[:count], *([f"next_cursor: {cursor}"] if cursor else [])])
    return Reply(Shown([_line(info)], text, next_cursor=cursor), text)


def _summary(info: RunInfo, events: list[Event]) -> str:
    fall = waterfall(events, is_left=info.status is RunStatus.STOPPED)
    tokens = f"{fall.usage.prompt_tokens} tokens read, {fall.usage.completion_tokens} written"
    return f"{info.id} {info.command} {info.status.value} {fall.total_ms} ms, {tokens}"


def _told(event: Event) -> str:
    """One event in a line; texts that are artifacts are not in it."""
    facts = msgspec.to_builtins(event.data)
    words = " ".join(
        f"{name}={_short(value)}" for name, value in facts.items() if value not in (None, "", [], {})
    )
    return " ".join(filter(None, [str(event.seq), event.time, event.type, event.step or "", words]))


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return " ".join(text.split())[:NOTE_CHARS]


def _line(info: RunInfo) -> Line:
    task = " ".join(str(info.task.get("text") or info.task.get("target") or "").split())[:TASK_CHARS]
    return Line(info.id, info.status.value, info.command, task, info.started)


TOOL = Tool(
    name="runs",
    title="Look at runs",
    description="List the council's runs here, or show what one came to (result) or did (trace).",
    toolset=READ,
    arguments=Arguments,
    reply=Shown,
    work=runs,
    is_reading=True,
)
