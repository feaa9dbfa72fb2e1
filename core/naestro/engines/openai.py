"""The adapter for every server that speaks OpenAI's chat completions: vLLM, TensorRT-LLM, llama.cpp, cloud APIs.

The council and `embedded` above use it as an `Engine`; `openai_stream` below reads an answer under way, `wire` and
`wire_errors` know the format. This module owns the connection: timeouts, retries before the first token, closing.
It knows no process: a server that it reaches was started by somebody else.
"""

import importlib
import ssl
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread

from naestro.engines.addresses import check_base_url, is_loopback, origin_of
from naestro.engines.backoff import BACKOFF_MAX_S, backoff_s, retry_after_s
from naestro.engines.engine import ChatRequest, EngineInfo, EngineMetrics, Health
from naestro.engines.openai_answer import Source
from naestro.engines.openai_stream import Deadlines, OpenAIStream
from naestro.engines.prometheus import NAMES, read_metrics
from naestro.engines.wire import Flavour, encode_request
from naestro.engines.wire_errors import error_of, error_of_exception, read_error
from naestro.errors import ConfigError, EngineError, EngineOverloaded, EngineTimeout
from naestro.types import Json

if TYPE_CHECKING:
    import httpx2

ERROR_MAX_BYTES = 64 * 1024
"""Of an error's body; some servers send a stack trace."""
METRICS_MAX_BYTES = 8 << 20
"""Of a page of metrics; vLLM's has about 100 kB."""
KEEP_ALIVE_S = 4.0
"""Shorter than the 5 s after which uvicorn (vLLM) closes an idle connection: none is used dying."""

