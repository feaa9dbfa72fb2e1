"""The embedded engine: started by the first chat, sharing what was read, clear about a process that died."""

import os
import re
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from naestro.config import EmbeddedSettings, TimeoutSettings
from naestro.engines.embedded import NOT_STARTED, EmbeddedEngine, Home, default_threads, embedded_engine
from naestro.engines.engine import ChatRequest, Completion, EngineInfo, EngineMetrics, Message
from naestro.engines.llama_parameters import BATCH_TOKENS
from naestro.errors import (
    ContextTooLong,
    EngineMalformed,
    EngineOutOfMemory,
    EngineUnreachable,
)
from tests.support.llama_server import DIE, EXIT, WAIT, write_program
from tests.support.processes import group_is_gone, members, until

pytestmark = pytest.mark.anyio
WAIT_S = 120
INFO = EngineInfo(name="small", model="smollm2-135m", context_tokens=0, is_local=False)
CODE = "\n".join(f"def step_{number}(value: int) -> int: return value + {number}" for number in range(40))
"""About 900 tokens."""


@asynccontextmanager
async def engine_for(
    model: Path, folder: Path, program: str = "wheel", **settings: object
) -> AsyncGenerator[EmbeddedEngine]:
    """An engine of its own for a test, with small slots."""
    chosen = EmbeddedSettings.model_validate(
        {"llama_server": program, "slots": 3, "context_tokens": 2048, **settings}
    )
    async with anyio.create_task_group() as tasks:
        engine = embedded_engine(INFO, model, chosen, TimeoutSettings(), Home(folder / "logs", tasks))
        try:
            yield engine
        finally:
            await engine.aclose()


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Keep the states of slots in the test's folder; the model stays where it is."""
    if "smallest_model" in request.fixturenames:
        request.getfixturevalue("smallest_model")
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that stands for a model where the program is a stand-in."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


def ask(*texts: str, max_tokens: int = 8) -> ChatRequest:
    messages = [Message(role="user", content=text) for text in texts]
    return ChatRequest(messages=messages, max_tokens=max_tokens, seed=1)


async def whole(engine: EmbeddedEngine, request: ChatRequest) -> Completion:
    with anyio.fail_after(WAIT_S):
        async with engine.chat(request) as stream:
            async for _ in stream:
                pass
            return stream.completion()


async def at_each_piece(
    engine: EmbeddedEngine, request: ChatRequest, act: Callable[[], Awaitable[None]]
) -> None:
    with anyio.fail_after(WAIT_S):
        async with engine.chat(request) as stream:
            async for _ in stream:
                await act()


async def test_what_is_known_without_starting_is_told(tmp_path: Path, file: Path) -> None:
    async with engine_for(file, tmp_path) as engine:
        assert engine.info == EngineInfo("small", "smollm2-135m", 2048, is_local=True)
        assert await engine.metrics() == EngineMetrics()
        health = await engine.health()
        assert (health.is_ready, health.detail) == (True, NOT_STARTED)
        assert engine.server.running is None
        assert engine.server.plan.threads == default_threads()
        file.unlink()
        health = await engine.health()
        assert (health.is_ready, health.detail) == (False, f"The model file {file} is not there.")


async def test_one_core_is_left_to_others() -> None:
    assert 1 <= default_threads() <= max(1, (os.cpu_count() or 1) - 1)


async def test_a_failed_start_is_told_by_the_health(tmp_path: Path, file: Path) -> None:
    program = str(write_program(tmp_path, "too large"))
    async with engine_for(file, tmp_path, program) as engine:
        with pytest.raises(EngineOutOfMemory) as caught:
            await whole(engine, ask("Hello."))
        health = await engine.health()
        assert (health.is_ready, health.detail) == (False, caught.value.message)


async def test_two_chats_at_once_start_one_process(tmp_path: Path, file: Path) -> None:
    program = str(write_program(tmp_path, "serving"))
    async with engine_for(file, tmp_path, program) as engine:
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(whole, engine, ask("Hello."))
        running = engine.server.running
        assert running is not None
        assert len(members(running.pid)) == 2
        assert (await engine.health()).is_ready
    await group_is_gone(running.pid, within_s=2)


