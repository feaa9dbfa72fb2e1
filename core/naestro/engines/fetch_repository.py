"""Embedding models of the hub by their name, `owner/model`: fetched when a person asks, whole or not at all.

`naestro models` above calls it, the index asks where the files lie; below it stand `repository`, which says what to
fetch, and `fetch_hub`, which fetches. Each file is compared with the sum that the hub tells for it; the folder gets its
name when all are there, and says in a file of its own what it holds. It runs nothing of what it fetches.
"""

import hashlib
import re
import shutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio.to_thread
import msgspec

from naestro.config import PRIVATE_FOLDER_MODE, Settings, cache, hub_token, is_hub_offline
from naestro.engines.addresses import is_loopback
from naestro.engines.catalogue import Model, catalogue
from naestro.engines.fetch_hub import HUB_IS_OFFLINE, fetch_from_hub
from naestro.engines.fetch_place import alone, models_folder, require_room, settle, unwritable
from naestro.engines.fetch_target import OnProgress, Progress, Target
from naestro.engines.repository import (
    CONFIG,
    Listing,
    RemoteFile,
    Repository,
    chosen,
    files_of,
    list_repository,
    repository_of,
)
from naestro.errors import ChecksumMismatch, DownloadFailed, IsolationError, ModelError, ModelMissing
from naestro.types import Value

RECORD = "naestro.json"
"""In the folder of a fetched repository."""
_SHORT = 12
"""Characters of a commit that name it to a person."""


