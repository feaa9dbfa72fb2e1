"""What a client gets that has no workspace, or whose settings or run have nothing to give."""

from pathlib import Path

import pytest
from mcp.types import PromptReference, ResourceTemplateReference

from mcp import MCPError
from naestro_mcp.prompts import VALUE_CHARS_MAX
from tests.mcp.desk import LEGACY, MODERN, TASK, Person, connected, core_in, desk_in, said_in
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio


async def test_without_a_workspace_there_is_the_map_and_nothing_to_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        core_in(tmp_path, "", monkeypatch) as core,
        connected(core, Path.home(), LEGACY, Person()) as desk,
    ):
        listed = (await desk.client.list_resources()).resources
        assert [str(one.uri) for one in listed] == ["naestro://map"]
        symbol = ResourceTemplateReference(type="ref/resource", uri="naestro://symbol/{name}")
        done = await desk.client.complete(symbol, {"name": "name", "value": "ad"})
        assert done.completion.values == []
        with pytest.raises(MCPError, match="no project"):
            await desk.client.read_resource("naestro://map")


async def test_a_client_of_the_newer_era_is_asked_for_its_roots_by_a_resource_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "only.txt").write_text("mine alone")
    person = Person(roots=[str(tmp_path / "mine")])
    async with desk_in(tmp_path, monkeypatch, MODERN, person=person) as desk:
        assert said_in(await desk.client.read_resource("naestro://file/only.txt")) == "mine alone"


async def test_a_run_that_proposes_no_change_has_no_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answering: ScriptedServer
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY, answering.base_url) as desk:
        run = (await desk.ask("ask_council", task="What does add do?"))["run"]
        assert run in said_in(await desk.client.read_resource(f"naestro://runs/{run}"))
        with pytest.raises(MCPError, match="proposes no change"):
            await desk.client.read_resource(f"naestro://runs/{run}/patch")
        kind = ResourceTemplateReference(type="ref/resource", uri="naestro://runs/{id}")
        done = await desk.client.complete(kind, {"name": "id", "value": run[:6]})
        assert done.completion.values == [run]


async def test_the_patch_of_a_run_is_what_it_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patching: ScriptedServer
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY, patching.base_url, can_ask=False) as desk:
        told = await desk.ask("ask_council", task=TASK, mode="orchestrate")
        patch = said_in(await desk.client.read_resource(f"naestro://runs/{told['run']}/patch"))
        assert "+    return left + right" in patch


async def test_a_value_of_a_prompt_that_is_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        with pytest.raises(MCPError, match="target is longer than"):
            await desk.client.get_prompt("explain", {"target": "x" * (VALUE_CHARS_MAX + 1)})
        trace = PromptReference(type="ref/prompt", name="trace")
        assert (await desk.client.complete(trace, {"name": "run", "value": "x"})).completion.values == []


async def test_settings_that_cannot_be_read_are_told_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        (tmp_path / "home" / "config.toml").write_text("[mcp_server\n")
        assert "config.toml" in await desk.refused("read_code", target="calc.py")
