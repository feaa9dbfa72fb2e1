"""An embedder behind an address: any server that speaks OpenAI's `/v1/embeddings`.

`choose` makes it and holds isolation mode; below it stand httpx2 and the waits of the engines' `backoff`. It sends the
code to that address, so only a person's own setting leads here. Synchronous, as the index is.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from threading import Event
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from naestro.engines.addresses import check_base_url, is_loopback, origin_of
from naestro.engines.backoff import BACKOFF_MAX_S, backoff_s, retry_after_s
from naestro.errors import IndexUnavailable
from naestro.index.embed.embedder import EmbeddingStopped

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2

    from naestro.index.embed.embedder import EmbedText, Vectors

BATCH_TEXTS = 64
"""Texts of one request: below what every server takes, enough that the way there costs little."""
TEXT_CHARS_MAX = 6_000
"""About 2,000 tokens: models take 512 to 8,192, and the servers here cut or refuse what is longer."""
TRIES = 4
BACKOFF_S = 0.5
"""Upper end of the first wait; each further one is twice as long."""
TIMEOUT_S = 60.0
"""For one request, from the connection to the last byte."""
QUESTION_S = 5.0
"""For a question's vector and the length of vectors, all tries together: somebody waits, and words find without it."""
REST_S = 30.0
"""After a question that got no vector, until the next one is sent: meanwhile no search waits for it."""
ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""Four times what `BATCH_TEXTS` vectors of 8,192 numbers take."""
_BUSY = (408, 429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed."""
_REASON_BYTES = 300


class _Row(msgspec.Struct):
    embedding: list[float]
    index: int = -1


