"""Whatever a client sends, it gets a proper error, and the connection lives on in bounded memory."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import anyio
import pytest

from naestro_mcp.about import MAX_LINE_BYTES
from naestro_mcp.transport import OPEN_REQUESTS_MAX
from tests.mcp.desk import LEGACY, Person, connected, core_in, desk_in, wired

pytestmark = pytest.mark.anyio
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602


MESSAGES = [
    (b"{", PARSE_ERROR, None),
    (b"\xff\xfe", PARSE_ERROR, None),
    (b"[" * 100_000, PARSE_ERROR, None),
    (b"[]", INVALID_REQUEST, None),
    (b'[{"jsonrpc":"2.0","id":7,"method":"ping"}]', INVALID_REQUEST, None),
    (b'"text"', INVALID_REQUEST, None),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', INVALID_REQUEST, None),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', INVALID_REQUEST, None),
    (b'{"jsonrpc":"1.0","id":7,"method":"ping"}', INVALID_REQUEST, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":3}', INVALID_REQUEST, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', INVALID_PARAMS, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"nothing"}', METHOD_NOT_FOUND, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}', INVALID_PARAMS, 7),
    (
        b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"runs","arguments":[]}}',
        INVALID_PARAMS,
        7,
    ),
    (b'{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":7}}', INVALID_PARAMS, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"completion/complete","params":{"ref":{}}}', INVALID_PARAMS, 7),
]


async def test_a_message_that_is_none_is_answered_and_the_connection_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.open()
        for line, code, number in MESSAGES:
            await wire.write(line + b"\n")
            answer = await wire.receive()
            assert (answer["error"]["code"], answer["id"]) == (code, number), line[:200]
        await wire.send(id=8, method="ping")
        assert await wire.receive() == {"jsonrpc": "2.0", "id": 8, "result": {}}


async def test_a_request_before_the_handshake_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.send(id=1, method="tools/list")
        assert (await wire.receive())["error"]["code"] == INVALID_PARAMS
        await wire.open()


PARAMETERS: list[tuple[str, dict[str, Any], str]] = [
    ("tools/call", {"name": 5}, "name: Input should be a valid string"),
    ("tools/call", {"name": "runs", "arguments": "x"}, "arguments: Input should be a valid dictionary"),
    ("tools/list", {"cursor": 5}, "cursor: Input should be a valid string"),
    ("resources/read", {}, "uri: Field required"),
    (
        "prompts/get",
        {"name": "explain", "arguments": {"target": 5}},
        "target: Input should be a valid string",
    ),
]


async def test_parameters_that_do_not_fit_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.send(id=7, method="tools/list")
        assert "before initialize" in (await wire.receive())["error"]["message"]
        await wire.open()
        for method, params, words in PARAMETERS:
            await wire.send(id=7, method=method, params=params)
            error = (await wire.receive())["error"]
            assert error["code"] == INVALID_PARAMS
            assert f"The parameters of {method} do not fit" in error["message"]
            assert words in error["message"]


async def test_half_a_line_at_the_end_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.open()
        await wire.write(b'{"jsonrpc":"2.0","id":7,"meth')
        await wire.stream.send_eof()
        assert (await wire.receive())["error"]["code"] == PARSE_ERROR


async def test_what_was_asked_before_the_end_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.open()
        params = {"name": "read_code", "arguments": {"target": "calc.py"}}
        await wire.send(id=7, method="tools/call", params=params)
        await wire.stream.send_eof()
        assert "result" in await wire.receive()


async def test_arguments_of_20_mb_cost_an_error_and_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.open()
        head = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search_code","arguments":{"query":"'
        tracemalloc.start()
        await wire.write(head)
        for _ in range(20):
            await wire.write(b"x" * (1 << 20))
        await wire.write(b'"}}}\n')
        answer = await wire.receive()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (answer["id"], answer["error"]["code"]) == (7, INVALID_REQUEST)
        assert "longer than 4 MiB" in answer["error"]["message"]
        assert peak < 4 * MAX_LINE_BYTES
        await wire.send(id=8, method="ping")
        assert (await wire.receive())["id"] == 8


ARGUMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("search_code", {"query": "x" * 100_000}, "longer than 64 KB"),
    ("search_code", {"query": "x" * 5_000}, "do not fit"),
    ("search_code", {"query": ["x"]}, "do not fit"),
    ("search_code", {"query": None}, "do not fit"),
    ("search_code", {"query": "x", "limit": 0}, "do not fit"),
    ("search_code", {"query": "x", "limit": 1e9}, "do not fit"),
    ("search_code", {"query": "x", "limit": "10"}, "do not fit"),
    ("search_code", {"query": "x", "more": 1}, "unknown field `more`. It takes: query"),
    ("search_code", {"regex": "("}, "input"),
    ("search_code", {"regex": "(a{1000}){1000}"}, "input"),
    ("search_code", {"regex": r"(?=x)"}, "input"),
    ("search_code", {"query": "x", "regex": "y"}, "either"),
    ("read_code", {}, "do not fit"),
    ("read_code", {"target": "calc.py", "view": "all"}, "do not fit"),
    ("read_code", {"target": "calc.py:900-901"}, "has 6 lines"),
    ("read_code", {"target": "calc.py:5-2"}, "no lines"),
    ("read_code", {"target": "nothing.py"}, "missing_file"),
    ("read_code", {"target": "nobody", "view": "symbol"}, "index_unavailable"),
    ("repo_map", {"max_tokens": -1}, "do not fit"),
    ("runs", {"run": "nothing"}, "not_found"),
    ("runs", {"run": "last"}, "not_found"),
    ("ask_council", {"task": " "}, "empty"),
    ("ask_council", {"task": "x", "mode": "judge"}, "do not fit"),
    ("respond", {"run": "x", "action": "delete"}, "do not fit"),
]


async def test_arguments_that_do_not_fit_are_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.open()
        for name, arguments, words in ARGUMENTS:
            await wire.send(id=7, method="tools/call", params={"name": name, "arguments": arguments})
            result = (await wire.receive())["result"]
            assert result["isError"], (name, arguments)
            assert words in result["content"][0]["text"], (name, arguments)
            assert "structuredContent" not in result


async def test_an_expression_that_explodes_elsewhere_takes_no_time_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        (desk.workspace / "a.txt").write_text("a" * 50_000 + "!\n")
        with anyio.fail_after(10):
            result = await desk.call("search_code", regex="^(a+)+$")
        assert not result.is_error


async def test_two_thousand_calls_at_once_are_all_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.open()
        calls = 2_000
        params = {"name": "read_code", "arguments": {"target": "calc.py"}}
        lines = [
            json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
            for number in range(calls)
        ]
        answers = list[Any]()

        async def read() -> None:
            while len(answers) < calls:
                answers.append(await wire.receive())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await wire.write("\n".join(lines).encode() + b"\n")
    assert sorted(answer["id"] for answer in answers) == list(range(calls))
    good = [answer for answer in answers if "result" in answer]
    refused = {answer["error"]["message"] for answer in answers if "error" in answer}
    assert len(good) >= OPEN_REQUESTS_MAX
    assert refused <= {f"More than {OPEN_REQUESTS_MAX} requests are open."}


async def test_a_client_that_reads_nothing_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.open()
        (tmp_path / "workspace" / "long.txt").write_text("a line of a long file\n" * 2_000)
        params = {"name": "read_code", "arguments": {"target": "long.txt"}}
        with anyio.move_on_after(1):
            for number in range(500):
                await wire.send(id=number, method="tools/call", params=params)
        async with connected(core, tmp_path / "workspace", LEGACY, Person()) as other:
            assert (await other.ask("read_code", target="calc.py"))["spots"]
