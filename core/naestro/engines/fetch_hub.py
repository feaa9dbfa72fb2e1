"""A model's file from the model hub, over HTTP, going on where an earlier fetch was cut short (RFC 9110, 13.1.5, 14).

`fetch` above takes it as the first source, `fetch_repository` as the only one; below it stand `fetch_target` and
httpx2. It does not know whether the bytes are the right ones: they check the sums.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

import anyio
import anyio.to_thread
import msgspec

from naestro.engines.fetch_target import Target
from naestro.errors import DownloadFailed
from naestro.types import Value

if TYPE_CHECKING:
    import httpx2

HUB_IS_OFFLINE = "HF_HUB_OFFLINE is set, so the model hub is not asked."
STALL_S = 20.0
"""Seconds without a byte after which a connection counts as lost."""
_PAUSES_S = (0.2, 1.0, 3.0)
"""Seconds to wait after a connection that brought something and was lost; the next one goes on there."""


class _Notes(Value, frozen=True):
    etag: str
    """Strong entity tag of the file that the unfinished bytes belong to."""


async def fetch_from_hub(
    target: Target, url: str, *, connect_s: float, headers: Mapping[str, str] = {}
) -> None:
    """Bring the file into `target.unfinished("hub")`, whole by its size.

    An `Authorization` among `headers` goes to the address of `url` alone, not to where that redirects. Raises
    `DownloadFailed` when the hub is not reachable within `connect_s` seconds, refuses, or breaks off again and again;
    what came so far is kept.
    """
    import httpx2

    timeout = httpx2.Timeout(STALL_S, connect=connect_s)
    async with httpx2.AsyncClient(timeout=timeout, follow_redirects=True, headers=headers) as client:
        pauses_s = list(_PAUSES_S)
        while True:
            before_bytes, _ = _so_far(target)
            try:
                await _fetch_rest(client, url, target)
                return
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                goes_on = _so_far(target)[0] > before_bytes
                if not pauses_s or not goes_on:
                    raise unreachable(error) from error
            await anyio.sleep(pauses_s.pop(0))


def unreachable(error: Exception) -> DownloadFailed:
    """What a fault of the connection to the hub is to the person."""
    return DownloadFailed(f"The model hub is not reachable: {str(error) or type(error).__name__}.")


async def _fetch_rest(client: "httpx2.AsyncClient", url: str, target: Target) -> None:
    """One connection: from the first byte that is missing to the last."""
    done_bytes, etag = _so_far(target)
    size_bytes = target.model.size_bytes
    if done_bytes == size_bytes:
        return
    headers = {"Accept-Encoding": "identity"}
    if done_bytes:
        headers |= {"Range": f"bytes={done_bytes}-", "If-Range": etag}
    async with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416:
            target.forget("hub")
        start = _start(response, done_bytes)
        _note(target, response.headers.get("ETag", ""))
        length = response.headers.get("Content-Length")
        if length is not None and start + int(length) != size_bytes:
            raise DownloadFailed(
                f"The model hub has another file: {start + int(length)} bytes, not {size_bytes}."
            )
        await _store(response, target, start)


def _so_far(target: Target) -> tuple[int, str]:
    """Bytes that are here, and the entity tag of the file that they belong to; none without a tag."""
    try:
        etag = msgspec.json.decode(target.notes("hub").read_bytes(), type=_Notes).etag
        done_bytes = target.unfinished("hub").stat().st_size
    except (FileNotFoundError, msgspec.DecodeError):
        return 0, ""
    return (done_bytes, etag) if done_bytes <= target.model.size_bytes else (0, "")


def _start(response: "httpx2.Response", done_bytes: int) -> int:
    """The offset at which the body begins."""
    if response.status_code == 200:
        return 0
    if response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
        f"bytes {done_bytes}-"
    ):
        return done_bytes
    raise DownloadFailed(f"The model hub refused: {response.status_code} {response.reason_phrase}.")


def _note(target: Target, etag: str) -> None:
    """Remember the tag; a weak one (or none) allows no resuming."""
    if etag.startswith('"'):
        target.notes("hub").write_bytes(msgspec.json.encode(_Notes(etag)))
    else:
        target.notes("hub").unlink(missing_ok=True)


async def _store(response: "httpx2.Response", target: Target, start: int) -> None:
    path = target.unfinished("hub")
    path.touch()
    with path.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        await _copy(response, file, target, start)


async def _copy(response: "httpx2.Response", file: BinaryIO, target: Target, done_bytes: int) -> None:
    size_bytes = target.model.size_bytes
    async for chunk in response.aiter_raw():
        done_bytes += len(chunk)
        if done_bytes > size_bytes:
            target.forget("hub")
            raise DownloadFailed(f"The model hub has another file: more than {size_bytes} bytes.")
        await anyio.to_thread.run_sync(file.write, chunk)
        target.report(done_bytes, "hub")
    if done_bytes < size_bytes:
        raise DownloadFailed(f"The model hub ended after {done_bytes} of {size_bytes} bytes.")