@pytest.mark.parametrize(
    ("word", "kind", "cause"),
    [
        (DIE, EngineOutOfMemory, "ended while it ran: its process was killed"),
        (EXIT, EngineUnreachable, "ended while it ran: srv: it fell over."),
    ],
)
async def test_a_chat_whose_process_dies_says_why_and_the_next_starts_it_anew(
    tmp_path: Path, file: Path, word: str, kind: type[Exception], cause: str
) -> None:
    program = str(write_program(tmp_path, "serving"))
    async with engine_for(file, tmp_path, program) as engine:
        with pytest.raises(kind, match=cause):
            await whole(engine, ask(word))
        assert (await whole(engine, ask("Hello."))).text == "word"
        assert engine.server.last_error is None


async def test_a_chat_that_breaks_while_its_process_lives_keeps_its_own_error(
    tmp_path: Path, file: Path
) -> None:
    program = str(write_program(tmp_path, "babbling"))
    async with engine_for(file, tmp_path, program) as engine:
        with pytest.raises(EngineMalformed, match="not usable"):
            await whole(engine, ask("Hello."))


async def test_a_closed_engine_refuses(tmp_path: Path, file: Path) -> None:
    async with engine_for(file, tmp_path) as engine:
        await engine.aclose()
        with pytest.raises(EngineUnreachable, match="small is closed"):
            await whole(engine, ask("Hello."))


async def test_closing_ends_a_chat_under_way(tmp_path: Path, file: Path) -> None:
    program = str(write_program(tmp_path, "serving"))
    async with engine_for(file, tmp_path, program) as engine:
        with pytest.raises((EngineUnreachable, EngineMalformed)):
            await at_each_piece(engine, ask(WAIT), engine.aclose)


async def test_a_prefix_that_cannot_be_kept_costs_no_answer(tmp_path: Path, file: Path) -> None:
    program = str(write_program(tmp_path, "forgetful"))
    async with engine_for(file, tmp_path, program) as engine:
        for _ in range(2):
            assert (await whole(engine, ask(CODE, "Explain."))).text == "word"


@pytest.mark.engine
@pytest.mark.slow
async def test_proposers_at_once_read_their_shared_prefix_once(tmp_path: Path, smallest_model: Path) -> None:
    """Of the tokens that each shares with an earlier one, at least 90 % come from the cache."""
    done: list[Completion] = []

    async def propose(engine: EmbeddedEngine, number: int) -> None:
        done.append(await whole(engine, ask(CODE, f"You are proposer {number}. Answer.")))

    async with engine_for(smallest_model, tmp_path) as engine:
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(propose, engine, number)
        usages = sorted((completion.usage for completion in done), key=lambda usage: usage.cached_tokens)
        assert usages[0].cached_tokens == 0
        for usage in usages[1:]:
            assert usage.cached_tokens > 0.9 * usage.prompt_tokens
        metrics = await engine.metrics()
        assert (metrics.running, metrics.waiting) == (0, 0)
        assert list((tmp_path / "cache" / "slots").glob("*/*"))
    assert list((tmp_path / "cache" / "slots").glob("*")) == []


@pytest.mark.engine
@pytest.mark.slow
async def test_sharing_a_prefix_does_not_change_the_answer(tmp_path: Path, smallest_model: Path) -> None:
    """What a slot loads is what it would have read: the likeliest tokens are the same."""
    asked = ask(CODE, "Say what step_3 does.", max_tokens=16)
    joined = ask(f"{CODE}\n\nSay what step_3 does.", max_tokens=16)
    async with engine_for(smallest_model, tmp_path) as engine:
        plain = await whole(engine, joined)
        first = await whole(engine, asked)
        second = await whole(engine, ask(CODE, "Other.", max_tokens=1))
    assert plain.usage.prompt_tokens == first.usage.prompt_tokens
    assert plain.text == first.text
    assert second.usage.cached_tokens > 0


