"""The scripted server itself: others' tests stand on it, so it must answer, match, fail and log as it says."""

import json
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.support.answers import WORDS, call_tool, fail, say, say_json, say_tokens, words_of
from tests.support.scripted_server import Received, ScriptedServer, load_rules


def ask(server: ScriptedServer, text: str, **fields: object) -> httpx2.Response:
    """One chat completion without streaming."""
    body = {"messages": [{"role": "user", "content": text}], **fields}
    return httpx2.post(f"{server.base_url}/chat/completions", json=body, trust_env=False, timeout=10)


def text_of(response: httpx2.Response) -> str:
    """The answer's text."""
    return response.json()["choices"][0]["message"]["content"]


def events_of(response: httpx2.Response) -> list[dict]:
    """Each event of a stream but `[DONE]`."""
    datas = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    return [json.loads(data) for data in datas if data != "[DONE]"]


def test_it_answers_in_the_order_queue_then_newest_rule_then_default(scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise("default")
    scripted_server.when("judge", "old rule")
    scripted_server.when("judge", "new rule")
    scripted_server.then("queued", fail(429, retry_after_s=1.5))
    assert text_of(ask(scripted_server, "judge")) == "queued"
    busy = ask(scripted_server, "judge")
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "1.5")
    assert text_of(ask(scripted_server, "now judge it")) == "new rule"
    assert text_of(ask(scripted_server, "anything")) == "default"


def test_a_condition_and_an_answer_may_be_functions_of_the_request(scripted_server: ScriptedServer) -> None:
    def by_number(request: Received) -> str:
        return f"number {request.number}"

    scripted_server.when(lambda request: request.body["seed"] == 7, by_number)
    assert text_of(ask(scripted_server, "x", seed=7)) == "number 1"
    assert text_of(ask(scripted_server, "x", seed=8)) == "ok"


def test_it_logs_what_came_in(scripted_server: ScriptedServer) -> None:
    ask(scripted_server, "hello", seed=3)
    httpx2.get(f"{scripted_server.base_url}/models", trust_env=False)
    [chat] = scripted_server.chats
    assert (chat.last, chat.body["seed"], chat.outcome) == ("hello", 3, "answered")
    assert [request.path for request in scripted_server.requests] == ["/v1/chat/completions", "/v1/models"]
    assert repr(chat) == "<Received 1 POST /v1/chat/completions answered>"


def test_it_honours_stop_words_and_the_limit_of_tokens(scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise("one two three four")
    assert text_of(ask(scripted_server, "x", stop=["ee"])) == "one two thr"
    cut = ask(scripted_server, "x", max_tokens=2).json()["choices"][0]
    assert (cut["message"]["content"], cut["finish_reason"]) == ("one two", "length")


def test_it_counts_the_shared_start_of_prompts_as_cached(scripted_server: ScriptedServer) -> None:
    ask(scripted_server, "a b c d e")
    usage = ask(scripted_server, "a b c x").json()["usage"]
    assert (usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]) == (4, 3)


def test_it_streams_words_then_the_reason_then_usage(scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(say_json({"winner": "A B"}, cached_tokens=5))
    response = ask(scripted_server, "x", stream=True, stream_options={"include_usage": True})
    events = events_of(response)
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == '{"winner":"A B"}'
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 5}
    assert response.text.endswith("data: [DONE]\n\n")


