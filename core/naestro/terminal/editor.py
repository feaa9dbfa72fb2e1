"""The person's editor: a recorded text goes in, what they saved comes out."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import anyio.to_thread
import msgspec

from naestro.config import editor, environment_for_child
from naestro.errors import InputError


async def edit(text: str, name: str) -> str:
    """What the person's editor makes of `text`. Raises `InputError` when it fails, or nothing was changed."""
    new = await anyio.to_thread.run_sync(_edit, text, f"{name}.txt")
    # Editors end a file with a newline, which is no change that a person made.
    new = new.removesuffix("\n") if not text.endswith("\n") else new
    if new == text:
        raise InputError(
            "Nothing was changed in the editor.", hint="Save another text, or name one with --file."
        )
    return new


async def edit_json(recorded: bytes, name: str) -> str:
    """As `edit`, with JSON laid out for reading; what comes out is compact where it is JSON."""
    new = await edit(msgspec.json.format(recorded, indent=2).decode(), name)
    try:
        return msgspec.json.format(new, indent=-1)
    except msgspec.DecodeError:
        return new


def _edit(text: str, name: str) -> str:
    with tempfile.TemporaryDirectory(prefix="naestro-") as folder:
        file = Path(folder, name)
        file.write_text(text, encoding="utf-8")
        _run(os.fspath(file))
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _failed("left no UTF-8 text") from error


def _run(file: str) -> None:
    try:
        done = subprocess.run([*shlex.split(editor()), file], env=environment_for_child(), check=False)
    except (OSError, ValueError) as error:
        raise _failed(f"cannot be started: {error}") from error
    if done.returncode:
        raise _failed(f"ended with code {done.returncode}")


def _failed(how: str) -> InputError:
    return InputError(
        f"The editor {editor()!r} {how}; nothing was changed.",
        hint="Set EDITOR to a program that edits a file, or name the new text with --file.",
    )