class Record(Value, frozen=True):
    """What a fetched folder holds."""

    name: str
    """As the person asked for it."""
    commit: str
    licence: str
    files: list[RemoteFile]

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(each.size_bytes for each in self.files)


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One fetch: what is wanted, from where, and whom to tell."""

    repository: Repository
    settings: Settings
    on_progress: OnProgress
    unfinished: Path
    """Where unfinished files lie."""

    @property
    def hub_url(self) -> str:
        """The hub's address."""
        return (self.settings.models.hub_url or catalogue().hub_url).rstrip("/")

    @property
    def headers(self) -> dict[str, str]:
        """The person's key, which goes nowhere in the clear but to this machine."""
        token = hub_token()
        is_safe = self.hub_url.startswith("https://") or is_loopback(self.hub_url)
        return {"Authorization": f"Bearer {token.get_secret_value()}"} if token and is_safe else {}

    @property
    def staging(self) -> Path:
        """The folder that is filled."""
        return self.unfinished / f"{self.repository.folder_name}.folder"

    def tell(self, text: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """Say a sentence."""
        self.on_progress(Progress(str(self.repository), done_bytes, total_bytes, text=text))


def folder_of(name: str) -> Path:
    """Where the files of `owner/model` lie, or would. Raises `ModelUnknown` for what is no such name."""
    return cache() / "models" / repository_of(name).folder_name


def record_of(folder: Path) -> Record | None:
    """What a fetched folder says of itself; None for one that was not fetched here."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def fetched() -> list[Record]:
    """The repositories that are on this machine, by name."""
    folders = sorted((cache() / "models").glob("*--*"))
    return [record for folder in folders if (record := record_of(folder))]


def path_of_repository(name: str) -> Path:
    """The folder of `owner/model`. Raises `ModelUnknown`, and `ModelMissing` with the command that fetches it."""
    folder = folder_of(name)
    if not folder.is_dir():
        raise ModelMissing(
            f"The model {name} is not on this machine.", hint=f"Run `naestro models pull {name}`."
        )
    return folder


def remove_repository(name: str) -> int:
    """Remove a fetched model and what is unfinished of it; the bytes that this freed. Raises `ModelUnknown`."""
    folder = _not_the_persons_own(folder_of(name), name)
    present = [path for path in (folder, *_leftovers(repository_of(name))) if path.exists()]
    freed_bytes = sum(_size(path) for path in present)
    try:
        for path in present:
            _delete(path)
    except OSError as error:
        raise unwritable(folder, error) from error
    return freed_bytes


async def pull_repository(name: str, settings: Settings, on_progress: OnProgress) -> Path:
    """Bring the model `owner/model`, unless it is here whole, and give its folder.

    Two pulls of one model at once do the work once. Raises `ModelUnknown`, `IsolationError`, `ChecksumMismatch`,
    `DownloadFailed` (what came so far is kept for the next pull), or `ModelError` where it is of no use here.
    """
    fetch = _Fetch(repository_of(name), settings, on_progress, models_folder() / "unfinished")
    folder = _not_the_persons_own(folder_of(name), name)
    waits = f"{name} is being fetched already; waiting for that."
    try:
        fetch.unfinished.mkdir(mode=PRIVATE_FOLDER_MODE, exist_ok=True)
        async with alone(fetch.unfinished, fetch.repository.folder_name, partial(fetch.tell, waits)):
            record = record_of(folder)
            if record and await anyio.to_thread.run_sync(_is_whole, folder, record):
                commit = record.commit[:_SHORT]
                done_bytes = record.size_bytes
                fetch.tell(
                    f"{name} is here already, and whole, at revision {commit}.", done_bytes, done_bytes
                )
                return folder
            _require_hub(fetch)
            record = await _fill(fetch)
            await anyio.to_thread.run_sync(_place, fetch, folder, record)
    except OSError as error:
        raise unwritable(fetch.unfinished.parent, error) from error
    fetch.tell(f"{name} is here, and whole.", record.size_bytes, record.size_bytes)
    return folder


def _require_hub(fetch: _Fetch) -> None:
    """Raise where the person's settings allow no fetch from the hub."""
    if fetch.settings.isolated:
        raise IsolationError(
            f"Isolation mode is on, so the model {fetch.repository} cannot be fetched.",
            hint="Unset NAESTRO_ISOLATED for the fetch, or bring the folder from another machine.",
        )
    if is_hub_offline():
        raise DownloadFailed(HUB_IS_OFFLINE, hint="Unset HF_HUB_OFFLINE for the fetch.")
    if "hub" not in fetch.settings.models.sources:
        raise DownloadFailed(
            "The settings forbid the model hub, the one source of such a model.",
            hint="Add hub to models.sources, or bring the folder from another machine.",
        )


async def _fill(fetch: _Fetch) -> Record:
    """Bring all files of the model into the staging folder."""
    repository, connect_s = fetch.repository, fetch.settings.models.connect_s
    listing = await list_repository(repository, fetch.hub_url, connect_s=connect_s, headers=fetch.headers)
    files = files_of(listing, repository)
    async with _terms_told(listing, repository):
        config = b""
        if CONFIG in files:
            config = (await _bring(fetch, listing, files[CONFIG], 0, files[CONFIG].size_bytes)).read_bytes()
        wanted = chosen(listing, files, config, repository)
        record = Record(str(repository), listing.sha, listing.licence, wanted)
        require_room(fetch.unfinished, str(repository), record.size_bytes)
        fetch.tell(_announced(record), 0, record.size_bytes)
        done_bytes = 0
        for file in wanted:
            await _bring(fetch, listing, file, done_bytes, record.size_bytes)
            done_bytes += file.size_bytes
    return record


def _announced(record: Record) -> str:
    licence = f", licence {record.licence}" if record.licence else ""
    size = f"{record.size_bytes / 1_000_000:.1f} MB in {len(record.files)} files"
    return f"Fetching revision {record.commit[:_SHORT]} from the model hub: {size}{licence}."


@asynccontextmanager
async def _terms_told(listing: Listing, repository: Repository) -> AsyncGenerator[None]:
    """Where the hub refuses the files of a gated repository, say that it is gated."""
    try:
        yield
    except DownloadFailed as error:
        if not listing.gated:
            raise
        raise DownloadFailed(
            f"{repository} is gated, and its files did not come: {error.message}",
            hint="Accept its terms on the hub, and set HF_TOKEN to a key of yours that may read it.",
        ) from error


async def _bring(
    fetch: _Fetch, listing: Listing, file: RemoteFile, before_bytes: int, total_bytes: int
) -> Path:
    """One file, compared with its sum, in the staging folder; nothing is fetched where it lies there already."""
    final = fetch.staging / file.path
    if not await anyio.to_thread.run_sync(_is_file, final, file):
        url = f"{fetch.hub_url}/{fetch.repository.name}/resolve/{listing.sha}/{file.path}"
        target = Target(
            _row(fetch, listing, file), fetch.unfinished, _after(fetch, before_bytes, total_bytes)
        )
        await fetch_from_hub(target, url, connect_s=fetch.settings.models.connect_s, headers=fetch.headers)
        came = target.unfinished("hub")
        if not await anyio.to_thread.run_sync(_is_file, came, file):
            target.forget("hub")
            raise ChecksumMismatch(
                f"What came as {file.path} is not what the model hub says of it; it was thrown away."
            )
        final.parent.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
        await anyio.to_thread.run_sync(settle, came, final)
        target.forget("hub")
    return final


def _row(fetch: _Fetch, listing: Listing, file: RemoteFile) -> Model:
    """The file as `fetch_hub` takes it; its name tells the commit, so that no other one's bytes are gone on with."""
    name = f"{fetch.repository.folder_name}.{listing.sha}.{file.path.replace('/', '-')}"
    return Model(name, "index", "", "", 0, file.size_bytes, file.sha256, file.path)


def _after(fetch: _Fetch, before_bytes: int, total_bytes: int) -> OnProgress:
    """Tells how far the whole is, not the file."""

    def tell(progress: Progress) -> None:
        fetch.on_progress(
            replace(
                progress,
                model=str(fetch.repository),
                done_bytes=before_bytes + progress.done_bytes,
                total_bytes=total_bytes,
            )
        )

    return tell


def _place(fetch: _Fetch, folder: Path, record: Record) -> None:
    """Give the filled folder its name, with what it holds written in it, and nothing else in it."""
    wanted = {fetch.staging / file.path for file in record.files}
    for path in [path for path in fetch.staging.rglob("*") if path.is_file() and path not in wanted]:
        path.unlink()
    new = fetch.staging / f"{RECORD}.new"
    new.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
    settle(new, fetch.staging / RECORD)
    _delete(folder)
    fetch.staging.replace(folder)
    for path in [*_leftovers(fetch.repository)]:
        _delete(path)


def _is_whole(folder: Path, record: Record) -> bool:
    return all(_is_file(folder / file.path, file) for file in record.files)


def _is_file(path: Path, file: RemoteFile) -> bool:
    """Whether the bytes at `path` are the file's, by its size and the sum that the hub told."""
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    digest = (
        hashlib.sha256()
        if file.sha256
        else hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)
    )
    with path.open("rb") as opened:
        hashlib.file_digest(opened, lambda: digest)
    return digest.hexdigest() == (file.sha256 or file.git_sha1)


def _not_the_persons_own(folder: Path, name: str) -> Path:
    """`folder`, unless somebody else made it: nothing of a person's own is replaced or deleted."""
    if folder.exists() and record_of(folder) is None:
        raise ModelError(
            f"The folder {folder} was not fetched by Naestro, and is left as it is.",
            hint=f"It is used as {name}; move it away to fetch the hub's.",
        )
    return folder


def _leftovers(repository: Repository) -> Iterator[Path]:
    """What fetches of it left unfinished, at whatever commit; not the lock."""
    theirs = re.compile(re.escape(repository.folder_name) + r"\.(?:folder|[0-9a-f]{40}\..+)")
    for path in (cache() / "models" / "unfinished").glob("*"):
        if theirs.fullmatch(path.name):
            yield path


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file())


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