def test_it_streams_tool_calls_in_pieces(scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(call_tool("look", {"path": "a/very/long/path.py"}))
    events = events_of(ask(scripted_server, "x", stream=True))
    parts = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls", [])]
    assert parts[0]["function"]["name"] == "look"
    assert "".join(part["function"]["arguments"] for part in parts) == '{"path":"a/very/long/path.py"}'
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.anyio
async def test_it_sees_that_the_client_hung_up_while_it_stalls(scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(say_tokens(5, stall_after=2))
    async with httpx2.AsyncClient(trust_env=False) as client:
        body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
        async with client.stream("POST", f"{scripted_server.base_url}/chat/completions", json=body):
            await scripted_server.until(lambda: bool(scripted_server.open_chats))
    await scripted_server.until(lambda: scripted_server.chats[0].outcome == "hung up")
    assert scripted_server.open_chats == 0


@pytest.mark.anyio
async def test_stalled_answers_go_on_when_released(scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(say_tokens(3, stall_after=2, token_delay_s=0.001))
    answers: list[str] = []

    async def one() -> None:
        answers.append((await anyio.to_thread.run_sync(ask_streamed, scripted_server)).text)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)
        await scripted_server.until(lambda: [chat.pieces_sent for chat in scripted_server.chats] == [3, 3])
        scripted_server.release()
    assert [answer.count('"content":" ') for answer in answers] == [3, 3]
    assert scripted_server.peak_open == 2


def ask_streamed(server: ScriptedServer) -> httpx2.Response:
    """One streamed chat completion."""
    return ask(server, "x", stream=True)


def test_a_cut_answer_breaks_the_connection(scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(say("one two three", cut_after=2))
    with pytest.raises(httpx2.RemoteProtocolError):
        ask_streamed(scripted_server)
    assert scripted_server.chats[0].outcome == "cut"


def test_faults_in_mid_stream_are_sent_as_told(scripted_server: ScriptedServer) -> None:
    scripted_server.then(
        say("one two", garbage_after=1), say("one two", sends_done=False, sends_finish=False)
    )
    assert '{"choices": [{"delta": \n' in ask_streamed(scripted_server).text
    assert "DONE" not in ask_streamed(scripted_server).text


def test_it_shows_progress_where_it_is_asked(scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(say("one", progress_chunks=2))
    assert "prompt_progress" not in ask_streamed(scripted_server).text
    events = events_of(ask(scripted_server, "a b c d", stream=True, return_progress=True))
    assert [event["prompt_progress"]["processed"] for event in events[:2]] == [2, 4]


def test_other_pages_can_be_told_too(scripted_server: ScriptedServer) -> None:
    root = f"http://127.0.0.1:{scripted_server.port}"
    scripted_server.pages["/health"] = fail(503, {"error": {"message": "Loading model"}})
    assert httpx2.get(f"{root}/health", trust_env=False).status_code == 503
    assert "requests_processing" in httpx2.get(f"{root}/metrics", trust_env=False).text
    assert httpx2.get(f"{root}/nowhere", trust_env=False).status_code == 404


def test_waiting_in_vain_fails_and_shows_the_requests(scripted_server: ScriptedServer) -> None:
    ask(scripted_server, "x")
    with pytest.raises(AssertionError, match="Received 1 POST"):
        scripted_server.wait_until(lambda: False, timeout_s=0.01)


@pytest.mark.parametrize(("trouble", "flavour"), [(t, f) for t, table in WORDS.items() for f in table])
def test_every_engine_s_words_are_sent_with_their_status(
    scripted_server: ScriptedServer, trouble, flavour
) -> None:
    scripted_server.otherwise(words_of(flavour, trouble))
    status, body = WORDS[trouble][flavour]
    response = ask(scripted_server, "x", stream=True)
    assert response.status_code == status
    assert response.text == (body if isinstance(body, str) else json.dumps(body, separators=(",", ":")))


def test_rules_can_be_read_from_a_file(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    rules = [{"contains": "judge", "answer": {"text": "A"}}, {"answer": {"text": "rest", "token_delay_s": 0}}]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rules))
    load_rules(scripted_server, file)
    assert [text_of(ask(scripted_server, text)) for text in ("judge!", "x")] == ["A", "rest"]


def test_it_runs_as_a_program_of_its_own(scripted_program: str) -> None:
    body = {"messages": [{"role": "user", "content": "x"}]}
    response = httpx2.post(f"{scripted_program}/chat/completions", json=body, trust_env=False)
    assert text_of(response) == "ok"


def test_a_stopped_server_can_start_again_on_its_port() -> None:
    with ScriptedServer() as server:
        server.stop()
    with ScriptedServer(port=server.port) as again:
        assert text_of(ask(again, "x")) == "ok"
