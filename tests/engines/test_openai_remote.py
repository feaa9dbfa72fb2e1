"""Servers on other machines: kept connections, proxies. `127.1` stands in for one: it is written as no loopback
address, so it is treated as remote, and yet it leads here."""

from dataclasses import replace

import pytest

from naestro.engines.openai import OpenAIEngine
from naestro.errors import EngineMalformed, EngineUnreachable
from tests.engines.conftest import OpenEngine
from tests.engines.contract import ask, whole
from tests.support.answers import Answer, say
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture
def remote_engine(
    scripted_server: ScriptedServer, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> OpenAIEngine:
    """An engine that looks remote, without any proxy."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    url = f"http://127.1:{scripted_server.port}/v1"
    return open_engine(base_url=url, flavour="openai", retries=1)


async def test_an_engine_elsewhere_is_not_local_whatever_was_configured(
    remote_engine: OpenAIEngine, openai_engine: OpenAIEngine
) -> None:
    assert not remote_engine.info.is_local
    assert openai_engine.info == replace(remote_engine.info, is_local=True)


async def test_a_connection_is_kept_for_the_next_request(
    scripted_server: ScriptedServer, remote_engine: OpenAIEngine
) -> None:
    for _ in range(3):
        await whole(remote_engine, ask("x"))
    assert scripted_server.connections == 1


async def test_a_kept_connection_that_is_just_being_closed_is_replaced_by_a_new_one(
    scripted_server: ScriptedServer, remote_engine: OpenAIEngine
) -> None:
    await whole(remote_engine, ask("x"))
    scripted_server.then(Answer(is_deaf=True), "again")
    assert (await whole(remote_engine, ask("x"))).text == "again"
    assert scripted_server.connections == 2


async def test_a_local_server_that_closes_without_an_answer_is_not_asked_again(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    """There no connection is kept, so the server did hear the request, and it may be what ended it."""
    scripted_server.otherwise(Answer(is_deaf=True))
    with pytest.raises(EngineMalformed, match="closed the connection"):
        await whole(open_engine(retries=3), ask("x"))
    assert len(scripted_server.chats) == 1


async def test_the_proxy_of_the_environment_serves_other_machines_only(
    scripted_server: ScriptedServer, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    with ScriptedServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        proxy.otherwise("through the proxy")
        scripted_server.otherwise(say("straight"))
        elsewhere = open_engine(base_url="http://models.invalid/v1")
        assert (await whole(elsewhere, ask("x"))).text == "through the proxy"
        assert (await whole(open_engine(), ask("x"))).text == "straight"
        named = open_engine(base_url=f"http://localhost:{scripted_server.port}/v1")
        assert (await whole(named, ask("x"))).text == "straight"
    assert len(proxy.chats) == 1


async def test_tls_is_checked_where_the_address_says_https(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    engine = open_engine(base_url=f"https://127.0.0.1:{scripted_server.port}/v1", connect_s=0.2)
    with pytest.raises(EngineUnreachable):
        await whole(engine, ask("x"))
    assert scripted_server.requests == []
