"""How long the adapter waits, and what it tries again: timeouts apart, retries before the first token only."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import pytest

from naestro.engines.backoff import BACKOFF_MAX_S, backoff_s, retry_after_s
from naestro.engines.openai import OpenAIEngine
from naestro.errors import EngineError, EngineOverloaded, EngineRefused, EngineTimeout, EngineUnreachable
from tests.engines.conftest import OpenEngine
from tests.engines.contract import ask, whole
from tests.support.answers import fail, say, say_tokens, words_of
from tests.support.scripted_server import ScriptedServer

SHORT_S = 0.05
LONG_S = 30.0


@pytest.fixture
def free_port() -> int:
    """A port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that the next one waits."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


@pytest.mark.anyio
async def test_a_server_that_takes_no_connection_is_unreachable_after_the_connect_timeout(
    open_engine: OpenEngine, full_port: int
) -> None:
    engine = open_engine(base_url=f"http://127.0.0.1:{full_port}/v1", connect_s=SHORT_S)
    with anyio.fail_after(LONG_S), pytest.raises(EngineUnreachable, match="took no connection in time"):
        await whole(engine, ask("x"))


@pytest.mark.anyio
@pytest.mark.parametrize("stall_after", [-1, 0])
async def test_a_server_that_says_no_token_runs_into_the_first_timeout(
    scripted_server: ScriptedServer, open_engine: OpenEngine, stall_after: int
) -> None:
    """Progress is a sign of life, but no token."""
    scripted_server.otherwise(say("x", stall_after=stall_after, progress_chunks=2))
    with pytest.raises(EngineTimeout, match=r"sent no token within 0\.05 s"):
        await whole(open_engine(first_token_s=SHORT_S), ask("x"))
    await scripted_server.until(lambda: scripted_server.chats[0].outcome == "hung up")


@pytest.mark.anyio
@pytest.mark.parametrize("stall_after", [-1, 0, 2])
async def test_an_answer_that_does_not_end_runs_into_the_total_timeout(
    scripted_server: ScriptedServer, open_engine: OpenEngine, stall_after: int
) -> None:
    scripted_server.otherwise(say_tokens(5, stall_after=stall_after))
    with pytest.raises(EngineTimeout, match=r"did not finish its answer within 0\.2 s"):
        await whole(open_engine(first_token_s=LONG_S, total_s=0.2), ask("x"))
    await scripted_server.until(lambda: scripted_server.chats[0].outcome == "hung up")


