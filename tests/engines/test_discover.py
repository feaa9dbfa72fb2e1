"""Servers that already run on loopback: recognised by what they answer, and garbage is none."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import msgspec
import pytest

from naestro.engines.discover import ANSWER_S, Server, find_servers
from tests.support.raw_server import RawServer, answer

pytestmark = pytest.mark.anyio

SERVERS_S = 20.0
"""A limit that a busy machine keeps; what the real one is, one test says."""


def listing(*names: str, owner: str | None = None) -> bytes:
    """What `GET /v1/models` answers."""
    rows = [
        {"id": name, "object": "model", "created": 1, **({"owned_by": owner} if owner else {})}
        for name in names
    ]
    return answer(msgspec.json.encode({"object": "list", "data": rows}))


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """Ends the servers that a test starts."""
    with ExitStack() as stack:
        yield stack


async def found(stack: ExitStack, *pages: dict[str, bytes]) -> list[Server]:
    """What is found where each of `pages` is served."""
    ports = [stack.enter_context(RawServer(one)).port for one in pages]
    return await find_servers(ports, answer_s=SERVERS_S)


@pytest.mark.parametrize(
    ("owner", "kind"),
    [
        ("library", "ollama"),
        ("organization_owner", "lm-studio"),
        ("vllm", "vllm"),
        ("llamacpp", "llama.cpp"),
        ("somebody", "openai"),
        (None, "openai"),
    ],
)
async def test_a_server_is_known_by_whom_its_models_belong_to(
    servers: ExitStack, owner: str | None, kind: str
) -> None:
    (server,) = await found(servers, {"/v1/models": listing("a", "b", owner=owner)})
    assert (server.kind, server.models) == (kind, ["a", "b"])
    assert server.base_url == f"http://127.0.0.1:{server.port}/v1"


async def test_an_ollama_is_known_by_its_version_where_its_models_belong_to_somebody(
    servers: ExitStack,
) -> None:
    pages = {"/v1/models": listing("mine", owner="me"), "/api/version": answer(b'{"version":"0.12.3"}')}
    (server,) = await found(servers, pages)
    assert server.kind == "ollama"


async def test_an_ollama_without_models_is_found_too(servers: ExitStack) -> None:
    pages = {
        "/v1/models": answer(b'{"object":"list","data":null}'),
        "/api/version": answer(b'{"version":"0.12.3"}'),
    }
    (server,) = await found(servers, pages)
    assert (server.kind, server.models) == ("ollama", [])


async def test_several_servers_come_in_the_order_of_the_ports(servers: ExitStack) -> None:
    every = await found(
        servers,
        {"/v1/models": listing("a", owner="vllm")},
        {},
        {"/v1/models": listing("b", owner="llamacpp")},
    )
    assert [server.kind for server in every] == ["vllm", "llama.cpp"]


@pytest.mark.parametrize(
    "page",
    [
        answer(b"<html>a web server</html>"),
        answer(b"\xff\xfe\x00"),
        answer(b'{"object":"list","data":[{"id":"\xff"}]}'),
        answer(b'{"object":"error","data":[]}'),
        answer(b'{"object":"list","data":[{"name":"no id"}]}'),
        answer(b'{"object":"list","data":[{"id":"a","deep":' + b"[" * 100_000),
        answer(b'{"object":"list","data":[{"id":"' + b"a" * 1_000_001 + b'"}]}'),
        answer(b'{"error":"no key"}', "401 Unauthorized"),
        answer(b"", "302 Found", "Location: http://127.0.0.1:9/v1/models\r\n"),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    ],
    ids=[
        "a page",
        "no text",
        "no UTF-8",
        "another object",
        "no names",
        "too deep",
        "too long",
        "wants a key",
        "leads elsewhere",
        "no HTTP",
        "cut short",
    ],
)
async def test_what_is_no_list_of_models_is_no_server(servers: ExitStack, page: bytes) -> None:
    good = {"/v1/models": listing("a", owner="vllm")}
    assert [server.kind for server in await found(servers, {"/v1/models": page}, good)] == ["vllm"]


async def test_names_that_nobody_could_show_are_left_out(servers: ExitStack) -> None:
    (server,) = await found(servers, {"/v1/models": listing("good", "bad\x1b[31m", "", "x" * 201)})
    assert server.models == ["good"]


async def test_a_port_where_nothing_listens_has_no_server() -> None:
    with RawServer({}) as gone:
        port = gone.port
    assert await find_servers([port]) == []


async def test_a_server_that_says_nothing_costs_a_second_at_most_and_hides_no_other(
    servers: ExitStack,
) -> None:
    silent = servers.enter_context(RawServer({"/v1/models": b""}))
    quick = servers.enter_context(RawServer({"/v1/models": listing("a", owner="vllm")}))
    begun = time.monotonic()
    every = await find_servers([silent.port, quick.port], answer_s=2.0)
    assert [server.port for server in every] == [quick.port]
    assert time.monotonic() - begun < SERVERS_S
    assert ANSWER_S < 1


async def test_no_proxy_is_asked(servers: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = servers.enter_context(RawServer({}, other=listing("from the proxy")))
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    (server,) = await found(servers, {"/v1/models": listing("mine")})
    assert (server.models, proxy.asked) == (["mine"], [])