class _Answer(msgspec.Struct):
    data: list[_Row]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how large; tests take smaller ones."""

    backoff_first_s: float = BACKOFF_S
    question_s: float = QUESTION_S
    answer_bytes: int = ANSWER_BYTES_MAX


_USUAL = Limits()


class ServerEmbedder:
    """An `Embedder` at `base_url`, which ends with the version: `http://127.0.0.1:8000/v1`."""

    def __init__(self, base_url: str, model: str, api_key: str = "", limits: Limits = _USUAL) -> None:
        """Nothing is sent yet; raises `ConfigError` for an address that is none."""
        self._base_url = check_base_url(base_url)
        self._model = model
        self._api_key = api_key
        self._limits = limits
        self._dimension = 0
        self._refused: tuple[float, IndexUnavailable] | None = None
        """When a question last got no vector, and why."""
        place = hashlib.sha256(f"{self._base_url}\n{model}".encode()).hexdigest()[:8]
        self.name = f"server-{model or 'default'}-{place}"

    @property
    def dimension(self) -> int:
        """Length of its vectors; the server is asked once. Raises `IndexUnavailable` where it does not answer."""
        if not self._dimension:
            self._embed(["probe"], self._limits.question_s)
        return self._dimension

    def passages(self, texts: Sequence[EmbedText], stop: Event | None = None) -> Vectors:
        """One row for each text; see `Embedder`. Raises `IndexUnavailable` where the server does not answer.

        `stop` ends a wait between two tries at once; a request that is under way comes to its end first.
        """
        joined = [each.joined()[:TEXT_CHARS_MAX] for each in texts]
        starts = range(0, len(joined), BATCH_TEXTS)
        parts = [self._embed(joined[at : at + BATCH_TEXTS], stop=stop) for at in starts]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    def query(self, text: str) -> Vectors:
        """The vector of a question. Raises `IndexUnavailable` soon, and for `REST_S` at once again."""
        if self._refused and time.monotonic() - self._refused[0] < REST_S:
            raise self._refused[1]
        try:
            found = self._embed([text[:TEXT_CHARS_MAX]], self._limits.question_s)[0]
        except IndexUnavailable as error:
            self._refused = time.monotonic(), error
            raise
        self._refused = None
        return found

    @cached_property
    def _client(self) -> httpx2.Client:
        import httpx2

        headers = {"content-type": "application/json"}
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        # A proxy of the environment is for other machines only: loopback traffic stays on this one.
        return httpx2.Client(headers=headers, timeout=TIMEOUT_S, trust_env=not is_loopback(self._base_url))

    def _embed(self, texts: list[str], all_s: float = math.inf, stop: Event | None = None) -> Vectors:
        """The vectors of `texts`, all tries within `all_s`."""
        body = msgspec.json.encode({"model": self._model, "input": texts, "encoding_format": "float"})
        vectors = self._read(self._post(body, all_s, stop or Event()), len(texts))
        length = vectors.shape[1]
        if self._dimension not in {0, length}:
            raise self._wrong(
                f"it gave vectors of {length} numbers, after {self._dimension} (if it has another model now,"
                " `naestro daemon stop` lets the index be made anew)"
            )
        self._dimension = length
        return vectors

    def _post(self, body: bytes, all_s: float, stop: Event) -> bytes:
        """The answer's body; tries again while the server is busy or gone, and `all_s` are not over.

        Raises `EmbeddingStopped` once `stop` is set.
        """
        import httpx2

        reason = ""
        deadline = time.monotonic() + all_s
        for attempt in range(1, TRIES + 1):
            if stop.is_set():
                raise EmbeddingStopped
            asked_s = None
            try:
                response, data = self._asked(body, min(TIMEOUT_S, deadline - time.monotonic()))
            except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
                reason = f"{error}" or type(error).__name__
            else:
                if response.status_code == HTTPStatus.OK:
                    return data
                reason = self._reason(response, data)
                if response.status_code not in _BUSY:
                    break
                asked_s = retry_after_s(response.headers.get("retry-after"))
            pause_s = min(asked_s or backoff_s(attempt, self._limits.backoff_first_s), BACKOFF_MAX_S)
            if attempt == TRIES or time.monotonic() + pause_s >= deadline:
                break
            stop.wait(pause_s)
        raise self._wrong(reason.rstrip("."))

    def _asked(self, body: bytes, wait_s: float) -> tuple[httpx2.Response, bytes]:
        """The answer to one request and its body, whole within `wait_s`; raises TimeoutError where it is not."""
        deadline = time.monotonic() + wait_s
        data = bytearray()
        with self._client.stream(
            "POST", f"{self._base_url}/embeddings", content=body, timeout=wait_s
        ) as response:
            for part in response.iter_bytes():
                data += part
                if time.monotonic() > deadline:
                    raise TimeoutError(f"its answer did not end within {wait_s:.0f} s")
                if len(data) > self._limits.answer_bytes:
                    raise self._wrong(f"its answer is larger than {self._limits.answer_bytes} bytes")
        return response, bytes(data)

    def _read(self, body: bytes, count: int) -> Vectors:
        """The vectors in the order of the texts, at unit length."""
        try:
            rows = msgspec.json.decode(body, type=_Answer).data
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._wrong(f"its answer holds no embeddings: {error}") from error
        if all(row.index >= 0 for row in rows):
            rows.sort(key=lambda row: row.index)
        lengths = {len(row.embedding) for row in rows}
        if len(rows) != count or len(lengths) != 1 or lengths == {0}:
            raise self._wrong(f"it gave {len(rows)} vectors of {sorted(lengths)} numbers for {count} texts")
        vectors = np.array([row.embedding for row in rows], np.float64)
        with np.errstate(over="ignore"):
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all():
            raise self._wrong("it gave numbers that are too large for a vector")
        return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)

    def _reason(self, response: httpx2.Response, data: bytes) -> str:
        text = data[:_REASON_BYTES].decode("utf-8", "replace").strip()
        if self._api_key:
            text = text.replace(self._api_key, "***")
        return f"{response.status_code} {response.reason_phrase}{': ' if text else ''}{text}"

    def _wrong(self, reason: str) -> IndexUnavailable:
        return IndexUnavailable(
            f"The embedding server at {origin_of(self._base_url)} does not do its work: {reason}.",
            hint="Look at the server, correct index.embedder_url, or set index.embedder to static.",
        )
