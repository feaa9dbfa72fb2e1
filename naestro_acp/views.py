"""What is shown without a run of its own: `/trace`, `/models`, `/help`, `/undo`, `/forget`.

`turn` above calls it, beside whatever works; below are the client and the pure tables. It starts nothing.
"""

import anyio
from acp.helpers import start_tool_call, text_block, tool_content, update_tool_call

from naestro.client.api import Client, EngineStatus, FoundServer, ModelStatus
from naestro.errors import InputError
from naestro.types import Event, PatchApplied, PatchUndone, RunInfo, RunStatus, Tokens
from naestro_acp.outlet import Outlet
from naestro_acp.permissions import Permissions
from naestro_acp.sessions import Session
from naestro_acp.slash import Asked, help_text
from naestro_acp.trace import trace_table
from naestro_acp.words import size

RUNS_LOOKED_AT = 50
"""Runs of a workspace among which the last change is looked for; what lies further back is named."""
REDRAW_S = 0.25
"""Seconds between two pictures of a run that works."""
WORKING = (RunStatus.RUNNING, RunStatus.WAITING)


async def view(
    client: Client, permissions: Permissions, outlet: Outlet, session: Session, asked: Asked
) -> str:
    """Show what is asked; the text that was said."""
    match asked.name:
        case "trace":
            return await show_trace(client, outlet, session, asked.rest)
        case "models":
            text = await _models(client, session.workspace)
        case "forget":
            await permissions.forget(session)
            text = "From now on you are asked again before a file of this workspace changes."
        case _:
            text = help_text()
    await outlet.say(text)
    return text


async def run_of(client: Client, session: Session, name: str) -> RunInfo:
    """The run that `name` names, or the session's last one, or the workspace's; raises `NotInJournal`, `InputError`."""
    latest = next((turn.run for turn in reversed(session.turns) if turn.run is not None), None)
    if name or latest:
        return await client.get(name or str(latest))
    for info in await client.runs(limit=1, workspace=session.workspace):
        return info
    raise InputError("There is no run yet in this workspace.", hint="Ask something first.")


async def own_run_of(client: Client, session: Session, name: str) -> RunInfo:
    """As `run_of`, for what reads or changes files: raises `InputError` for a run of another workspace."""
    info = await run_of(client, session, name)
    if not session.stands_in(info.workspace):
        raise InputError(
            f"The run {info.id} works in {info.workspace}, where this session does not stand.",
            hint="Open a session in that folder.",
        )
    return info


async def undo(client: Client, outlet: Outlet, session: Session, name: str) -> str:
    """Take back the change that a run applied, without a name the last that still is; the text that was said."""
    info = await own_run_of(client, session, name or await _last_change(client, session))
    paths = await client.undo(info.id, by="acp")
    text = f"Taken back: {', '.join(f'`{path}`' for path in paths)} as before the run {info.id}."
    await outlet.say(text)
    return text


async def _last_change(client: Client, session: Session) -> str:
    """The newest run of the session whose change is still applied, else of its workspace; empty where there is none."""
    own = [turn.run for turn in reversed(session.turns) if turn.run is not None]
    others = [info.id for info in await client.runs(limit=RUNS_LOOKED_AT, workspace=session.workspace)]
    for run in dict.fromkeys([*own, *others]):
        applied = 0
        for event in await client.history(run):
            applied += isinstance(event.data, PatchApplied) - isinstance(event.data, PatchUndone)
        if applied > 0:
            return run
    return ""


async def show_trace(client: Client, outlet: Outlet, session: Session, name: str) -> str:
    """The table of a run; while it works, a tool call shows it as it grows. The text that was said."""
    info = await run_of(client, session, name)
    events = await client.history(info.id)
    text = trace_table(info, events)
    await outlet.say(text)
    if info.status in WORKING:
        await _follow(client, outlet, info, events)
    return text


async def _follow(client: Client, outlet: Outlet, info: RunInfo, events: list[Event]) -> None:
    """Draw the table anew with each event, until the run ends or nobody works on it."""
    call = f"trace/{info.id}/{len(events)}"
    await outlet.send(start_tool_call(call, f"Trace of {info.id}", kind="other", status="in_progress"))
    drawn_s = anyio.current_time()
    async with client.events(info.id, events[-1].seq) as items:
        async for item in items:
            if not isinstance(item, Event) or isinstance(item.data, Tokens):
                continue
            events.append(item)
            if anyio.current_time() - drawn_s >= REDRAW_S:
                drawn_s = anyio.current_time()
                table = trace_table(info, events)
                await outlet.send(update_tool_call(call, content=[tool_content(text_block(table))]))
    table = trace_table(await client.get(info.id), events)
    await outlet.send(update_tool_call(call, status="completed", content=[tool_content(text_block(table))]))


async def _models(client: Client, workspace: str) -> str:
    engines = await client.engines(workspace)
    servers = await client.machine.servers()
    models = await client.machine.models()
    parts = [_engine_table(engines), _server_list(servers), _model_table(models)]
    return "\n\n".join(part for part in parts if part)


def _engine_table(engines: list[EngineStatus]) -> str:
    if not engines:
        return "No engine is set up."
    rows = [
        f"| {one.name} | {one.model} | {one.context_tokens} | {'here' if one.is_local else 'cloud'} | "
        f"{'✓' if one.is_ready else '✗'} {one.detail} |"
        for one in engines
    ]
    return "\n".join(
        ["| engine | model | context | where | state |", "| --- | --- | ---: | --- | --- |", *rows]
    )


def _server_list(servers: list[FoundServer]) -> str:
    rows = [f"- {one.kind} at `{one.base_url}`: {', '.join(one.models) or 'no model'}" for one in servers]
    return "\n".join(["Servers on this machine:", "", *rows]) if rows else ""


def _model_table(models: list[ModelStatus]) -> str:
    rows = [
        f"| {one.name} | {size(one.size_bytes)} | {one.licence} | {'✓' if one.is_installed else one.source} |"
        for one in models
    ]
    return (
        "\n".join(["| model | size | licence | here |", "| --- | ---: | --- | --- |", *rows]) if rows else ""
    )
