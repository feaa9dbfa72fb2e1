"""The real embedded engine for the benches: the smallest model of the catalogue, fetched where it is missing.

Each engine made here is a process of its own with an empty cache; it has the person's settings for embedded engines,
which the council's own has too.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from bench.council import Send
from bench.stand import SMALLEST, Stand
from naestro.config import load_settings
from naestro.engines.embedded import EmbeddedEngine, Home, embedded_engine
from naestro.engines.engine import ChatRequest, EngineInfo, Message
from naestro.engines.fetch import path_of, pull
from naestro.engines.supervisor import RunningServer
from naestro.errors import NaestroError
from naestro.types import Json

CONTEXT_TOKENS = 4096
SETTINGS: dict[str, Json] = {
    "flags": {"local_models": [SMALLEST]},
    "council": {"early_exit": False, "judges": 1},
    "roles": {
        "proposer": {"max_tokens": 64},
        "critic": {"max_tokens": 96},
        "synthesizer": {"max_tokens": 64},
        "judge": {"max_tokens": 96},
    },
}
"""A council that asks for short answers, so that a run takes half a minute."""

WARM = ChatRequest(messages=[Message(role="user", content="Say yes.")], max_tokens=1)


def fetch() -> Path:
    """The model's file; it is fetched by the way that `naestro models pull` takes."""
    try:
        return anyio.run(pull, SMALLEST, load_settings(None).settings)
    except NaestroError as error:
        raise SystemExit(f"This bench needs the model {SMALLEST}: {error.message} {error.hint}") from error


@asynccontextmanager
async def own_engine(stand: Stand) -> AsyncGenerator[EmbeddedEngine]:
    """An engine of the bench's own, ended with the block."""
    settings = load_settings(None).settings
    info = EngineInfo(SMALLEST, SMALLEST, CONTEXT_TOKENS, is_local=True)
    async with anyio.create_task_group() as tasks:
        home = Home(logs=stand.home / "logs", tasks=tasks)
        engine = embedded_engine(info, path_of(SMALLEST), settings.embedded, settings.timeouts, home)
        try:
            yield engine
        finally:
            await engine.aclose()


async def started(engine: EmbeddedEngine) -> RunningServer:
    """The server of `engine`, made to start by a request for one token."""
    await by_embedded(engine)(WARM, lambda: None)
    assert engine.server.running is not None
    return engine.server.running


def by_embedded(engine: EmbeddedEngine) -> Send:
    """Makes a call through the engine, as the council does."""

    async def send(request: ChatRequest, warm: Callable[[], None]) -> str:
        async with engine.chat(request) as stream:
            async for _ in stream:
                warm()
            return stream.completion().text

    return send
