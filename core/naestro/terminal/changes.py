"""Commands that change a recorded run: patch, rerun, fork, replay, undo.

`cli` above; below the client and `watch`, which follows a run that goes on.
"""

import sys
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from naestro.client.api import Client, Difference
from naestro.errors import InputError
from naestro.runs.history import History
from naestro.runs.records import StepRecord
from naestro.runs.replay import replay_events
from naestro.terminal.connection import connect
from naestro.terminal.exits import Exit
from naestro.terminal.plain import print_json
from naestro.terminal.store import open_store
from naestro.terminal.streams import STDIN, text_of
from naestro.terminal.text import printable
from naestro.terminal.watch import BY, Watch, follow, go_on
from naestro.types import Digest, Value

OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class After:
    """What happens when the change is made: the run goes on and is watched, or the command only tells."""

    watch: Watch
    is_resuming: bool


class Revised(Value, frozen=True):
    """What `--json` prints of a patched or re-run step."""

    run: str
    step: str
    revision: int


class Forked(Value, frozen=True):
    """What `--json` prints of a fork."""

    run: str
    forked_from: str


async def patch_step(run: str, step: str, target: str, file: Path | None, after: After) -> int:
    """Replace a step's output or input by the text of `file` (`-`: standard input), or of the person's editor."""
    async with connect("naestro patch", is_remote=after.watch.is_remote) as client:
        info = await client.get(run)
        text = read_text(file) if file is not None else await _edited(client, info.id, step, target)
        revision = await client.patch(info.id, step, target, text, by=BY)
        return await _then(client, info.id, after, Revised(info.id, step, revision))


async def rerun_step(run: str, step: str, after: After) -> int:
    """Open a new revision of a step and of what depends on it."""
    async with connect("naestro rerun", is_remote=after.watch.is_remote) as client:
        info = await client.get(run)
        revision = await client.rerun(info.id, step, by=BY)
        return await _then(client, info.id, after, Revised(info.id, step, revision))


async def fork_run(run: str, at: str | None, after: After) -> int:
    """Copy a run; the new one's id is told."""
    async with connect("naestro fork", is_remote=after.watch.is_remote) as client:
        old = (await client.get(run)).id
        new = await client.fork(old, at=at)
        return await _then(client, new, after, Forked(new, old))


async def _then(client: Client, run: str, after: After, done: Revised | Forked) -> int:
    """Say what was done, and go on where that is wanted."""
    if after.watch.is_json and not after.is_resuming:
        print_json(done)
        return Exit.OK
    words = (
        f"{done.step} has revision {done.revision}."
        if isinstance(done, Revised)
        else f"{done.forked_from} is forked into {done.run}."
    )
    if not after.watch.is_json:
        print(words, file=sys.stderr)
    if after.is_resuming:
        return await go_on(client, run, after.watch)
    print(f"`naestro resume {run}` goes on.", file=sys.stderr)
    return Exit.OK


async def replay_recorded(run: str, speed: float | None, watch: Watch) -> int:
    """Show the recorded events again, then the result; no call is made."""
    printer = watch.printer()
    with open_store() as reader:
        info = reader.run(run)
        try:
            async with aclosing(replay_events(reader, info.id, speed=speed)) as events:
                async for event in events:
                    printer.show(event)
        finally:
            printer.close()
        result = History.of(reader.events(info.id)).result
        if result is not None and not watch.is_json:
            from naestro.terminal.result import show_result

            show_result(reader.artifact(result), info.task, info.id)
    return Exit.OK


async def replay_execute(run: str, watch: Watch) -> int:
    """Run again with the recorded seeds, prompts and engines, then say where the runs differ."""
    async with connect("naestro replay", is_remote=watch.is_remote) as client:
        before = (await client.get(run)).id
        after = await client.replay(before)
        code = await follow(client, after, watch)
        if code != Exit.OK:
            return code
        differences = await client.compare(before, after)
    _tell(before, after, differences, watch)
    return Exit.DIFFERENT if differences else Exit.OK


def _tell(before: str, after: str, differences: list[Difference], watch: Watch) -> None:
    if watch.is_json:
        print_json({"before": before, "after": after, "differences": differences})
        return
    for one in differences:
        print(printable(f"{one.step}: {one.kind}\n{one.diff}"))
    count = len(differences)
    print(f"{before} and {after}: {count or 'no'} difference{'s' * (count != 1)}.")


async def undo_run(run: str, *, as_json: bool, is_remote: bool) -> int:
    """Take back the patch that a run applied."""
    async with connect("naestro undo", is_remote=is_remote) as client:
        paths = await client.undo(run, by=BY)
    if as_json:
        print_json({"restored": paths})
    else:
        print(printable(f"restored {', '.join(paths)}"))
    return Exit.OK


def read_text(file: Path) -> str:
    """The text of `file`, of standard input for `-`. Raises `InputError`."""
    if str(file) == STDIN:
        return text_of(STDIN)
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(
            f"{file} cannot be read as text: {reason}.", hint="Name a readable UTF-8 file."
        ) from error


async def _edited(client: Client, run: str, step: str, target: str) -> str:
    """What the person makes of the recorded text in their editor. Raises `InputError` when it stays the same."""
    from naestro.terminal.editor import edit, edit_json

    digest = _newest(History.of(await client.history(run)).step(step), target)
    if digest is None:
        raise InputError(
            f"The step {step} has no {target} that could be edited.",
            hint=f"`naestro trace {run} --step {step}` shows what it has; --file gives an output that it lacks.",
        )
    old = await client.artifact(digest)
    name = f"{step}.{target}"
    return await (edit_json(old, name) if target == OUTPUT else edit(old.decode("utf-8", "replace"), name))


def _newest(step: StepRecord, target: str) -> Digest | None:
    """The newest recorded text of a step's output or input."""
    for revision in reversed(step.revisions):
        if target == OUTPUT and revision.output is not None:
            return revision.output
        if revision.patch is not None and revision.patch.target == target:
            return revision.patch.after
        if target in revision.inputs:
            return revision.inputs[target].value
    return None
