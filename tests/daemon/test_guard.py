"""Who may speak HTTP to the daemon, by real requests over both of its sockets."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import anyio
import pytest

from naestro.client.local import LocalClient
from naestro.daemon.guard import BODY_MAX_BYTES
from naestro.daemon.web_server import LOOPBACK_MAX
from tests.client.stage import Flows, client_in
from tests.daemon.web import TOKEN, WAIT_S, Web, served

pytestmark = pytest.mark.anyio
PING = {"jsonrpc": "2.0", "id": 1, "method": "daemon.info"}


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "user"))


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[LocalClient]:
    async with client_in(tmp_path / "journal", Flows()) as client:
        yield client


@pytest.fixture
async def web(core: LocalClient, tmp_path: Path) -> AsyncIterator[Web]:
    async with served(core, tmp_path) as web:
        yield web


async def test_the_own_socket_asks_for_no_token_and_the_port_takes_the_right_one(web: Web) -> None:
    assert (await web.post(PING)).json()["result"]["version"] == "1.2.3"
    answer = await web.loopback.post("/rpc", json=PING)
    assert answer.json()["result"]["version"] == "1.2.3"
    assert [name for name in answer.headers if name.startswith("access-control")] == []


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
async def test_a_missing_or_wrong_token_is_refused_on_the_port(web: Web, given: str) -> None:
    answer = await web.loopback.post("/rpc", json=PING, headers={"Authorization": given})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json() == {"error": {"message": "The bearer token is missing or wrong."}}


async def test_no_token_lets_nobody_in_where_the_daemon_has_none(core: LocalClient, tmp_path: Path) -> None:
    async with served(core, tmp_path, token="") as web:
        answer = await web.loopback.post("/rpc", json=PING, headers={"Authorization": "Bearer"})
        assert answer.status_code == 401


async def test_both_names_of_the_port_are_its_host_and_no_other_is(web: Web) -> None:
    async def status(host: str) -> int:
        return (await web.loopback.post("/rpc", json=PING, headers={"Host": host})).status_code

    assert await status(f"localhost:{web.port}") == 200
    assert await status(f"127.0.0.1:{web.port}") == 200
    for wrong in (
        "localhost",
        "127.0.0.1",
        "evil.example",
        f"evil.example:{web.port}",
        "127.0.0.1:1",
        "[::1]",
    ):
        assert await status(wrong) == 403, wrong


async def test_a_page_of_another_origin_is_refused_and_one_of_the_daemons_own_is_not(web: Web) -> None:
    async def status(origin: str) -> int:
        return (await web.loopback.post("/rpc", json=PING, headers={"Origin": origin})).status_code

    assert await status(f"http://127.0.0.1:{web.port}") == 200
    for wrong in (
        "null",
        "http://evil.example",
        f"https://127.0.0.1:{web.port}",
        f"http://localhost:{web.port}",
    ):
        assert await status(wrong) == 403, wrong


async def test_a_request_without_a_host_or_with_two_is_refused(web: Web) -> None:
    async def said(*hosts: str) -> bytes:
        lines = "".join(f"Host: {host}\r\n" for host in hosts)
        async with await anyio.connect_tcp("127.0.0.1", web.port) as stream:
            request = f"GET /events HTTP/1.0\r\n{lines}Authorization: Bearer {TOKEN}\r\n\r\n"
            await stream.send(request.encode())
            return await stream.receive()

    assert b" 403 " in await said()
    assert b" 40" in await said(f"127.0.0.1:{web.port}", "evil.example")


async def test_a_body_over_the_limit_is_refused_whether_announced_or_not(web: Web) -> None:
    announced = await web.own.post("/rpc", content=b" " * (BODY_MAX_BYTES + 1))
    assert announced.status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 1024 * 1024

    grown = await web.loopback.post("/rpc", content=pieces())
    assert grown.status_code == 413
    assert "at most" in grown.json()["error"]["message"]
    allowed = await web.own.post("/rpc", content=b" " * (BODY_MAX_BYTES - 2) + b"{}")
    assert allowed.json()["error"]["code"] == -32600


async def test_an_unknown_path_and_a_wrong_method_get_an_answer_in_json(web: Web) -> None:
    assert (await web.own.get("/nothing")).status_code == 404
    wrong = await web.own.get("/rpc")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json() == {"error": {"message": "Method Not Allowed"}}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"POST /rpc HTTP/1.1\r\nHost: 127",
        b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /",
        b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    ],
)
async def test_who_is_too_slow_to_ask_is_hung_up_on(core: LocalClient, tmp_path: Path, said: bytes) -> None:
    async with (
        served(core, tmp_path, patience_s=1) as web,
        await anyio.connect_tcp("127.0.0.1", web.port) as stream,
    ):
        if said:
            await stream.send(said)
        with anyio.fail_after(WAIT_S), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                await stream.receive()


async def test_a_stream_outlasts_the_patience_with_a_slow_request(core: LocalClient, tmp_path: Path) -> None:
    async with (
        served(core, tmp_path, patience_s=1) as web,
        await anyio.connect_tcp("127.0.0.1", web.port) as slow,
        web.loopback.stream("GET", "/events") as answer,
    ):
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await slow.receive()
        with anyio.move_on_after(0.5) as waiting:
            async for _ in answer.aiter_raw():
                pass
        assert waiting.cancelled_caught


async def test_the_port_takes_no_more_connections_than_leave_room_for_the_users_own(web: Web) -> None:
    async with AsyncExitStack() as opened:
        for _ in range(LOOPBACK_MAX):
            await opened.enter_async_context(await anyio.connect_tcp("127.0.0.1", web.port))
        one_more = await opened.enter_async_context(await anyio.connect_tcp("127.0.0.1", web.port))
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)), anyio.fail_after(WAIT_S):
            await one_more.receive()
        assert (await web.post(PING)).status_code == 200
