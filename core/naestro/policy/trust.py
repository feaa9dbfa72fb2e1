"""Whom the person trusts: workspaces, each with the `naestro.toml` that was looked at.

The command line and the daemon above call it and hand `is_trusted` to `config.load_settings`; below it stand
`config` and `errors`. The record lies in `trusted.json` in the user's folder: a workspace's resolved path and the
SHA-256 of its file, so a file that changed is not trusted until the person looks again; another file of a workspace
that needs trust (`.mcp.json`) stands there by its own path. It does not know which settings need trust.
"""

import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from naestro.config import home
from naestro.errors import ConfigError

Record: TypeAlias = dict[str, str]
"""Resolved path of a workspace's root to the SHA-256 of its `naestro.toml`."""

_PRIVATE_FILE_MODE = 0o600


def trust(workspace: Path, content: bytes | None = None) -> None:
    """Trust `workspace` with its `naestro.toml`; `content` is the file as the person saw it, else it is read now.

    Raises `ConfigError` where there is no such file, or the record cannot be read or written.
    """
    if content is None:
        content = _settings_of(workspace)
    with _changing() as record:
        record[str(workspace.resolve())] = hashlib.sha256(content).hexdigest()


def trust_file(path: Path, content: bytes) -> None:
    """Trust another file of a workspace, as `content`. Raises `ConfigError` where the record cannot be written."""
    with _changing() as record:
        record[_key(path)] = hashlib.sha256(content).hexdigest()


def is_file_trusted(path: Path, content: bytes) -> bool:
    """Whether another file of a workspace is trusted with this content."""
    return _read(home() / "trusted.json").get(_key(path)) == hashlib.sha256(content).hexdigest()


def untrust(workspace: Path, *others: str) -> bool:
    """Take the trust back, from its files of the names `others` too; False where there was none.

    Raises `ConfigError` as `trust` does.
    """
    root = workspace.resolve()
    with _changing() as record:
        keys = [str(root), *(_key(root / name) for name in others)]
        found = [record.pop(key, None) for key in keys]
        return any(one is not None for one in found)


def _key(path: Path) -> str:
    return str(path.parent.resolve() / path.name)


def is_trusted(workspace: Path, content: bytes | None = None) -> bool:
    """Whether `workspace` is trusted with `content` as its `naestro.toml`; without, with the file as it is now."""
    if content is None:
        content = _settings_of(workspace)
    return _read(home() / "trusted.json").get(str(workspace.resolve())) == hashlib.sha256(content).hexdigest()


def _settings_of(workspace: Path) -> bytes:
    path = workspace / "naestro.toml"
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The file {path} cannot be read: {error.strerror}.",
            hint="Trust is given to a workspace's naestro.toml; without one there is nothing to trust.",
        ) from error


@contextmanager
def _changing() -> Generator[Record]:
    """The record, to be changed; written when the block ends, while no other process changes it."""
    folder = home()
    path = folder / "trusted.json"
    try:
        with _private(folder / "trusted.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            record = _read(path)
            yield record
            _write(path, record)
    except OSError as error:
        raise ConfigError(
            f"The record of trusted workspaces, {path}, cannot be written: {error.strerror}.",
            hint="Mend the permissions of the folder, or free space.",
        ) from error


def _read(path: Path) -> Record:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"The record of trusted workspaces, {path}, cannot be read: {error}.",
            hint=f"Mend its permissions, or remove it and trust your workspaces again: {path}",
        ) from error


def _write(path: Path, record: Record) -> None:
    """Replace the record whole: after a crash it is the old one or the new one."""
    fresh = path.with_suffix(".new")
    with _private(fresh) as file:
        file.write(msgspec.json.format(msgspec.json.encode(record, order="sorted")))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _private(path: Path) -> BinaryIO:
    """Open `path` for writing, emptied; made for its owner alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE_MODE), "wb")
