"""Commands that change a recorded run: patch, rerun, fork, replay, undo."""

import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import aclosing
from pathlib import Path

import anyio.to_thread

from naestro.app import open_client
from naestro.client.api import Client, Difference
from naestro.config import editor, environment_for_child
from naestro.errors import InputError
from naestro.runs.history import History
from naestro.runs.replay import replay_events
from naestro.terminal.exits import Exit
from naestro.terminal.plain import print_json
from naestro.terminal.store import open_store
from naestro.terminal.watch import BY, Watch, follow, go_on


async def patch_step(run: str, step: str, target: str, file: Path | None, watch: Watch | None) -> int:
    """Replace a step's output or input by the text of `file`, or by what the person's editor gives back."""
    async with open_client("naestro patch") as client:
        info = await client.get(run)
        text = _read(file) if file is not None else await _edited(client, info.id, step, target)
        revision = await client.patch(info.id, step, target, text, by=BY)
        return await _go_on_or_say(client, info.id, watch, f"{step} has revision {revision}")


async def rerun_step(run: str, step: str, watch: Watch | None) -> int:
    """Open a new revision of a step and of what depends on it."""
    async with open_client("naestro rerun") as client:
        info = await client.get(run)
        revision = await client.rerun(info.id, step, by=BY)
        return await _go_on_or_say(client, info.id, watch, f"{step} has revision {revision}")


async def fork_run(run: str, at: str | None, watch: Watch | None) -> int:
    """Copy a run; the new one's id is told."""
    async with open_client("naestro fork") as client:
        new = await client.fork(run, at=at)
        return await _go_on_or_say(client, new, watch, f"forked into {new}")


async def _go_on_or_say(client: Client, run: str, watch: Watch | None, done: str) -> int:
    print(f"{done}.", file=sys.stderr)
    if watch is not None:
        return await go_on(client, run, watch)
    print(f"`naestro resume {run}` goes on.", file=sys.stderr)
    return Exit.OK


async def replay_recorded(run: str, speed: float | None, watch: Watch) -> int:
    """Show the recorded events again; no call is made."""
    printer = watch.printer()
    with open_store() as reader:
        async with aclosing(replay_events(reader, reader.run(run).id, speed=speed)) as events:
            async for event in events:
                printer.show(event)
    printer.close()
    return Exit.OK


async def replay_execute(run: str, watch: Watch) -> int:
    """Run again with the recorded seeds, prompts and engines, then say where the runs differ."""
    async with open_client("naestro replay") as client:
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
        print(f"{one.step}: {one.kind}\n{one.diff}")
    print(f"{before} and {after}: {len(differences) or 'no'} differences.")


async def undo_run(run: str, *, as_json: bool) -> int:
    """Take back the patch that a run applied."""
    async with open_client("naestro undo") as client:
        paths = await client.undo(run, by=BY)
    if as_json:
        print_json({"restored": paths})
    else:
        print(f"restored {', '.join(paths)}")
    return Exit.OK


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} cannot be read as text: {error}.", hint="Name a readable UTF-8 file."
        ) from error


async def _edited(client: Client, run: str, step: str, target: str) -> str:
    """What the person makes of the recorded text in their editor. Raises `InputError` when it stays the same."""
    revision = History.of(await client.history(run)).step(step).last
    digest = revision.output if target == "output" else getattr(revision.inputs.get(target), "value", None)
    if digest is None:
        raise InputError(
            f"The step {step} has no {target} yet.", hint=f"`naestro trace {run} --step {step}` shows it."
        )
    old = (await client.artifact(digest)).decode("utf-8", "replace")
    new = await anyio.to_thread.run_sync(_edit, old, f"{step}.{target}.txt")
    if new == old:
        raise InputError(
            "Nothing was changed in the editor.", hint="Save another text, or name one with --file."
        )
    return new


def _edit(text: str, name: str) -> str:
    """What the person's editor makes of `text`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_text(text, encoding="utf-8")
        subprocess.run([*shlex.split(editor()), os.fspath(file)], env=environment_for_child(), check=False)
        return _read(file)
