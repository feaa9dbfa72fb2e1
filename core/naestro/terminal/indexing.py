"""`naestro index`: make the code index of a workspace, with its progress, and say what it holds.

The progress is drawn on stderr, so that stdout carries the outcome alone. Below stands the client.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from naestro.client.api import IndexProgress, IndexStatus
from naestro.errors import IndexUnavailable
from naestro.terminal.connection import open_indexing
from naestro.terminal.exits import Exit
from naestro.terminal.plain import print_json
from naestro.terminal.streams import say
from naestro.terminal.text import counted, one_line

MB = 1_000_000
FAILED_HINT = "Mend that and run `naestro index` again; until then a search answers from what is there."
PHASES = {"walking": "looks for files", "parsing": "reads files", "writing": "writes", "waiting": "waits"}
OTHER_DAEMON_HINT = (
    "It has another NAESTRO_HOME, or was started with --in-process; what it writes is found here."
)
"""Where the daemon itself may not write."""
WRITER_HINT = "Run `naestro index` without --in-process, or stop that process first (`naestro daemon stop`)."


async def update_index(folder: Path, *, rebuild: bool, as_json: bool, is_remote: bool) -> int:
    """Bring the index of the workspace around `folder` to what the disk says, and say what it holds."""
    view = _ProgressView(is_drawn=not as_json and sys.stderr.isatty())
    async with open_indexing(is_remote=is_remote) as index:
        try:
            async with index.update(str(folder), rebuild=rebuild) as steps:
                async for step in steps:
                    view.show(step)
        except anyio.get_cancelled_exc_class():
            view.close()
            say(_left(is_remote=is_remote))
            raise
        finally:
            view.close()
        _raise_for(view.last, is_remote=is_remote)
        status = await index.status(str(folder))
    if as_json:
        print_json(status)
    else:
        print("\n".join(_outcome_lines(view.last, status)))
    return Exit.OK


async def show_index(folder: Path, *, as_json: bool, is_remote: bool) -> int:
    """Print what the index of the workspace around `folder` holds; changes nothing."""
    async with open_indexing(is_remote=is_remote) as index:
        status = await index.status(str(folder))
    if as_json:
        print_json(status)
    else:
        print("\n".join(_status_lines(status)))
    return Exit.OK


def _raise_for(last: IndexProgress, *, is_remote: bool) -> None:
    """Raise `IndexUnavailable` for a run that did not come to its end."""
    if last.phase == "waiting":
        said = last.detail or "Another process writes the index of this workspace."
        raise IndexUnavailable(said, hint=OTHER_DAEMON_HINT if is_remote else WRITER_HINT)
    if last.phase != "done":
        raise IndexUnavailable(last.detail or "The index was not finished.", hint=FAILED_HINT)


def _left(*, is_remote: bool) -> str:
    if is_remote:
        return "naestro: the daemon goes on with the index; `naestro index` waits for it again"
    return "naestro: the index is not finished; `naestro index` goes on with it"


def _outcome_lines(last: IndexProgress, status: IndexStatus) -> Iterator[str]:
    yield f"indexed {one_line(status.workspace)} in {last.seconds:.1f} s"
    yield from _holdings(status)


def _status_lines(status: IndexStatus) -> Iterator[str]:
    if not status.updated:
        said = (
            "is being indexed for the first time"
            if status.is_indexing
            else "is not indexed yet: run `naestro index`"
        )
        yield f"{one_line(status.workspace)} {said}"
        if status.detail:
            yield f"  {one_line(status.detail)}"
        return
    yield f"{one_line(status.workspace)}, indexed {status.updated[:19].replace('T', ' ')} UTC"
    yield from _holdings(status)
    facts = [
        "a run goes on" if status.is_indexing else "",
        "changes are followed" if status.is_watching else "changes are not followed now",
    ]
    yield f"  {', '.join(filter(None, facts))}"


def _holdings(status: IndexStatus) -> Iterator[str]:
    """What is in the index, what is not and why."""
    files, parts = counted(status.files, "file"), counted(status.chunks, "part")
    yield f"  {files} in {parts}, {status.size_bytes / MB:.1f} MB on the disk"
    if status.skipped_files:
        reasons = sorted(status.skipped.items(), key=lambda pair: (-pair[1], pair[0]))
        said = ", ".join(f"{count:,} {one_line(reason)}" for reason, count in reasons)
        yield f"  {counted(status.skipped_files, 'file')} left out" + (f": {said}" if said else "")
    if status.unseen_files:
        yield f"  {counted(status.unseen_files, 'file')} not in it yet"
    yield f"  by meaning: {one_line(status.embedder)}" if status.embedder else "  by words alone"
    if status.detail:
        yield f"  {one_line(status.detail)}"


class _ProgressView:
    """A bar in a terminal; elsewhere nothing, since only the outcome counts there."""

    def __init__(self, *, is_drawn: bool) -> None:
        self.last = IndexProgress(phase="waiting", detail="Nothing was told of the index.")
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[facts]}"),
            console=Console(stderr=True),
            disable=not is_drawn,
            transient=True,
        )
        self._task: TaskID | None = None

    def show(self, step: IndexProgress) -> None:
        """Take in how far the run is."""
        self.last = step
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=None, facts="")
        self._bar.update(
            self._task,
            description=PHASES.get(step.phase, step.phase),
            completed=step.files,
            total=step.files_in_all or None,
            facts=progress_words(step),
        )

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def progress_words(step: IndexProgress) -> str:
    """How far a run is: files, chunks, seconds left."""
    if not step.files_in_all:
        return f"{step.files:,} files" if step.files else ""
    files = f"{step.files:,} of {step.files_in_all:,} files"
    left = f"{step.seconds_left:.0f} s left" if step.seconds_left is not None else ""
    return ", ".join(filter(None, [files, f"{step.chunks:,} parts", left]))