@pytest.mark.engine
async def test_a_cancelled_chat_frees_its_slot_while_the_prompt_is_read(
    tmp_path: Path, smallest_model: Path
) -> None:
    """Counted in tokens, since seconds are the machine's: 64 of them take 0.4 s alone on one core."""
    async with engine_for(smallest_model, tmp_path) as engine:
        await whole(engine, ask("Hello.", max_tokens=1))
        log = engine.server.plan.log
        started = log.read_text().count("processing task")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(whole, engine, ask("word " * 1700))
            await until(lambda: log.read_text().count("processing task") > started, WAIT_S)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(WAIT_S):
            while (await engine.metrics()).running:  # noqa: ASYNC110 - the server sets no event
                await anyio.sleep(0.02)
        read_tokens = int(re.findall(r"stop processing: n_tokens = (\d+)", log.read_text())[-1])
    assert read_tokens <= 4 * BATCH_TOKENS


@pytest.mark.engine
async def test_a_request_that_is_too_long_is_told_and_the_engine_lives_on(
    tmp_path: Path, smallest_model: Path
) -> None:
    async with engine_for(smallest_model, tmp_path, context_tokens=256) as engine:
        with pytest.raises(ContextTooLong):
            await whole(engine, ask(CODE))
        with pytest.raises(ContextTooLong):
            await whole(engine, ask(CODE, "Explain."))
        assert (await whole(engine, ask("Hello."))).text


@pytest.mark.engine
async def test_a_file_that_is_no_model_is_told(tmp_path: Path, file: Path) -> None:
    file.write_bytes(b"no model at all")
    async with engine_for(file, tmp_path) as engine:
        with pytest.raises(Exception, match="the model's file is no GGUF file"):
            await whole(engine, ask("Hello."))


@pytest.mark.engine
async def test_a_model_that_is_cut_short_is_told(tmp_path: Path, file: Path, smallest_model: Path) -> None:
    with smallest_model.open("rb") as whole_file:
        file.write_bytes(whole_file.read(20_000_000))
    async with engine_for(file, tmp_path) as engine:
        with pytest.raises(Exception, match="the model's file is cut short or damaged"):
            await whole(engine, ask("Hello."))


@pytest.mark.engine
@pytest.mark.slow
async def test_a_context_for_which_memory_is_too_small_is_told(tmp_path: Path, smallest_model: Path) -> None:
    async with engine_for(smallest_model, tmp_path, slots=64, context_tokens=1_000_000) as engine:
        with pytest.raises(EngineOutOfMemory, match="did not start"):
            await whole(engine, ask("Hello."))


@pytest.mark.engine
@pytest.mark.slow
async def test_a_llama_server_of_the_persons_serves_as_the_wheel_does(
    tmp_path: Path, smallest_model: Path
) -> None:
    program = str(write_program(tmp_path, "real"))
    async with engine_for(smallest_model, tmp_path, program) as engine:
        first = await whole(engine, ask(CODE, "Explain."))
        second = await whole(engine, ask(CODE, "Criticise."))
        running = engine.server.running
        assert running is not None
        assert any("llama-server" in process.command for process in members(running.pid))
    assert first.text
    assert second.usage.cached_tokens > 0.9 * second.usage.prompt_tokens
    await group_is_gone(running.pid, within_s=2)


@pytest.mark.engine
async def test_the_log_holds_no_prompt_and_no_key(tmp_path: Path, smallest_model: Path) -> None:
    async with engine_for(smallest_model, tmp_path) as engine:
        await whole(engine, ask("Hello, my secret is xyzzy."))
        running = engine.server.running
        assert running is not None
        text = engine.server.plan.log.read_text()
    assert "listening on" in text
    assert "xyzzy" not in text
    assert running.api_key not in text


@pytest.mark.engine
async def test_a_process_that_dies_while_it_generates_is_told(tmp_path: Path, smallest_model: Path) -> None:
    async with engine_for(smallest_model, tmp_path) as engine:

        async def end_process() -> None:
            if engine.server.running is not None:
                os.kill(engine.server.running.pid, signal.SIGTERM)

        with pytest.raises(EngineUnreachable, match="ended while it ran"):
            await at_each_piece(engine, ask("Count to a thousand.", max_tokens=400), end_process)
        await until(lambda: engine.server.running is None, within_s=5)
        assert (await whole(engine, ask("Hello."))).text
