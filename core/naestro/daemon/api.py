"""The methods of the control API: each one small typed function over the client.

`rpc` calls them by the names in `METHODS`, and `openrpc` describes them from their signatures: a parameter's name,
type and default are written here (of the code index in `index_api`) and nowhere else. Below stands `naestro.client`;
nothing of HTTP or JSON-RPC is known here.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from naestro.client.api import Command, Difference, EngineStatus, ModelStatus
from naestro.daemon.context import Context, DaemonInfo, Environment, Folder, absolute
from naestro.daemon.index_api import INDEX_METHODS
from naestro.daemon.methods import methods_of
from naestro.daemon.tools_api import TOOLS_METHODS
from naestro.errors import ConfigError, NotInJournal
from naestro.policy.trust import is_trusted
from naestro.policy.workspace import Workspace
from naestro.runs.retention import PruneReport
from naestro.types import Digest, Event, RunInfo, Value

__all__ = ["METHODS", "NUMBER_MAX", "Context", "DaemonInfo"]

RUNS_LOOKED_AT = 1_000
"""The newest runs, by which the workspaces are known."""

NUMBER_MAX = 2**63 - 1
"""The largest number that an event can have: what the journal's columns hold."""

RunName = Annotated[str, Meta(description="A run's id, a unique beginning of one, or `last`.")]
Step = Annotated[str, Meta(description="A step's name, such as `propose.2`.")]
By = Annotated[str, Meta(description="Who does it, as the journal tells it.")]
Limit = Annotated[int, Meta(ge=1, le=10_000, description="How many at most, newest first.")]
After = Annotated[int, Meta(ge=0, le=NUMBER_MAX, description="Only events with a larger number.")]


class WorkspaceInfo(Value, frozen=True, kw_only=True):
    """A folder tree that runs work in."""

    root: str
    is_trusted: bool
    """Whether the person trusts its `naestro.toml` as it is now."""
    runs: int
    """How many of the newest runs were in it."""
    last_run: str | None = None


class RunId(Value, frozen=True):
    """A run."""

    run: str


class Revised(Value, frozen=True):
    """A step's new revision."""

    run: str
    step: str
    revision: int


class Restored(Value, frozen=True):
    """What was taken back."""

    paths: list[str]


class Artifact(Value, frozen=True):
    """A recorded blob."""

    digest: Digest
    data: bytes
    """In base64."""


class Setting(Value, frozen=True):
    """One setting."""

    key: str
    value: str
    """As JSON; a secret is masked."""
    source: str
    """Where it came from."""


class Done(Value, frozen=True):
    """Nothing more to say."""


async def daemon_info(context: Context) -> DaemonInfo:
    """Say which daemon answers, and what it works on."""
    return msgspec.structs.replace(context.info, working=context.client.working)


async def workspaces_open(context: Context, path: Folder, environment: Environment = None) -> WorkspaceInfo:
    """Find the workspace around a folder; its index is made and kept fresh, if `index.automatic` says so."""
    root = str(Workspace.find(absolute(path)).root)
    await context.of(environment).index.use(root)
    found = {one.root: one for one in await workspaces_list(context)}
    return found.get(root) or WorkspaceInfo(root=root, is_trusted=_is_trusted(root), runs=0)


async def workspaces_list(context: Context) -> list[WorkspaceInfo]:
    """List the workspaces of the newest runs, the latest used first."""
    by_root: dict[str, list[str]] = {}
    for run in await context.client.runs(limit=RUNS_LOOKED_AT):
        by_root.setdefault(run.workspace, []).append(run.id)
    return [
        WorkspaceInfo(root=root, is_trusted=_is_trusted(root), runs=len(runs), last_run=runs[0])
        for root, runs in by_root.items()
    ]


async def runs_start(context: Context, command: Command, environment: Environment = None) -> RunId:
    """Start a run; it goes on whether or not anybody follows it."""
    absolute(command.workspace)
    return RunId(await context.of(environment).start(command))


async def runs_get(context: Context, run: RunName) -> RunInfo:
    """Say where a run stands."""
    return await context.client.get(run)


async def runs_list(context: Context, limit: Limit = 50, workspace: str | None = None) -> list[RunInfo]:
    """List the latest runs, newest first, of one workspace (its root) or of all."""
    return await context.client.runs(limit=limit, workspace=workspace)


async def runs_history(context: Context, run: RunName, after: After = 0) -> list[Event]:
    """Give the recorded events of a run, in order."""
    return await context.client.history((await context.client.get(run)).id, after)


async def runs_cancel(context: Context, run: RunName, reason: str = "cancelled") -> Done:
    """Stop a run's work at once; answers when that is recorded."""
    await context.client.cancel((await context.client.get(run)).id, reason)
    return Done()


async def runs_pause(context: Context, run: RunName) -> Done:
    """Stop working on a run without cancelling it; `runs.resume` goes on."""
    await context.client.park((await context.client.get(run)).id)
    return Done()


