"""The embedded engine takes part in a look-up in both ways: messages of tools go through its chat template."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from naestro.config import EmbeddedSettings, TimeoutSettings
from naestro.council.asking import Native, Round, Schema, Word
from naestro.engines.embedded import EmbeddedEngine, Home, embedded_engine
from naestro.engines.engine import ChatRequest, Completion, EngineInfo, Message, ToolCall
from naestro.tools.tool import ToolSpec

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
WAIT_S = 120
INFO = EngineInfo(name="small", model="smollm2-135m", context_tokens=0, is_local=False)
TOOLS = [
    ToolSpec(
        "outline",
        "List what a file defines.",
        {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    )
]
REQUEST = ChatRequest(
    messages=[
        Message(role="system", content="You are careful."),
        Message(role="user", content="What does calc.py define?"),
        Message(role="user", content="Answer in one sentence."),
    ],
    max_tokens=60,
)
ROUND = Round("", [Word(ToolCall("c1", "outline", '{"path": "calc.py"}'), "1-2 function add")])


@asynccontextmanager
async def opened(model: Path, folder: Path) -> AsyncGenerator[EmbeddedEngine]:
    settings = EmbeddedSettings(llama_server="wheel", slots=1, context_tokens=2048)
    async with anyio.create_task_group() as tasks:
        engine = embedded_engine(INFO, model, settings, TimeoutSettings(), Home(folder / "logs", tasks))
        try:
            yield engine
        finally:
            await engine.aclose()


async def chat(engine: EmbeddedEngine, request: ChatRequest) -> Completion:
    async with engine.chat(request) as stream:
        async for _ in stream:
            pass
        return stream.completion()


async def test_both_ways_of_a_look_up_are_answered(
    smallest_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))
    with anyio.fail_after(WAIT_S):
        async with opened(smallest_model, tmp_path) as engine:
            schema = Schema()
            chosen = await chat(engine, schema.ask(REQUEST, [], TOOLS))
            assert msgspec.json.decode(chosen.text, type=dict[str, object])["tool"] in ("outline", "none")
            again = await chat(engine, schema.ask(REQUEST, [ROUND], TOOLS))
            assert again.text
            native = Native()
            first = await chat(engine, native.ask(REQUEST, [], TOOLS))
            assert first.text or native.calls(first)
            after = await chat(engine, native.ask(REQUEST, [ROUND], TOOLS))
            assert after.text or native.calls(after)
            assert after.usage.prompt_tokens > first.usage.prompt_tokens
