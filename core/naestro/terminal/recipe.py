"""A run described in a TOML file, and candidates read from files.

A recipe names the command and the task; every other table is settings, nested like `naestro.toml`, and wins over
files and environment as the command line does: whoever runs the file has read it.

    command = "orchestrate"
    seed = 7
    [task]
    text = "Make parse() accept an empty list"
    files = ["src/parse.py"]
    [council]
    consensus = "judge"
    [roles.proposer]
    engines = ["qwen2.5-coder-0.5b", "workstation"]
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from naestro.errors import InputError
from naestro.types import Json

COMMANDS = ("orchestrate", "explain", "judge", "test", "review")
MAX_CANDIDATE_BYTES = 1024 * 1024
"""A candidate is an answer or a patch of one model; more than this is a wrong file."""


class _Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    files: list[str] = []
    candidates: list[str] = []


class _Head(msgspec.Struct, frozen=True):
    command: str
    task: _Task
    seed: int | None = None
    workspace: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a TOML file asks for."""

    command: str
    task: dict[str, Json]
    settings: dict[str, Json]
    seed: int | None
    workspace: Path | None
    """As the file says it, relative to the file's folder; None for the working directory."""


def read_recipe(file: Path) -> Recipe:
    """The run that `file` describes. Raises `InputError` with the key that is wrong."""
    try:
        raw = tomllib.loads(_read(file).decode("utf-8"))
        head = msgspec.convert(raw, _Head)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{file} does not describe a run: {error}.", hint=_HINT) from error
    if head.command not in COMMANDS:
        raise InputError(
            f"{file}: command is {head.command!r}, not one of {', '.join(COMMANDS)}.", hint=_HINT
        )
    settings = {name: value for name, value in raw.items() if name not in _Head.__struct_fields__}
    task: dict[str, Json] = {"text": head.task.text}
    if head.command == "judge":
        task["candidates"] = read_candidates([file.parent / name for name in head.task.candidates])
    else:
        task["files"] = head.task.files
    workspace = (file.parent / head.workspace) if head.workspace is not None else None
    return Recipe(head.command, task, settings, head.seed, workspace)


def read_candidates(files: list[Path]) -> list[Json]:
    """The texts of candidate files, in order, at least two. Raises `InputError`."""
    if len(files) < 2:
        raise InputError("A judgement needs at least two candidates.", hint="Name two or more files.")
    candidates: list[Json] = []
    for file in files:
        try:
            candidates.append({"name": str(file), "text": _read(file).decode("utf-8")})
        except UnicodeDecodeError as error:
            raise InputError(f"{file} is not UTF-8 text.", hint="Give the candidate as text.") from error
    return candidates


_HINT = "See `naestro run --help` and the page on recipes in the documentation."


def _read(file: Path) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{file} cannot be read: {reason}.", hint="Name a readable file.") from error
    if len(data) > MAX_CANDIDATE_BYTES:
        raise InputError(f"{file} is larger than {MAX_CANDIDATE_BYTES} bytes.", hint="Name a smaller file.")
    return data