async def runs_resume(context: Context, run: RunName, environment: Environment = None) -> RunId:
    """Go on with a run that stopped, was cancelled, failed or was patched."""
    return RunId(await context.of(environment).resume(run))


async def runs_respond(context: Context, run: RunName, interrupt: str, answer: str, by: By = "http") -> Done:
    """Answer what a run asks."""
    await context.client.respond((await context.client.get(run)).id, interrupt, answer, by=by)
    return Done()


async def runs_patch(
    context: Context, run: RunName, step: Step, target: str, text: str, by: By = "http"
) -> Revised:
    """Replace a step's `output`, or an input such as `prompt`; what depends on it runs again when it goes on."""
    info = await context.client.get(run)
    return Revised(info.id, step, await context.client.patch(info.id, step, target, text, by=by))


async def runs_rerun(context: Context, run: RunName, step: Step, by: By = "http") -> Revised:
    """Open a new revision of a step and of all that depends on it."""
    info = await context.client.get(run)
    return Revised(info.id, step, await context.client.rerun(info.id, step, by=by))


async def runs_fork(context: Context, run: RunName, at: str | None = None) -> RunId:
    """Copy a run, with the outputs that do not depend on step `at`; it does not start by itself."""
    return RunId(await context.client.fork((await context.client.get(run)).id, at=at))


async def runs_replay(context: Context, run: RunName, environment: Environment = None) -> RunId:
    """Run a run's command again with the recorded seeds, prompts and engines, as a new run."""
    info = await context.client.get(run)
    return RunId(await context.of(environment).replay(info.id))


async def runs_compare(context: Context, before: RunName, after: RunName) -> list[Difference]:
    """Say where two runs differ, step by step."""
    first, second = await context.client.get(before), await context.client.get(after)
    return await context.client.compare(first.id, second.id)


async def runs_undo(context: Context, run: RunName, by: By = "http") -> Restored:
    """Take back the patch that a run applied; refuses when the files changed since."""
    return Restored(await context.client.undo(run, by=by))


async def runs_prune(
    context: Context,
    keep_days: Annotated[float, Meta(ge=0)] | None = None,
    max_size_bytes: Annotated[int, Meta(ge=0)] | None = None,
    dry_run: bool = False,
) -> PruneReport:
    """Delete ended runs older than `keep_days`, then the oldest until the size fits; `dry_run` only says which."""
    return await context.client.prune(keep_days=keep_days, max_size_bytes=max_size_bytes, dry_run=dry_run)


async def runs_artifact(context: Context, digest: Digest) -> Artifact:
    """Give a recorded blob: a prompt, an answer, a diff."""
    return Artifact(digest, await context.client.artifact(digest))


async def engines_list(
    context: Context, workspace: Folder, environment: Environment = None
) -> list[EngineStatus]:
    """List the engines that a workspace's settings name, and whether each can answer."""
    return await context.of(environment).engines(str(absolute(workspace)))


async def models_list(context: Context) -> list[ModelStatus]:
    """List the catalogue of local models, and what of it is on this machine."""
    return await context.client.machine.models()


async def config_get(
    context: Context, workspace: Folder, key: str | None = None, environment: Environment = None
) -> list[Setting]:
    """Give the settings that count in a workspace, or the one of that dotted key; secrets are masked."""
    rows = await context.of(environment).machine.settings(str(absolute(workspace)))
    if key is not None and key not in rows:
        raise NotInJournal(f"There is no setting {key}.", hint="`naestro config show` lists them all.")
    return [Setting(name, *row) for name, row in rows.items() if key in (None, name)]


METHODS = methods_of(
    {
        "daemon.info": daemon_info,
        "workspaces.open": workspaces_open,
        "workspaces.list": workspaces_list,
        "runs.start": runs_start,
        "runs.get": runs_get,
        "runs.list": runs_list,
        "runs.history": runs_history,
        "runs.cancel": runs_cancel,
        "runs.pause": runs_pause,
        "runs.resume": runs_resume,
        "runs.respond": runs_respond,
        "runs.patch": runs_patch,
        "runs.rerun": runs_rerun,
        "runs.fork": runs_fork,
        "runs.replay": runs_replay,
        "runs.compare": runs_compare,
        "runs.undo": runs_undo,
        "runs.prune": runs_prune,
        "runs.artifact": runs_artifact,
        "engines.list": engines_list,
        "models.list": models_list,
        "config.get": config_get,
        **INDEX_METHODS,
        **TOOLS_METHODS,
    }
)
"""The methods by name; `rpc` adds `rpc.discover`."""


def _is_trusted(root: str) -> bool:
    try:
        return is_trusted(Path(root))
    except ConfigError:
        # There is no naestro.toml, or it cannot be read: nothing to trust.
        return False
