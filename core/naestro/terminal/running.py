"""How a command begins and ends: the folder that it works in, and its exit code.

The modules of the command line (`naestro.cli` and those beside it) share it; it knows no command.
"""

from collections.abc import Coroutine
from pathlib import Path

import typer

from naestro.errors import InputError
from naestro.terminal.streams import is_text


def finish(work: Coroutine[object, object, int]) -> None:
    """Run an async command to its end and leave with its exit code."""
    import anyio

    async def run() -> int:
        return await work

    raise typer.Exit(int(anyio.run(run)))


def folder_of(workspace: Path | None) -> Path:
    """The folder that a command works in, absolute, links resolved. Raises `InputError` where there is none."""
    try:
        folder = (workspace or Path.cwd()).resolve()
    except OSError as error:  # pragma: no cover - tested; a process without a folder cannot be measured
        raise InputError("The working directory is gone.", hint="Change to a folder that exists.") from error
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", hint="Name an existing folder.")
    if not is_text(str(folder)):
        raise InputError(f"The folder {str(folder)!a} has no UTF-8 name.", hint="Rename the folder.")
    return folder
