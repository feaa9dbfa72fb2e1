"""A client hears when its list of tools is another one, and only then."""

from pathlib import Path

import anyio
import pytest
from mcp.server.subscriptions import ToolsListChanged
from mcp.types import ToolListChangedNotification

from naestro_mcp.host import FRESH_S
from naestro_mcp.tool_notices import LOOK_S
from tests.mcp.desk import LEGACY, MODERN, WAIT_S, Desk, Person, desk_in
from tests.support.processes import until

pytestmark = pytest.mark.anyio
READING = ["search_code", "read_code", "repo_map", "runs"]


def only_reading(folder: Path) -> None:
    """Change the person's settings while a client is connected."""
    (folder / "home" / "config.toml").write_text('[mcp_server]\ntoolsets = ["read"]\n')


async def names(desk: Desk) -> list[str]:
    """The tools, asked for anew."""
    return [tool.name for tool in (await desk.client.list_tools(cache_mode="bypass")).tools]


def heard(person: Person) -> int:
    """How often the list was said to be another one."""
    return sum(isinstance(one, ToolListChangedNotification) for one in person.notices)


async def test_settings_that_allow_other_tools_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        capabilities = desk.client.server_capabilities
        assert capabilities is not None
        assert capabilities.tools is not None
        assert capabilities.tools.list_changed
        assert len(await names(desk)) == 8
        only_reading(tmp_path)
        await until(lambda: heard(desk.person) == 1, WAIT_S)
        assert await names(desk) == READING


async def test_settings_of_other_things_and_those_of_a_workspace_that_is_not_trusted_tell_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        assert len(await names(desk)) == 8
        (desk.workspace / "naestro.toml").write_text('[mcp_server]\ntoolsets = ["read", "apply"]\n')
        (tmp_path / "home" / "config.toml").write_text("[mcp_server]\npage_tokens = 500\n")
        with anyio.move_on_after(LOOK_S + FRESH_S + 1):
            await until(lambda: heard(desk.person) > 0, WAIT_S)
        assert heard(desk.person) == 0
        assert len(await names(desk)) == 8


async def test_a_client_that_has_its_list_of_a_lost_daemon_hears_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        await desk.ask("runs")
        only_reading(tmp_path)
        await until(lambda: heard(desk.person) == 1, WAIT_S)


async def test_a_stream_that_listens_for_tools_hears_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, monkeypatch, MODERN) as desk:
        assert len(await names(desk)) == 8
        async with desk.client.listen(tools_list_changed=True) as stream:
            only_reading(tmp_path)
            with anyio.fail_after(WAIT_S):
                async for event in stream:
                    assert isinstance(event, ToolsListChanged)
                    break
        assert await names(desk) == READING


@pytest.mark.filterwarnings("ignore:The roots:mcp.shared.exceptions.MCPDeprecationWarning")
async def test_a_client_that_names_other_roots_gets_the_argument_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(roots=[str(tmp_path / "workspace")])
    async with desk_in(tmp_path, monkeypatch, LEGACY, person=person) as desk:
        (tool, *_) = (await desk.client.list_tools()).tools
        assert "root" not in tool.input_schema["properties"]
        (tmp_path / "other").mkdir()
        person.roots.append(str(tmp_path / "other"))
        await desk.client.session.send_roots_list_changed()
        await until(lambda: heard(person) == 1, WAIT_S)
        (tool, *_) = (await desk.client.list_tools(cache_mode="bypass")).tools
        assert "root" in tool.input_schema["properties"]
