"""What can be read by an address: runs, their events and changes, the map, definitions, files.

`catalogue` lists them; below stand the client and the results of runs. Nothing of another workspace has an address.
"""

from itertools import chain

from naestro.errors import IndexUnavailable, InputError, NotInJournal
from naestro.types import InterruptOpened, RunFinished, encode
from naestro_mcp.resource import Content, ResourceKind
from naestro_mcp.results import outcome_of, own_run, read_patch
from naestro_mcp.tool import Call
from naestro_mcp.tools import read_code

JSON, LINES, DIFF, TEXT = "application/json", "application/x-ndjson", "text/x-diff", "text/plain"
MAP_TOKENS = 4_096
SIZE_MAX = 1_000_000
"""Characters of one resource, which the protocol cannot page; the events of a long run are cut at a line."""
COMPLETIONS_MAX = 100
"""As many as the protocol lets one answer have."""
SYMBOLS_MAX = 200
"""Definitions that are looked at for a beginning."""
SYMBOL_RESULTS = 50


async def read_run(call: Call, run: str) -> Content:
    """What a run came to."""
    outcome = await outcome_of(call, (await own_run(call, run)).id)
    return Content(encode(outcome.value).decode(), JSON)


async def read_events(call: Call, run: str) -> Content:
    """Its events, one a line."""
    events = await call.host.client.history((await own_run(call, run)).id)
    lines, room = list[str](), SIZE_MAX
    for event in events:
        line = encode(event).decode()
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    return Content("\n".join(lines), LINES)


async def read_change(call: Call, run: str) -> Content:
    """Its change."""
    client = call.host.client
    events = await client.history((await own_run(call, run)).id)
    patch = ""
    for event in events:
        if isinstance(event.data, InterruptOpened) and event.data.payload is not None:
            patch = (await client.artifact(event.data.payload)).decode("utf-8", "replace")
        elif isinstance(event.data, RunFinished):
            patch = read_patch(await client.artifact(event.data.result)) or patch
    if not patch:
        raise NotInJournal(f"The run {run} proposes no change.", hint="The tool runs shows what it came to.")
    return Content(patch, DIFF)


async def read_map(call: Call, _: str) -> Content:
    """The map of the repository; until there is an index, a sentence that says so."""
    try:
        reply = await call.host.client.index.map(call.root, budget_tokens=MAP_TOKENS)
    except IndexUnavailable as error:
        return Content(f"{error.message} {error.hint}", TEXT)
    return Content(reply.text, TEXT)


async def read_symbol(call: Call, name: str) -> Content:
    """Where a name is defined, with its code."""
    return Content((await read_code.read_code(call, read_code.Arguments(name, "symbol"))).text, TEXT)


async def read_file(call: Call, path: str) -> Content:
    """A file."""
    return Content((await call.host.client.files.read(call.root, path)).text, TEXT)


async def complete_run(call: Call, beginning: str) -> list[str]:
    """Runs of this workspace, the newest first."""
    infos = await call.host.client.runs(limit=COMPLETIONS_MAX, workspace=call.root)
    return [info.id for info in infos if info.id.startswith(beginning)]


async def complete_path(call: Call, beginning: str) -> list[str]:
    """Files and folders, folder by folder."""
    return await call.host.client.files.names(call.root, beginning, limit=COMPLETIONS_MAX)


async def complete_symbol(call: Call, beginning: str) -> list[str]:
    """Names that begin so: bare (`ap` for `append`) or in their scope (`Journal.ap`)."""
    if not beginning.strip():
        return []
    try:
        places = await call.host.client.index.symbol(call.root, beginning, limit=SYMBOLS_MAX)
    except InputError:  # no beginning of a name
        return []
    reply = await call.host.client.index.search(call.root, beginning, limit=SYMBOL_RESULTS)
    found = (one.name for one in places), (one.symbol for one in reply.results)
    names = (part for name in chain(*found) for part in (name.rpartition(".")[2], name))
    return list(dict.fromkeys(name for name in names if name.lower().startswith(beginning.lower())))


MAP = ResourceKind(
    template="naestro://map",
    name="map",
    title="Map of the repository",
    description="The files that most of the workspace relies on, and what they define.",
    mime_type=TEXT,
    read=read_map,
)
RUN = ResourceKind(
    template="naestro://runs/{id}",
    name="run",
    title="A run",
    description="What a run came to, as JSON.",
    mime_type=JSON,
    read=read_run,
    complete=complete_run,
    is_watched=True,
)
RESOURCES = [
    MAP,
    RUN,
    ResourceKind(
        template="naestro://runs/{id}/events",
        name="run-events",
        title="A run's events",
        description="All that happened in a run, one JSON object a line.",
        mime_type=LINES,
        read=read_events,
        complete=complete_run,
        is_watched=True,
    ),
    ResourceKind(
        template="naestro://runs/{id}/patch",
        name="run-patch",
        title="A run's change",
        description="The change that a run proposes, as a unified diff.",
        mime_type=DIFF,
        read=read_change,
        complete=complete_run,
        is_watched=True,
    ),
    ResourceKind(
        template="naestro://symbol/{name}",
        name="symbol",
        title="A definition",
        description="Where a name is defined, with its code.",
        mime_type=TEXT,
        read=read_symbol,
        complete=complete_symbol,
    ),
    ResourceKind(
        template="naestro://file/{+path}",
        name="file",
        title="A file",
        description="A text file of the workspace, by its path from the root.",
        mime_type=TEXT,
        read=read_file,
        complete=complete_path,
    ),
]
