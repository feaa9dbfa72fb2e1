"""Whatever a server says or does wrong becomes one clear error of the tree, and the key is never in it."""

import inspect
import logging

import httpx2
import msgspec
import pytest

from naestro.engines.openai import OpenAIEngine, OpenAISettings
from naestro.engines.wire_errors import (
    DETAIL_MAX_CHARS,
    FOREIGN,
    KEY_HINT,
    SCHEMA_HINT,
    WireError,
    error_of,
    error_of_exception,
    meaning_of_text,
    read_error,
)
from naestro.errors import (
    ConfigError,
    ContextTooLong,
    EngineError,
    EngineMalformed,
    EngineOutOfMemory,
    EngineOverloaded,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
)
from tests.engines.conftest import OpenEngine
from tests.engines.contract import ask, whole
from tests.support.answers import DEAD_ENGINE, WORDS, Answer, fail, say, words_of
from tests.support.playing import event
from tests.support.scripted_server import ScriptedServer

KINDS: dict[str, type[EngineError]] = {
    "context too long": ContextTooLong,
    "out of memory": EngineOutOfMemory,
    "loading": EngineOverloaded,
    "busy": EngineOverloaded,
    "bad schema": EngineRefused,
    "not supported": EngineRefused,
    "unknown model": EngineRefused,
    "dead": EngineUnreachable,
    "wrong key": EngineRefused,
}
SAID = [(trouble, flavour) for trouble, table in WORDS.items() for flavour in table]
SILENT = ("dead", "tensorrt-llm")
"""A bare 503, which alone says no more than that it is busy."""

MESSAGES = [
    ("max_tokens=5000 cannot be greater than max_model_len=1024. Please ...", ContextTooLong),
    ("The decoder prompt (length 9) is longer than the maximum model length of 4", ContextTooLong),
    ("Prompt length exceeds max_num_tokens", ContextTooLong),
    ("prompt is too long: 210000 tokens > 200000 maximum", ContextTooLong),
    ("failed to create_context with model '/m.gguf'", EngineOutOfMemory),
    ("No available memory for the cache blocks. Try increasing it", EngineOutOfMemory),
    ("Free memory on device (3/79 GiB) on startup is less than desired", EngineOutOfMemory),
    ("Engine core initialization failed. See root cause above.", EngineOutOfMemory),
    ("Executor creation failed due to insufficient GPU memory.", EngineOutOfMemory),
    ("Grammar error: Invalid type: banana", EngineRefused),
    ("image input is not supported - hint: ...", EngineRefused),
    ("EngineCore encountered an issue. See stack trace", EngineUnreachable),
]

STATUSES = {
    302: EngineRefused,
    400: EngineRefused,
    401: EngineRefused,
    404: EngineRefused,
    408: EngineTimeout,
    413: ContextTooLong,
    418: EngineRefused,
    429: EngineOverloaded,
    500: EngineError,
    501: EngineRefused,
    502: EngineUnreachable,
    503: EngineOverloaded,
    504: EngineTimeout,
}

KEY = "sk-very-secret-0123456789"


@pytest.mark.anyio
@pytest.mark.parametrize(("trouble", "flavour"), [said for said in SAID if said != SILENT])
async def test_each_engine_s_words_become_the_error_that_they_mean(
    scripted_server: ScriptedServer, open_engine: OpenEngine, trouble, flavour
) -> None:
    scripted_server.otherwise(words_of(flavour, trouble))
    with pytest.raises(KINDS[trouble]) as caught:
        await whole(open_engine(flavour=flavour), ask("x"))
    assert type(caught.value) is KINDS[trouble]
    assert caught.value.message.startswith("The engine tiny answered with an error: ")


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
async def test_without_words_the_status_counts(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine, status: int, kind: type[EngineError]
) -> None:
    scripted_server.otherwise(fail(status, " "))
    with pytest.raises(EngineError, match=f"{status} [A-Z]") as caught:
        await whole(openai_engine, ask("x"))
    assert type(caught.value) is kind


