"""Servers of tools over streamable HTTP: real sockets, good answers and bad ones."""

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from pydantic import SecretStr

from naestro.config import ToolsSettings, environment
from naestro.errors import ToolError, ToolTimeout, ToolUnavailable
from naestro.tools.servers.connection import Connection
from naestro.tools.servers.definition import Definition
from naestro.tools.servers.source import open_server
from naestro.tools.servers.way import Terms
from tests.support.mcp_http_server import LISTED, mcp_http_server

pytestmark = pytest.mark.anyio
LIMIT_S = 40.0
QUICK = ToolsSettings(start_s=20, call_s=10)


@pytest.fixture
def url() -> Iterator[str]:
    with mcp_http_server() as (address, _):
        yield address


@asynccontextmanager
async def opened(
    root: Path, definition: Definition, settings: ToolsSettings = QUICK, *, is_isolated: bool = False
) -> AsyncIterator[Connection]:
    with anyio.fail_after(LIMIT_S):
        async with open_server(definition, Terms(settings, root, is_isolated)) as server:
            yield server


def at(url: str, root: Path, **more: object) -> Definition:
    return Definition(name="web", origin="settings", root=root, url=url, **more)  # pyright: ignore[reportArgumentType]


async def test_a_server_at_an_address_answers_by_json_and_by_events(url: str, tmp_path: Path) -> None:
    async with opened(tmp_path, at(url, tmp_path), is_isolated=True) as server:
        assert [one.name for one in await server.tools()] == list(LISTED)
        assert (await server.call("say", {"a": 1})).text == '{"a": 1}'
        assert (await server.call("events", {})).text == "as events"


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("zipped", "compressed"),
        ("cut", "The connection broke in the middle of its answer."),
        ("junk", "Its answer is no valid JSON."),
        ("busy", "It answered with the status 503 Service Unavailable."),
        ("away", "not followed"),
        ("page", "text/html"),
        ("denied", "It refuses access (403 Forbidden)"),
        ("silent", "did not answer silent within"),
        ("never", "did not answer never within"),
        ("drip", "did not answer drip within"),
    ],
)
async def test_a_bad_answer_costs_its_own_call(tool: str, words: str, url: str, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"call_s": 1.5})
    async with opened(tmp_path, at(url, tmp_path), settings) as server:
        await server.tools()
        with pytest.raises(ToolError) as raised:
            await server.call(tool, {})
        assert words in raised.value.message
        assert isinstance(raised.value, ToolTimeout) == (tool in ("never", "drip", "silent"))
        assert (await server.call("say", {})).text == "{}"


@pytest.mark.parametrize("tool", ["huge", "huge_events"])
async def test_a_hundred_megabytes_cost_their_own_call_and_no_memory(
    tool: str, url: str, tmp_path: Path
) -> None:
    async with opened(tmp_path, at(url, tmp_path)) as server:
        await server.tools()
        tracemalloc.start()
        try:
            with pytest.raises(ToolError):
                await server.call(tool, {})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 32 << 20
        assert (await server.call("say", {})).text == "{}"


async def test_a_bearer_token_comes_from_the_caller_and_is_never_shown(tmp_path: Path) -> None:
    with mcp_http_server("token-of-the-person") as (url, seen):
        with environment({"WEB_TOKEN": "token-of-the-person"}):
            async with opened(tmp_path, at(url, tmp_path, bearer_env="WEB_TOKEN")) as server:
                result = await server.call("say", {"it": "token-of-the-person"})
        assert set(seen) == {"Bearer token-of-the-person"}
        assert result.text == '{"it": "********"}'
        with environment({}):
            async with opened(tmp_path, at(url, tmp_path, bearer_env="WEB_TOKEN")) as server:
                with pytest.raises(ToolUnavailable, match="WEB_TOKEN"):
                    await server.tools()
        with environment({"OTHER": "Bearer token-of-the-person"}):
            headers = {"Authorization": SecretStr("${OTHER}")}
            async with opened(tmp_path, at(url, tmp_path, headers=headers)) as server:
                assert (await server.call("say", {})).text == "{}"
        async with opened(tmp_path, at(url, tmp_path)) as server:
            with pytest.raises(ToolUnavailable, match="wants a token"):
                await server.tools()


async def test_a_server_that_wants_a_sign_in_or_another_token_is_told_with_what_to_do(tmp_path: Path) -> None:
    with mcp_http_server("of-somebody", oauth=True) as (url, _):
        async with opened(tmp_path, at(url, tmp_path)) as server:
            with pytest.raises(ToolUnavailable, match="sign in by OAuth") as raised:
                await server.tools()
        assert "`bearer_env` in the settings" in raised.value.message
        with environment({"WEB_TOKEN": "of-somebody-else"}):
            async with opened(tmp_path, at(url, tmp_path, bearer_env="WEB_TOKEN")) as server:
                with pytest.raises(ToolUnavailable, match="refuses the token") as raised:
                    await server.tools()
        assert "of-somebody" not in raised.value.message


async def test_half_an_emoji_costs_no_answer(url: str, tmp_path: Path) -> None:
    async with opened(tmp_path, at(url, tmp_path)) as server:
        assert (await server.call("halves", {})).text == "a\ufffd b"


async def test_a_session_that_the_server_forgot_is_opened_again_at_the_next_call(
    url: str, tmp_path: Path
) -> None:
    async with opened(tmp_path, at(url, tmp_path)) as server:
        with pytest.raises(ToolUnavailable, match="ended its session"):
            await server.call("lost", {})
        assert (await server.call("lost", {"a": 1})).text == '{"a": 1}'


async def test_a_secret_in_an_address_is_masked_and_in_no_log(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with environment({"WEB_KEY": "key-in-the-address"}):
        async with opened(tmp_path, at(f"{url}?key=${{WEB_KEY}}", tmp_path)) as server:
            assert (await server.call("say", {"it": "key-in-the-address"})).text == '{"it": "********"}'
            with pytest.raises(ToolError):
                await server.call("junk", {})
    told = [one.getMessage() for one in caplog.records if one.name.startswith(("mcp.client", "naestro"))]
    assert not any("key-in-the-address" in one or "It works" in one for one in told)


async def test_nobody_at_the_address_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path, at("http://127.0.0.1:9/mcp", tmp_path)) as server:
        with pytest.raises(ToolUnavailable, match=r"cannot be used: .*connection attempts failed"):
            await server.tools()


async def test_in_isolation_mode_only_this_machine_is_reached(tmp_path: Path) -> None:
    async with opened(tmp_path, at("http://example.com/mcp", tmp_path), is_isolated=True) as server:
        with pytest.raises(ToolUnavailable, match="isolation mode"):
            await server.tools()
