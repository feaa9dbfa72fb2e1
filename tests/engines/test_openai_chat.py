"""A chat completion over a real socket: what is sent, what comes back, and that leaving closes."""

import anyio
import pytest

from naestro.engines.engine import ChatRequest, Message, ToolCall
from naestro.engines.openai import OpenAIEngine
from naestro.errors import EngineMalformed
from naestro.types import Usage
from tests.engines.conftest import OpenEngine
from tests.engines.contract import WINNER_SCHEMA, ask, first_piece, whole
from tests.support.answers import Answer, ScriptedToolCall, call_tool, say, say_tokens
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


async def test_the_request_carries_what_was_asked_and_nothing_empty(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    await whole(open_engine(flavour="vllm"), ask("hello", seed=5, temperature=0.5, max_tokens=9))
    [chat] = scripted_server.chats
    assert chat.body == {
        "model": "scripted",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 9,
        "temperature": 0.5,
        "seed": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert chat.headers["content-type"] == "application/json"
    assert chat.headers["accept-encoding"] == "identity"
    assert "authorization" not in chat.headers


async def test_stop_words_schema_and_tools_are_sent_where_there_are_some(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    await whole(openai_engine, ask("x", stop=["END"], schema=WINNER_SCHEMA, tools=[TOOL]))
    body = scripted_server.chats[0].body
    assert body["stop"] == ["END"]
    assert body["tools"] == [TOOL]
    schema = {"name": "answer", "schema": WINNER_SCHEMA}
    assert body["response_format"] == {"type": "json_schema", "json_schema": schema}


async def test_fields_of_one_server_alone_are_sent_as_they_are(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    async with openai_engine.chat(ask("x"), {"id_slot": 3}) as stream:
        _ = [piece async for piece in stream]
    assert scripted_server.chats[0].body["id_slot"] == 3


async def test_llama_cpp_is_asked_for_progress_so_that_it_notices_a_hang_up(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(say("answer", progress_chunks=3))
    completion = await whole(openai_engine, ask("a b c"))
    assert scripted_server.chats[0].body["return_progress"] is True
    assert completion.text == "answer"


async def test_adjacent_messages_of_the_user_become_one(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    roles = ("system", "user", "user", "assistant", "assistant", "user")
    messages = [Message(role=role, content=str(number)) for number, role in enumerate(roles)]
    await whole(openai_engine, ChatRequest(messages=messages, max_tokens=5))
    sent = [(message["role"], message["content"]) for message in scripted_server.chats[0].messages]
    assert sent == [
        ("system", "0"),
        ("user", "1\n\n2"),
        ("assistant", "3"),
        ("assistant", "4"),
        ("user", "5"),
    ]


async def test_the_completion_is_whole_with_usage_and_cached_tokens(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(say("Ünïcode 🙂 text", prompt_tokens=100, cached_tokens=90, model="gpt-x"))
    completion = await whole(openai_engine, ask("x"))
    assert completion.text == "Ünïcode 🙂 text"
    assert completion.usage == Usage(prompt_tokens=100, completion_tokens=3, cached_tokens=90)
    assert (completion.finish_reason, completion.model) == ("stop", "gpt-x")


async def test_a_server_that_counts_nothing_gives_an_answer_all_the_same(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(say("one two", sends_usage=False, sends_role_chunk=False))
    completion = await whole(openai_engine, ask("x"))
    assert (completion.text, completion.usage) == ("one two", Usage())


async def test_tool_calls_are_put_together_from_their_pieces(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    calls = [
        ScriptedToolCall(id="a", name="look", arguments='{"path":"core/naestro/types.py"}'),
        ScriptedToolCall(id="b", name="run", arguments="{}"),
    ]
    scripted_server.otherwise(Answer(tool_calls=calls))
    completion = await whole(openai_engine, ask("x"))
    assert completion.finish_reason == "tool_calls"
    assert completion.tool_calls == [
        ToolCall(id="a", name="look", arguments='{"path":"core/naestro/types.py"}'),
        ToolCall(id="b", name="run", arguments="{}"),
    ]


async def test_a_tool_call_alone_is_an_answer_without_text(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(call_tool("look", {}))
    async with openai_engine.chat(ask("x")) as stream:
        assert [piece async for piece in stream] == []
        assert stream.completion().tool_calls == [ToolCall(id="call_1", name="look", arguments="{}")]


async def test_the_key_is_sent_as_a_bearer_token(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    await whole(open_engine(api_key="sk-secret-123"), ask("x"))
    assert scripted_server.chats[0].headers["authorization"] == "Bearer sk-secret-123"


async def test_leaving_early_closes_the_connection(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=2))
    async with openai_engine.chat(ask("x")) as stream:
        assert await anext(aiter(stream)) == " 0"
        left_at = anyio.current_time()
    assert anyio.current_time() - left_at < 1  # promised: 0.1 s; the machine may be busy
    await scripted_server.until(lambda: scripted_server.chats[0].outcome == "hung up", timeout_s=2)


async def test_leaving_by_an_error_closes_the_connection_and_keeps_the_error(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=2))

    async def fail_within() -> None:
        async with openai_engine.chat(ask("x")) as stream:
            await anext(aiter(stream))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_within()
    await scripted_server.until(lambda: scripted_server.chats[0].outcome == "hung up", timeout_s=2)


@pytest.mark.parametrize("stall_after", [-1, 0, 3])
async def test_a_cancel_closes_the_connection_wherever_the_answer_stands(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine, stall_after: int
) -> None:
    """-1: the server reads the prompt and has said nothing; 0: it says that it works; 3: it is answering."""
    scripted_server.otherwise(say_tokens(9, stall_after=stall_after))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(whole, openai_engine, ask("x"))
        await scripted_server.until(lambda: scripted_server.open_chats == 1)
        tasks.cancel_scope.cancel()
        cancelled_at = anyio.current_time()
    assert anyio.current_time() - cancelled_at < 1  # promised: 0.1 s; the machine may be busy
    await scripted_server.until(lambda: scripted_server.chats[0].outcome == "hung up", timeout_s=2)


async def test_an_answer_that_was_left_is_not_whole(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=2))
    async with openai_engine.chat(ask("x")) as stream:
        await anext(aiter(stream))
    with pytest.raises(EngineMalformed, match="not whole"):
        stream.completion()
    with pytest.raises(EngineMalformed):
        _ = [piece async for piece in stream]


async def test_an_answer_that_was_not_read_to_the_end_is_not_whole(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    """All of it may have come in one piece of the network, and still the caller has not seen it."""
    scripted_server.otherwise(say_tokens(200))
    async with openai_engine.chat(ask("x", max_tokens=500)) as stream:
        await anext(aiter(stream))
        with pytest.raises(EngineMalformed, match="not whole"):
            stream.completion()


@pytest.mark.parametrize("ends", ["cut", "open"])
async def test_after_done_it_does_not_matter_how_the_response_ends(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine, ends: str
) -> None:
    scripted_server.otherwise(say("one two", ends=ends))
    assert (await whole(openai_engine, ask("x"))).text == "one two"


async def test_an_engine_can_be_used_again_after_it_was_closed(openai_engine: OpenAIEngine) -> None:
    async with openai_engine as engine:
        assert (await whole(engine, ask("x"))).text == "ok"
    await openai_engine.aclose()
    assert (await whole(openai_engine, ask("x"))).text == "ok"


async def test_a_local_server_gets_a_new_connection_for_each_request(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    """llama.cpp's server closes kept connections while the next request is on its way."""
    for _ in range(3):
        await whole(openai_engine, ask("x"))
    assert scripted_server.connections == 3
    assert scripted_server.chats[0].headers["connection"] == "close"


async def test_many_calls_run_side_by_side(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(say_tokens(3, stall_after=1))
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(whole, openai_engine, ask("x"))
        await scripted_server.until(lambda: scripted_server.open_chats == 30)
        scripted_server.release()
        await scripted_server.until(lambda: scripted_server.open_chats == 0)


async def test_the_first_piece_is_seen_before_the_answer_ends(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(say_tokens(2, stall_after=1))
    assert await first_piece(openai_engine, ask("x")) == " 0"
