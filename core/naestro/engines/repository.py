"""A repository of the model hub: its name, what the hub says it holds, and which files make an embedding model.

`fetch_repository` above fetches them; below it stands httpx2. One request to the hub's HTTP API gives the commit and
each file's size and sum; everything is fetched from that commit. What the hub says is not trusted: only names that
this module knows are ever asked for, so no file lands elsewhere than meant.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from naestro.engines.fetch_hub import STALL_S, unreachable
from naestro.errors import DownloadFailed, ModelError, ModelUnknown
from naestro.types import Value

if TYPE_CHECKING:
    import httpx2

FILES_BYTES_MAX = 1_500_000_000
"""Of all files together: a larger model takes hours for one workspace on a processor, and the memory of everything."""
ANSWER_BYTES_MAX = 16_000_000
"""Of what the hub says of a repository: some have ten thousand files."""

CONFIG = "config.json"
POOLING = "1_Pooling/config.json"
"""How sentence-transformers makes one vector of a text's many."""
TOKENIZER = "tokenizer.json"
WORDS = "model.safetensors"
ONNX = ("onnx/model.onnx", "model.onnx", "onnx/model_quantized.onnx", "model_quantized.onnx")
"""The best first."""
_OUTSIDE = ("_data", ".data")
"""Endings of the file in which a large ONNX model keeps its numbers."""
_WORDS_KIND = "model2vec"
_NAME = re.compile(
    r"[A-Za-z0-9_][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}(?:@[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LICENCE = "license:"


class Repository(Value, frozen=True):
    """`owner/model`, or `owner/model@revision`."""

    name: str
    """`owner/model`."""
    revision: str = ""
    """A branch, a tag or a commit; empty: the hub's main branch as it is when it is fetched."""

    def __str__(self) -> str:
        """As the person writes it."""
        return f"{self.name}@{self.revision}" if self.revision else self.name

    @property
    def folder_name(self) -> str:
        """What its folder on this machine is called."""
        return str(self).replace("/", "--")


class _Large(msgspec.Struct, frozen=True):
    sha256: str
    size: int


class _Listed(msgspec.Struct, frozen=True):
    rfilename: str
    size: int | None = None
    blobId: str | None = None  # noqa: N815  the hub's word
    lfs: _Large | None = None


class Listing(msgspec.Struct, frozen=True):
    """What the hub says of a repository at one revision."""

    sha: str
    """The commit."""
    siblings: list[_Listed]
    gated: bool | str = False
    """Whether its files are given only to those who accepted its terms."""
    tags: list[str] = []

    @property
    def licence(self) -> str:
        """As its owner names it; empty where nobody did."""
        found = (tag.removeprefix(_LICENCE) for tag in self.tags if tag.startswith(_LICENCE))
        return next(found, "")


class RemoteFile(Value, frozen=True):
    """One file of a repository at a commit."""

    path: str
    size_bytes: int
    sha256: str = ""
    """Of its bytes; empty where the hub only knows git's sum."""
    git_sha1: str = ""
    """Git's name of its content, where the hub keeps it in git itself."""


class _Config(msgspec.Struct, frozen=True):
    model_type: str = ""


def repository_of(name: str) -> Repository:
    """The repository that `name` means; raises `ModelUnknown` where it is no name of one."""
    if not _NAME.fullmatch(name) or ".." in name or "--" in name:
        raise ModelUnknown(
            f"{name!r} is no name of a model on the hub.",
            hint="Write it like owner/model, or owner/model@revision.",
        )
    plain, _, revision = name.partition("@")
    return Repository(plain, revision)


async def list_repository(
    repository: Repository, hub_url: str, *, connect_s: float, headers: Mapping[str, str]
) -> Listing:
    """Ask the hub what it has. Raises `DownloadFailed`, with a sentence for a repository that is not to be had."""
    import httpx2

    url = f"{hub_url}/api/models/{repository.name}/revision/{repository.revision or 'main'}"
    timeout = httpx2.Timeout(STALL_S, connect=connect_s)
    try:
        async with (
            httpx2.AsyncClient(timeout=timeout, follow_redirects=True, headers=headers) as client,
            client.stream("GET", url, params={"blobs": "true"}) as response,
        ):
            _refuse(response, repository, has_token="Authorization" in headers)
            body = await _body(response)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise unreachable(error) from error
    try:
        listing = msgspec.json.decode(body, type=Listing)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DownloadFailed(f"The model hub does not say what {repository} holds: {error}.") from error
    if not _COMMIT.fullmatch(listing.sha):
        raise DownloadFailed(f"The model hub names no commit of {repository}.")
    return listing


def _refuse(response: "httpx2.Response", repository: Repository, *, has_token: bool) -> None:
    """Raise where the hub does not give what was asked for."""
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    if response.headers.get("X-Error-Code") == "RevisionNotFound":
        raise DownloadFailed(
            f"The model hub has {repository.name}, but no revision {repository.revision or 'main'} of it.",
            hint="Name a branch, a tag or a commit of it, or none.",
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        opens = "HF_TOKEN does not open it" if has_token else "no HF_TOKEN is set that opens it"
        raise DownloadFailed(
            f"The model hub has no {repository.name}, or it is private and {opens}.",
            hint="Correct the name, or set HF_TOKEN to a key of yours that may read it.",
        )
    raise DownloadFailed(f"The model hub refused: {status} {response.reason_phrase}.")


async def _body(response: "httpx2.Response") -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise DownloadFailed(
                f"The model hub says more than {ANSWER_BYTES_MAX // 1_000_000} MB of one model."
            )
    return bytes(body)


def files_of(listing: Listing, repository: Repository) -> dict[str, RemoteFile]:
    """The files that may make an embedding model, by path. Raises `DownloadFailed` where a size or sum is missing."""
    known = {CONFIG, POOLING, TOKENIZER, WORDS, *ONNX}
    return {one.rfilename: _remote(one, repository) for one in listing.siblings if one.rfilename in known}


def _remote(one: _Listed, repository: Repository) -> RemoteFile:
    if one.lfs is not None:
        return RemoteFile(one.rfilename, one.lfs.size, sha256=one.lfs.sha256)
    if one.size is None or not one.blobId:
        raise DownloadFailed(f"The model hub tells no size and sum of {one.rfilename} in {repository}.")
    return RemoteFile(one.rfilename, one.size, git_sha1=one.blobId)


def chosen(
    listing: Listing, files: Mapping[str, RemoteFile], config: bytes, repository: Repository
) -> list[RemoteFile]:
    """The files that make the model, small ones first; `config` is what its config.json says, if it has one.

    Raises `ModelError` where it is none that the index can use, or too large.
    """
    weights = _weights(listing, files, config)
    if weights is None or TOKENIZER not in files:
        raise ModelError(
            f"{repository} holds no embedding model that the index can use: it takes the files of Model2Vec"
            f" ({WORDS}) or a sentence model as ONNX ({ONNX[0]}), and {TOKENIZER}.",
            hint="Take another model, one of Model2Vec or one with an ONNX file, or set index.embedder to static.",
        )
    found = [files[path] for path in (CONFIG, POOLING, TOKENIZER, weights) if path in files]
    size_bytes = sum(each.size_bytes for each in found)
    if size_bytes > FILES_BYTES_MAX:
        raise ModelError(
            f"{repository} has {size_bytes // 1_000_000} MB; the index takes models up to"
            f" {FILES_BYTES_MAX // 1_000_000} MB.",
            hint='Take a smaller one, or let a server make the embeddings (index.embedder = "server").',
        )
    return found


def _weights(listing: Listing, files: Mapping[str, RemoteFile], config: bytes) -> str | None:
    if WORDS in files and _kind(config) == _WORDS_KIND:
        return WORDS
    names = {one.rfilename for one in listing.siblings}
    whole = (path for path in ONNX if path in files and not any(path + end in names for end in _OUTSIDE))
    return next(whole, None)


def _kind(config: bytes) -> str:
    try:
        return msgspec.json.decode(config, type=_Config).model_type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
