"""Lists for the terminal: runs, and what pruning removes."""

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from naestro.config import load_settings
from naestro.runs.waterfall import usage_words
from naestro.terminal.connection import open_pruning
from naestro.terminal.exits import Exit
from naestro.terminal.plain import print_json, wide_console
from naestro.terminal.store import open_store
from naestro.terminal.text import one_line
from naestro.types import RunInfo, RunStatus

STATUS_STYLES = {
    RunStatus.RUNNING: "cyan",
    RunStatus.WAITING: "magenta",
    RunStatus.STOPPED: "yellow",
    RunStatus.FINISHED: "green",
    RunStatus.FAILED: "red",
    RunStatus.CANCELLED: "yellow",
}
TASK_CHARS = 60
MIB = 1024 * 1024


def show_runs(limit: int, workspace: str | None, *, as_json: bool) -> None:
    """Print the latest runs, newest first."""
    with open_store() as reader:
        found = reader.runs(limit=limit, workspace=workspace)
    if as_json:
        for info in found:
            print_json(info)
        return
    if not found:
        print('No runs yet: `naestro explain "How does this work?"` makes one.')
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("run", "command", "status", "started", "tokens", "task"):
        table.add_column(column, no_wrap=column != "task")
    for info in found:
        table.add_row(*_cells(info))
    wide_console().print(table)


def _cells(info: RunInfo) -> list[Text]:
    return [
        Text(info.id),
        Text(info.command),
        Text(info.status.value, style=STATUS_STYLES[info.status]),
        Text(info.started[:16].replace("T", " ")),
        Text(usage_words(info.usage)),
        Text(one_line(str(info.task.get("text", "")), TASK_CHARS)),
    ]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is pruned; None: as the settings say."""

    keep_days: float | None
    """0: none by its age."""
    max_size_mb: float | None
    is_dry: bool


async def prune_runs(limits: Limits, *, as_json: bool, is_remote: bool) -> int:
    """Delete ended runs by age or size, in whichever process holds the journal."""
    journal = load_settings(None).settings.journal
    keep_days = limits.keep_days if limits.keep_days is not None else journal.keep_days
    size = int(limits.max_size_mb * MIB) if limits.max_size_mb is not None else journal.max_size_bytes
    async with open_pruning("naestro runs prune", is_remote=is_remote) as prune:
        report = await prune(keep_days=keep_days or None, max_size_bytes=size, dry_run=limits.is_dry)
    if as_json:
        print_json(report)
    else:
        print(report)
    return Exit.OK