@pytest.mark.parametrize(("message", "kind"), MESSAGES)
def test_the_words_of_the_facts_page_are_known(message: str, kind: type[EngineError]) -> None:
    meaning = meaning_of_text(f"ERROR 01-01 core.py:1] {message}")
    assert meaning is not None
    assert meaning.kind is kind


def test_a_message_that_means_nothing_known_is_left_to_the_status() -> None:
    assert meaning_of_text("something else went wrong") is None


def test_the_type_counts_before_the_message_and_the_message_before_the_status() -> None:
    by_type = WireError("out of memory", ("server_error", "context_length_exceeded"), 503)
    by_message = WireError("CUDA out of memory", ("InternalServerError",), 503)
    assert type(error_of(by_type, "e")) is ContextTooLong
    assert type(error_of(by_message, "e")) is EngineOutOfMemory


@pytest.mark.parametrize(
    ("body", "message", "words", "status"),
    [
        (b'{"error":{"message":"m","type":"t","code":"c"}}', "m", ("t", "c"), 400),
        (b'{"error":{"message":"m","type":null,"code":429}}', "m", (), 400),
        (b'{"object":"error","message":"m","type":"t","code":429}', "m", ("t",), 400),
        (b'{"error":"m"}', "m", (), 400),
        (b'{"detail":"Not Found"}', "Not Found", (), 400),
        (b'{"detail":[{"loc":["body"]}]}', '{"detail":[{"loc":["body"]}]}', (), 400),
        (b'{"other":1}', '{"other":1}', (), 400),
        (b"[1]", "[1]", (), 400),
        (b"<html>\xff", "<html>\ufffd", (), 400),
        (b"", "", (), 400),
    ],
)
def test_an_error_is_read_from_any_shape(body: bytes, message: str, words: tuple, status: int) -> None:
    assert read_error(body, 400) == WireError(message, words, status)


def test_an_error_within_a_stream_has_its_code_as_status() -> None:
    assert read_error(b'{"error":{"message":"m","code":503}}') == WireError("m", (), 503)
    assert type(error_of(WireError("m"), "e")) is EngineError
    assert error_of(WireError(" ", status=799), "e").message.endswith("status 799")
    assert error_of(WireError(""), "e").message.endswith("it gives no reason")


def test_a_long_message_is_cut_and_put_on_one_line() -> None:
    message = error_of(WireError("a\nb " + "x" * 1000), "e").message
    assert "\n" not in message
    assert message.endswith("x...")
    assert len(message) < DETAIL_MAX_CHARS + 100


def test_the_hint_says_what_to_do_about_the_key_and_the_schema() -> None:
    assert error_of(WireError("x", status=401), "e").hint == KEY_HINT
    assert error_of(WireError("JSON schema error at #"), "e").hint == SCHEMA_HINT
    assert error_of(WireError("x", status=429), "e").hint == EngineOverloaded.default_hint


def _foreign_classes() -> list[type[Exception]]:
    """Every exception that httpx2 exports or defines beside them."""
    exported = [value for value in vars(httpx2).values() if inspect.isclass(value)]
    return [value for value in exported if issubclass(value, Exception) and not issubclass(value, Warning)]


def test_no_exception_of_httpx2_is_forgotten() -> None:
    assert {value.__name__ for value in _foreign_classes()} == set(FOREIGN)


@pytest.mark.parametrize("name", FOREIGN)
def test_each_exception_of_httpx2_becomes_its_error_and_its_own_words_are_not_shown(name: str) -> None:
    foreign = getattr(httpx2, name).__new__(getattr(httpx2, name), KEY)
    error = error_of_exception(foreign, "tiny", "http://h")
    assert type(error) is FOREIGN[name][0]
    assert error.message == f"The engine tiny at http://h cannot be used: {FOREIGN[name][1]}."


def test_an_exception_that_httpx2_adds_later_is_mapped_like_its_base() -> None:
    class NewError(httpx2.ReadError):
        pass

    assert type(error_of_exception(NewError("x"), "tiny", "http://h")) is EngineUnreachable


