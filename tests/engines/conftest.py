"""Fixtures of the engines' tests: OpenAI-compatible engines pointed at the scripted server."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from naestro.engines.engine import EngineInfo
from naestro.engines.openai import OpenAIEngine, OpenAISettings
from tests.support.scripted_server import ScriptedServer

pytest.register_assert_rewrite("tests.engines.contract")

OpenEngine = Callable[..., OpenAIEngine]

INFO = EngineInfo(name="tiny", model="scripted", context_tokens=2048, is_local=False)


@pytest.fixture
async def open_engine(scripted_server: ScriptedServer, anyio_backend: str) -> AsyncIterator[OpenEngine]:
    """Opens engines at the scripted server; any field of `OpenAISettings` by name, waits being short by default."""
    base = OpenAISettings(scripted_server.base_url, retries=0, backoff_s=0.001, flavour="llama.cpp")
    async with AsyncExitStack() as opened:

        def open_one(**settings: object) -> OpenAIEngine:
            engine = OpenAIEngine(INFO, replace(base, **settings))
            opened.push_async_callback(engine.aclose)
            return engine

        yield open_one


@pytest.fixture
def openai_engine(open_engine: OpenEngine) -> OpenAIEngine:
    """One such engine with the defaults."""
    return open_engine()