@pytest.mark.anyio
async def test_after_the_first_token_only_the_total_timeout_counts(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    scripted_server.otherwise(say_tokens(4, token_delay_s=0.1))
    engine = open_engine(first_token_s=0.25, total_s=LONG_S)
    assert (await whole(engine, ask("x"))).text == " 0 1 2 3"


@pytest.mark.anyio
async def test_a_busy_server_is_asked_again_until_it_answers(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    scripted_server.then(fail(429), words_of("vllm", "busy"), words_of("llama.cpp", "loading"), "at last")
    assert (await whole(open_engine(retries=3), ask("x"))).text == "at last"
    assert len(scripted_server.chats) == 4


@pytest.mark.anyio
async def test_a_server_that_stays_busy_is_given_up(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    scripted_server.otherwise(fail(503))
    with pytest.raises(EngineOverloaded):
        await whole(open_engine(retries=2), ask("x"))
    assert len(scripted_server.chats) == 3


@pytest.mark.anyio
async def test_a_server_that_starts_meanwhile_is_found(open_engine: OpenEngine, free_port: int) -> None:
    engine = open_engine(base_url=f"http://127.0.0.1:{free_port}/v1", retries=10_000, backoff_s=0.01)
    with anyio.fail_after(LONG_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(whole, engine, ask("x"))
            await anyio.wait_all_tasks_blocked()
            with ScriptedServer(port=free_port) as server:
                await server.until(lambda: [chat.outcome for chat in server.chats] == ["answered"])


@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_unreachable(open_engine: OpenEngine, free_port: int) -> None:
    engine = open_engine(base_url=f"http://127.0.0.1:{free_port}/v1", retries=1)
    with pytest.raises(EngineUnreachable, match="nothing answers there"):
        await whole(engine, ask("x"))


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 401, 404, 500, 501])
async def test_an_error_that_time_does_not_mend_is_not_tried_again(
    scripted_server: ScriptedServer, open_engine: OpenEngine, status: int
) -> None:
    scripted_server.otherwise(fail(status))
    with pytest.raises(EngineError):
        await whole(open_engine(retries=3), ask("x"))
    assert len(scripted_server.chats) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["cut_after", "error_after", "garbage_after"])
async def test_nothing_is_tried_again_after_the_first_token(
    scripted_server: ScriptedServer, open_engine: OpenEngine, fault: str
) -> None:
    scripted_server.otherwise(say_tokens(5, **{fault: 2}))
    with pytest.raises(EngineError):
        await whole(open_engine(retries=3), ask("x"))
    assert len(scripted_server.chats) == 1


@pytest.mark.anyio
async def test_the_wait_that_a_server_asks_for_is_kept(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    scripted_server.then(fail(429, retry_after_s=0.2), "now")
    begun_at = anyio.current_time()
    assert (await whole(open_engine(retries=1), ask("x"))).text == "now"
    assert anyio.current_time() - begun_at >= 0.2


@pytest.mark.anyio
@pytest.mark.parametrize(("asked_s", "total_s"), [(BACKOFF_MAX_S + 1, 600.0), (5.0, 4.0)])
async def test_a_wait_beyond_reason_or_the_total_timeout_is_not_waited(
    scripted_server: ScriptedServer, open_engine: OpenEngine, asked_s: float, total_s: float
) -> None:
    scripted_server.otherwise(fail(429, retry_after_s=asked_s))
    with anyio.fail_after(LONG_S), pytest.raises(EngineOverloaded):
        await whole(open_engine(retries=3, total_s=total_s), ask("x"))
    assert len(scripted_server.chats) == 1


@pytest.mark.anyio
async def test_a_cancel_ends_the_wait_for_the_next_try(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    scripted_server.otherwise(fail(429, retry_after_s=15))
    engine: OpenAIEngine = open_engine(retries=3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(whole, engine, ask("x"))
        await scripted_server.until(lambda: len(scripted_server.chats) == 1)
        tasks.cancel_scope.cancel()
    assert len(scripted_server.chats) == 1


@pytest.mark.anyio
async def test_a_quota_that_is_spent_is_refused_and_not_tried_again(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    scripted_server.otherwise(
        fail(429, {"error": {"message": "You exceeded it", "code": "insufficient_quota"}})
    )
    with pytest.raises(EngineRefused, match="You exceeded it"):
        await whole(open_engine(retries=3), ask("x"))
    assert len(scripted_server.chats) == 1


@pytest.mark.parametrize(("attempt", "ceiling_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (30, BACKOFF_MAX_S)])
def test_the_jitter_is_full_and_its_ceiling_doubles_up_to_a_limit(attempt: int, ceiling_s: float) -> None:
    waits = [backoff_s(attempt, 0.5) for _ in range(2000)]
    assert all(0 <= wait <= ceiling_s for wait in waits)
    assert min(waits) < ceiling_s * 0.1
    assert max(waits) > ceiling_s * 0.9


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("3", 3.0), ("0.5", 0.5), ("-4", 0.0), ("soon", None), ("nan", None), ("inf", None)],
)
def test_the_header_is_read_as_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_the_header_is_read_as_a_date(zone: str) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)
    header = format_datetime(moment, usegmt=True).replace("GMT", zone)
    assert 90 < (retry_after_s(header) or 0) <= 100
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
