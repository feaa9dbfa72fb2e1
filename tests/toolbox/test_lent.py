"""Servers that an editor lends to a session: named, looked at and allowed from elsewhere while the session is open."""

import sys
from pathlib import Path

import anyio
import pytest
from acp.schema import EnvVariable, McpServerStdio

from naestro.config import user_file as config_file
from naestro.errors import InputError
from naestro.types import CallStarted
from tests.acp.desk import NOTHING, Desk, Person, connected, desk_in
from tests.support.answers import Answer, call_tool, say
from tests.support.scripted_server import Received, ScriptedServer
from tests.terminal.conftest import answer_schema, proposes

pytestmark = pytest.mark.anyio
SCRIPT = Path(__file__).parents[1] / "support" / "mcp_server.py"
WAIT_S = 20.0


def lent(name: str, order: str = '{"behave": {"say": "environment"}}') -> McpServerStdio:
    variables = [EnvVariable(name="FROM_EDITOR", value="secret-of-the-editor")]
    return McpServerStdio(name=name, command=sys.executable, args=[str(SCRIPT), order], env=variables)


def switch_on() -> None:
    config = Path(config_file())
    config.write_text(f'{config.read_text()}\n[tools]\nenabled = true\nroles = ["proposer"]\n')


async def until_named(desk: Desk, names: set[str]) -> None:
    """Wait until these are the servers of the workspace."""
    with anyio.fail_after(WAIT_S):
        while {  # noqa: ASYNC110  nobody tells: a session's servers are known behind its answer
            one.name for one in await desk.core.tooling.servers(str(desk.workspace))
        } != names:
            await anyio.sleep(0.02)


async def opened(desk: Desk, *servers: McpServerStdio) -> str:
    """A session with these servers; what it said at once."""
    session = await desk.agent.new_session(cwd=str(desk.workspace), mcp_servers=list(servers))
    desk.session = session.session_id
    await until_named(desk, {one.name for one in servers})
    return desk.person.said


async def test_a_lent_server_is_listed_looked_at_allowed_and_then_used(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Received) -> Answer:
        is_told = request.messages[-1]["role"] == "tool"
        wants_tool = "tools" in request.body and not is_told
        return call_tool("theirs__say", {}) if wants_tool else say("- (calc.py:4-6): it subtracts")

    scripted_server.otherwise(answer)
    scripted_server.when(lambda request: not proposes(request) and "tools" not in request.body, answer_schema)
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch) as desk:
        switch_on()
        tooling, folder = desk.core.tooling, str(desk.workspace)
        await opened(desk, lent("theirs"))
        await desk.person.until(lambda: "naestro tools allow theirs '*'" in desk.person.said)
        assert "The tools of your editor's MCP servers are off (theirs)" in desk.person.said
        (listed,) = await tooling.servers(folder)
        assert (listed.name, listed.origin, listed.patterns) == ("theirs", "editor", [])
        assert "secret-of-the-editor" not in repr(listed)
        look = await tooling.look(folder, "theirs")
        assert [(tool.name, tool.standing) for tool in look.tools] == [("say", "off")]
        await tooling.allow(folder, "theirs", ["s*"], seen={tool.name: tool.digest for tool in look.tools})

        await desk.ask("What does add do?")
        events = await desk.last_run()
        called = {event.data.tool for event in events if isinstance(event.data, CallStarted)}
        assert "theirs__say" in called
        told = len(desk.person.said)
        await opened(desk, lent("theirs"))
        await desk.ask("/trace")
        assert "are off" not in desk.person.said[told:]


async def test_without_the_setting_the_session_says_so_too(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch) as desk:
        await opened(desk, lent("theirs"), lent("other", '{"behave": {"see": "echo"}}'))
        await desk.person.until(lambda: "are off" in desk.person.said)
        assert "are off (theirs, other)" in desk.person.said
        assert "set `tools.enabled` in the settings" in desk.person.said


async def test_what_is_lent_ends_with_the_session_and_with_the_connection(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch) as desk:
        tooling, folder = desk.core.tooling, str(desk.workspace)
        await opened(desk, lent("theirs"))
        first = desk.session
        await opened(desk, lent("theirs"), lent("other"))
        assert [one.name for one in await tooling.servers(folder)] == ["theirs", "other"]
        await desk.agent.close_session(session_id=desk.session)
        assert [one.name for one in await tooling.servers(folder)] == ["theirs"]
        await desk.agent.close_session(session_id=first)
        assert await tooling.servers(folder) == []
        with pytest.raises(InputError, match="no server of tools 'theirs'"):
            await tooling.look(folder, "theirs")
        async with connected(desk.core, Person(), desk.workspace, NOTHING) as other:
            await opened(other, lent("theirs"))
        await until_named(desk, set())