HEALTH_PATHS: dict[Flavour, str] = {
    "llama.cpp": "/health",
    "vllm": "/health",
    "tensorrt-llm": "/health_generate",
}
"""From the server's root. TensorRT-LLM's `/health` stays good while it answers nothing. Others: the list of models."""


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """How to reach a server, and how long to wait for it. Raises `ConfigError` for an address or a key that is none."""

    base_url: str
    """With the version, as OpenAI clients want it: `http://127.0.0.1:8000/v1`."""
    api_key: str = field(default="", repr=False)
    """Sent as a bearer token where it is not empty; never shown."""
    connect_s: float = 5.0
    first_token_s: float = 120.0
    """From sending the request to the first token; counted anew for each try."""
    total_s: float = 600.0
    """From the first try to the end of the answer."""
    probe_s: float = 10.0
    """For health and metrics; TensorRT-LLM's health generates one token, and may hang instead of failing."""
    retries: int = 3
    """Tries after the first one, before the first token only."""
    backoff_s: float = 0.5
    """Upper end of the first wait; each further one is twice as long."""
    response_max_bytes: int = 64 << 20
    """Of one answer on the wire; 100,000 tokens take about 25 MB."""
    flavour: Flavour = "openai"

    def __post_init__(self) -> None:
        """Check what a person wrote."""
        object.__setattr__(self, "base_url", check_base_url(self.base_url))
        if not self.api_key.isascii() or not self.api_key.isprintable() or " " in self.api_key:
            raise ConfigError(
                "The key of an engine holds characters that cannot be sent.",
                hint="Look for a space or a line break in the variable that api_key_env names.",
            )


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A try that brought no stream."""

    error: EngineError
    can_retry: bool = False
    retry_after_s: float | None = None


class OpenAIEngine:
    """An `Engine` at an address. Its one HTTP client is opened at the first call and closed by `aclose`."""

    def __init__(self, info: EngineInfo, settings: OpenAISettings) -> None:
        self._info = replace(info, is_local=is_loopback(settings.base_url))
        self._settings = settings
        self._source = Source(info.name, origin_of(settings.base_url), settings.api_key)
        self._client: httpx2.AsyncClient | None = None

    @property
    def info(self) -> EngineInfo:
        """What was given, but `is_local` follows from the address."""
        return self._info

    async def __aenter__(self) -> Self:
        """The engine; leaving closes it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    @asynccontextmanager
    async def chat(
        self, request: ChatRequest, fields: Mapping[str, Json] = {}
    ) -> AsyncGenerator[OpenAIStream]:
        """Open a chat completion; leaving closes the connection, by which every server notices and frees its slot.

        `fields` go into the body as they are: what one kind of server alone understands (llama.cpp's `id_slot`).
        """
        body = encode_request(request, self._info.model, self._settings.flavour, fields)
        stream = await self._open(body)
        try:
            yield stream
        finally:
            await stream.aclose()

    async def health(self) -> Health:
        """Ask whether it can answer; an engine that is down is a `Health`, not an error."""
        path = HEALTH_PATHS.get(self._settings.flavour)
        url = f"{self._root}{path}" if path else f"{self._settings.base_url}/models"
        try:
            await self._get(url, ERROR_MAX_BYTES)
        except EngineError as error:
            return Health(is_ready=False, detail=error.message)
        return Health(is_ready=True, detail=f"{self._info.model} at {self._source.address}")

    async def metrics(self) -> EngineMetrics:
        """Ask for its load; all None where it serves no metrics. Raises an `EngineError` where it cannot be reached."""
        names = NAMES.get(self._settings.flavour)
        if names is None:
            return EngineMetrics()
        text = await self._get(f"{self._root}{names.path}", METRICS_MAX_BYTES, absent=(404, 501))
        return read_metrics(text, names)

    @property
    def _root(self) -> str:
        return self._settings.base_url.removesuffix("/v1")

    async def _open(self, body: bytes) -> OpenAIStream:
        """Send `body` until a stream opens; raises the error of the last try."""
        await _load_httpx2()
        total_at = anyio.current_time() + self._settings.total_s
        attempt = 0
        while True:
            opened = await self._try(body, total_at)
            if isinstance(opened, OpenAIStream):
                return opened
            attempt += 1
            wait_s = self._wait_s(opened, attempt)
            if wait_s is None or anyio.current_time() + wait_s >= total_at:
                raise opened.error
            await anyio.sleep(wait_s)

    def _wait_s(self, refusal: _Refusal, attempt: int) -> float | None:
        """Seconds until the next try; None where there is none."""
        if not refusal.can_retry or attempt > self._settings.retries:
            return None
        asked_s = refusal.retry_after_s
        wait_s = backoff_s(attempt, self._settings.backoff_s)
        if asked_s is None:
            return wait_s
        return asked_s + wait_s if asked_s <= BACKOFF_MAX_S else None

    async def _try(self, body: bytes, total_at: float) -> OpenAIStream | _Refusal:
        """One try; an error that no retry mends is raised."""
        import httpx2

        settings = self._settings
        first_token_at = min(anyio.current_time() + settings.first_token_s, total_at)
        deadlines = Deadlines(first_token_at, total_at, settings.first_token_s, settings.total_s)
        client = self._opened_client()
        try:
            with anyio.CancelScope(deadline=first_token_at):
                request = client.build_request("POST", f"{settings.base_url}/chat/completions", content=body)
                response = await client.send(request, stream=True)
                return await self._judge(response, deadlines)
        except (httpx2.HTTPError, httpx2.InvalidURL) as foreign:
            error = error_of_exception(foreign, self._info.name, self._source.address)
            error.__cause__ = foreign
            return _Refusal(error, can_retry=self._was_not_heard(foreign))
        raise deadlines.passed(self._info.name)

    async def _judge(self, response: "httpx2.Response", deadlines: Deadlines) -> OpenAIStream | _Refusal:
        """The stream that a response brings, or why it brings none; the response is closed then."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code == 200 and kind == "text/event-stream":
            return OpenAIStream(response, self._source, deadlines, self._settings.response_max_bytes)
        text = await _read(response, ERROR_MAX_BYTES)
        if response.status_code == 200:
            return _Refusal(self._source.malformed(f"it is {kind or 'something'} and no stream of events"))
        error = self._error(response, text)
        wait_s = retry_after_s(response.headers.get("retry-after"))
        return _Refusal(error, can_retry=isinstance(error, EngineOverloaded), retry_after_s=wait_s)

    async def _get(self, url: str, max_bytes: int, absent: tuple[int, ...] = ()) -> str:
        """The page at `url`, empty where its status is in `absent`; raises an `EngineError`."""
        import httpx2

        probe_s = self._settings.probe_s
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + probe_s):
                async with self._opened_client().stream("GET", url) as response:
                    text = await _read(response, max_bytes)
                    if response.status_code in absent:
                        return ""
                    if not response.is_success:
                        raise self._error(response, text)
                    return text.decode("utf-8", "replace")
        except (httpx2.HTTPError, httpx2.InvalidURL) as foreign:
            raise error_of_exception(foreign, self._info.name, self._source.address) from foreign
        raise EngineTimeout(f"The engine {self._info.name} did not say how it is within {probe_s:g} s.")

    def _error(self, response: "httpx2.Response", body: bytes) -> EngineError:
        return error_of(read_error(body, response.status_code), self._info.name, self._settings.api_key)

    def _was_not_heard(self, foreign: Exception) -> bool:
        """Whether the server never saw the request: nothing listens, or a kept connection was just being closed."""
        import httpx2

        broken = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)
        return isinstance(foreign, httpx2.ConnectError) or (self._keeps_alive and isinstance(foreign, broken))

    @property
    def _keeps_alive(self) -> bool:
        """Whether connections are used again: where opening one costs more than the rare race with its closing.

        llama.cpp's server closes kept ones at any moment, also while the next request is on its way (seen in 2 of 20).
        """
        return not self._info.is_local and self._settings.flavour != "llama.cpp"

    def _opened_client(self) -> "httpx2.AsyncClient":
        if self._client is None:
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> "httpx2.AsyncClient":
        import httpx2

        settings = self._settings
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if not self._keeps_alive:
            headers["connection"] = "close"
        if settings.api_key:
            headers["authorization"] = f"Bearer {settings.api_key}"
        return httpx2.AsyncClient(
            headers=headers,
            # The deadlines of a call stand around each wait; a pool without limit cannot make one wait.
            timeout=httpx2.Timeout(None, connect=settings.connect_s),
            limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE_S),
            # A proxy of the environment is for other machines only: loopback traffic stays on this one.
            trust_env=not self._info.is_local,
            verify=_tls(settings.base_url),
        )


def _tls(base_url: str) -> "ssl.SSLContext | bool":
    """For plain http a context without certificates, since loading them takes longer than a request."""
    return True if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _load_httpx2() -> None:
    """Import httpx2 in a worker thread: meanwhile the first events of a run are written and shown."""
    if "httpx2" not in sys.modules:
        await anyio.to_thread.run_sync(importlib.import_module, "httpx2")


async def _read(response: "httpx2.Response", max_bytes: int) -> bytes:
    """The body of a response, cut at `max_bytes`; the response is closed by that."""
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as pieces:
        async for received in pieces:
            body += received
            if len(body) >= max_bytes:
                break
    return bytes(body[:max_bytes])