@pytest.mark.anyio
@pytest.mark.parametrize("after", [0, 2])
async def test_an_error_before_done_is_a_failure(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine, after: int
) -> None:
    scripted_server.otherwise(say("one two three", error_after=after, error=DEAD_ENGINE))
    with pytest.raises(EngineUnreachable, match="EngineCore encountered an issue"):
        await whole(openai_engine, ask("x"))


@pytest.mark.anyio
async def test_a_flat_error_in_a_stream_is_a_failure_too(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    flat = msgspec.json.encode({"object": "error", "message": "out of memory", "type": "x", "code": 500})
    scripted_server.otherwise(say("one", raw_first=flat.decode()))
    with pytest.raises(EngineOutOfMemory):
        await whole(openai_engine, ask("x"))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (say("one two", cut_after=1), "closed the connection"),
        (say("one two", garbage_after=1), "no chunk"),
        (say("one two", sends_done=False), r"ended before \[DONE\]"),
        (say("one two", sends_finish=False), "without a finish reason"),
        (say("one two", sends_finish=False, sends_done=False), r"ended before \[DONE\]"),
        (say("", pieces=["x" * (2 << 20)]), "more than 1048576 bytes"),
        (say("one", raw_first="[]"), "no chunk"),
        (say("one", raw_first='{"choices":[{"delta":{"content":7}}]}'), "no chunk"),
        (say("one", raw_first='{"choices":[{"delta":{"tool_calls":[{"index":5}]}}]}'), "not numbered"),
        (say("one", headers={"content-type": "text/html; charset=utf-8"}), "it is text/html"),
        (say("one", headers={"content-type": ""}), "it is something"),
    ],
)
async def test_an_answer_that_is_not_as_the_protocol_says_is_malformed(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine, answer: Answer, reason: str
) -> None:
    scripted_server.otherwise(answer)
    with pytest.raises(EngineMalformed, match=reason):
        await whole(openai_engine, ask("x"))


@pytest.mark.anyio
@pytest.mark.parametrize("reason", ["error", "abort"])
async def test_an_engine_that_gives_up_gave_no_answer(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine, reason: str
) -> None:
    scripted_server.otherwise(say("one", finish_reason=reason))
    with pytest.raises(EngineError, match=f"gave up while it answered: {reason}"):
        await whole(openai_engine, ask("x"))


@pytest.mark.anyio
async def test_an_answer_beyond_the_limit_is_not_taken(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    scripted_server.otherwise(say("one " * 5000))
    with pytest.raises(EngineMalformed, match="longer than the limit"):
        await whole(open_engine(response_max_bytes=10_000), ask("x", max_tokens=9999))


@pytest.mark.anyio
async def test_of_a_huge_error_only_the_start_is_read(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.otherwise(fail(400, "bad " * (1 << 20)))
    with pytest.raises(EngineRefused) as caught:
        await whole(openai_engine, ask("x"))
    assert len(caught.value.message) < 500
    await scripted_server.until(lambda: scripted_server.open_connections == 0)


@pytest.mark.anyio
async def test_the_key_is_in_no_error_and_no_log(
    scripted_server: ScriptedServer, open_engine: OpenEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    engine = open_engine(api_key=KEY)
    scripted_server.then(fail(401, {"error": {"message": f"Incorrect API key provided: {KEY}."}}))
    scripted_server.then(say("x", error_after=0, error={"message": f"bad key {KEY}"}))
    for _ in range(2):
        with pytest.raises(EngineError) as caught:
            await whole(engine, ask("x"))
        assert "***" in caught.value.message
        assert KEY not in f"{caught.value!r} {caught.value.hint}"
    assert KEY not in f"{engine!r} {OpenAISettings('http://h', KEY)!r} {vars(engine)}"
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "k\u00e9y", "tab\t"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAISettings("http://127.0.0.1/v1", key)
    assert key not in caught.value.message


def test_the_events_of_the_scripted_server_are_what_this_file_takes_them_for() -> None:
    assert event({"a": 1}) == b'data: {"a":1}\n\n'
