"""The folder of the models: where it is, who fetches into it, whether there is room, how a file gets its final name.

`fetch` and `fetch_repository` above share it; below it stand the settings. It knows no source and no model.
"""

import fcntl
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from naestro.config import PRIVATE_FOLDER_MODE, cache
from naestro.errors import ModelError

_PRIVATE_FILE_MODE = 0o600
_LOCK_POLL_S = 0.2
"""Seconds between two tries for the lock; the file system tells nobody when it is free."""
_SPARE_BYTES = 64 * 1_048_576
"""Room that a fetch leaves on the disk."""


def models_folder() -> Path:
    """The folder of the models, made for its owner alone."""
    folder = cache() / "models"
    try:
        folder.mkdir(mode=PRIVATE_FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


@asynccontextmanager
async def alone(folder: Path, name: str, on_wait: Callable[[], None]) -> AsyncGenerator[None]:
    """Hold the lock for fetching `name` into `folder`, which is there; it goes with the process, however that ends.

    `on_wait` is called once where another process holds it.
    """
    with (folder / f"{name}.lock").open("w") as lock:
        if not _is_locked(lock.fileno()):
            on_wait()
            while not _is_locked(lock.fileno()):  # noqa: ASYNC110  no event comes from another process
                await anyio.sleep(_LOCK_POLL_S)
        yield


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def settle(path: Path, final: Path) -> None:
    """Give what is whole its final name, for its owner alone: all of it or nothing, also when the machine stops."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.chmod(_PRIVATE_FILE_MODE)
    path.replace(final)


def require_room(folder: Path, name: str, missing_bytes: int) -> None:
    """Raise `ModelError` where the disk of `folder` has no room for what is missing of `name`."""
    needed_bytes = missing_bytes + _SPARE_BYTES
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise ModelError(
            f"The model {name} needs {needed_bytes // 1_000_000} MB in {folder}, "
            f"and {free_bytes // 1_000_000} MB are free.",
            hint="Free space, or set NAESTRO_CACHE to a folder on another disk.",
        )


def unwritable(folder: Path, error: OSError) -> ModelError:
    """What a fault of the disk is to the person."""
    return ModelError(
        f"The models in {folder} cannot be written: {error.strerror or error}.",
        hint="Free space or mend the permissions, or set NAESTRO_CACHE to another folder.",
    )
