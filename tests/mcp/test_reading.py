"""The tools that change nothing, over a real connection in both eras of the protocol."""

from pathlib import Path

import pytest

from mcp import MCPError
from tests.mcp.desk import ERAS, LEGACY, MODERN, SOURCE, Person, connected, core_in, desk_in, said_in, text_of

pytestmark = pytest.mark.anyio
LIST_MAX_BYTES = 6_000


@pytest.mark.parametrize("mode", ERAS)
async def test_the_list_of_tools_is_small_and_says_what_each_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    async with desk_in(tmp_path, monkeypatch, mode) as desk:
        listed = await desk.client.list_tools()
    assert len(listed.model_dump_json(by_alias=True, exclude_none=True)) <= LIST_MAX_BYTES
    assert [tool.name for tool in listed.tools] == [
        "search_code", "read_code", "repo_map", "runs", "ask_council", "test", "review", "respond",
    ]  # fmt: skip
    for tool in listed.tools:
        assert tool.title
        assert tool.description
        assert tool.output_schema
        assert tool.input_schema["additionalProperties"] is False
        assert tool.annotations is not None
        assert tool.annotations.open_world_hint is not None
        assert tool.annotations.read_only_hint or tool.annotations.destructive_hint is not None
        assert tool.annotations.read_only_hint or tool.annotations.idempotent_hint is False
        for argument in tool.input_schema["properties"].values():
            assert argument["type"] in {"string", "integer", "array"}


@pytest.mark.parametrize("mode", ERAS)
async def test_every_reading_tool_answers_in_both_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    async with desk_in(tmp_path, monkeypatch, mode) as desk:
        await desk.index()
        found = await desk.ask("search_code", query="add two numbers")
        assert found["results"][0]["path"] == "calc.py"
        assert (await desk.ask("search_code", regex=r"^def \w+"))["results"] == [
            {"path": "calc.py", "start": 4, "end": 4, "text": "def add(left, right):"}
        ]
        read = await desk.call("read_code", target="calc.py:4-5")
        assert read.structured_content["spots"][0]["text"] == "\n".join(SOURCE.splitlines()[3:5])
        assert "calc.py:4-5" in text_of(read)
        for place in ("calc.py:4", "calc.py:4:5", "calc.py#L4"):
            assert (await desk.ask("read_code", target=place))["spots"][0]["text"] == "def add(left, right):"
        assert (await desk.ask("read_code", target="calc.py", view="outline"))["spots"][0]["name"] == "add"
        assert "calc.py" in (await desk.ask("repo_map"))["map"]
        assert (await desk.ask("runs"))["runs"] == []


async def test_a_long_answer_goes_on_by_its_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = "\n[mcp_server]\npage_tokens = 500\n"
    async with desk_in(tmp_path, monkeypatch, LEGACY, more=more) as desk:
        lines = [f"line {number} of a long file" for number in range(1, 301)]
        (desk.workspace / "long.txt").write_text("\n".join(lines))
        seen, cursor, pages = list[str](), "", 0
        while cursor or not pages:
            page = await desk.ask("read_code", target="long.txt", **({"cursor": cursor} if cursor else {}))
            seen += page["spots"][0]["text"].split("\n")
            cursor, pages = page.get("next_cursor", ""), pages + 1
    assert (seen, pages > 2) == (lines, True)


async def test_a_cursor_that_was_not_given_for_this_question_in_this_session_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "\n[mcp_server]\npage_tokens = 500\n"
    async with desk_in(tmp_path, monkeypatch, LEGACY, more=more) as desk:
        (desk.workspace / "long.txt").write_text("a line of a long file\n" * 300)
        (desk.workspace / "other.txt").write_text("a line of a long file\n" * 300)
        cursor = (await desk.ask("read_code", target="long.txt"))["next_cursor"]
        number, _, tag = cursor.partition("-")
        for forged in (f"{int(number) + 1}-{tag}", f"{number}-{tag[:-1]}", "x", f"-1-{tag}", "9" * 10_000):
            assert "cursor" in await desk.refused("read_code", target="long.txt", cursor=forged)
        assert "cursor" in await desk.refused("read_code", target="other.txt", cursor=cursor)
        async with connected(desk.core, desk.workspace, LEGACY, Person()) as other:
            assert "cursor" in await other.refused("read_code", target="long.txt", cursor=cursor)
        assert not (await desk.call("read_code", target="long.txt", cursor=cursor)).is_error
        with pytest.raises(MCPError, match="cursor"):
            await desk.client.list_tools(cursor="10", cache_mode="bypass")


@pytest.mark.parametrize("mode", ERAS)
async def test_nothing_outside_the_workspace_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    (tmp_path / "secret.txt").write_text("outside")
    async with desk_in(tmp_path, monkeypatch, mode) as desk:
        (desk.workspace / "link.txt").symlink_to(tmp_path / "secret.txt")
        for path in ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt", "/etc/passwd", "a\0b"):
            assert "outside_workspace" in await desk.refused("read_code", target=path)
        for uri in (
            "naestro://file/../secret.txt",
            "naestro://file/%2e%2e/secret.txt",
            "naestro://file/link.txt",
        ):
            with pytest.raises(MCPError, match="outside the workspace"):
                await desk.client.read_resource(uri)


async def test_the_workspace_is_the_clients_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in ERAS:
        for name in ("one", "two"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "only.txt").write_text(f"file of {name}")
        person = Person(roots=[str(tmp_path / "one"), str(tmp_path / "two")])
        async with desk_in(tmp_path, monkeypatch, mode, person=person) as desk:
            assert "file of one" in text_of(await desk.call("read_code", target="only.txt"))
            assert "file of two" in text_of(await desk.call("read_code", target="only.txt", root="two"))
            assert "There are: one, two." in await desk.refused("read_code", target="only.txt", root="three")
            tools = (await desk.client.list_tools()).tools
            assert "root" in tools[0].input_schema["properties"]


async def test_the_top_of_the_disk_is_no_workspace_whoever_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mode in ERAS:
        async with desk_in(tmp_path, monkeypatch, mode, person=Person(roots=["/"])) as desk:
            assert "top of the disk" in await desk.refused("search_code", query="x")
            assert len((await desk.client.list_tools()).tools) == 8


async def test_a_client_that_was_started_at_home_without_roots_has_no_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core:
        for folder in (Path.home(), Path("/")):
            async with connected(core, folder, LEGACY, Person()) as desk:
                assert "no project" in await desk.refused("read_code", target="x")
                assert len((await desk.client.list_tools()).tools) == 8


@pytest.mark.parametrize("mode", ERAS)
async def test_resources_prompts_and_completions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    async with desk_in(tmp_path, monkeypatch, mode) as desk:
        client = desk.client
        await desk.index()
        assert [str(one.uri) for one in (await client.list_resources()).resources] == ["naestro://map"]
        templates = (await client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in templates] == [
            "naestro://runs/{id}",
            "naestro://runs/{id}/events",
            "naestro://runs/{id}/patch",
            "naestro://symbol/{name}",
            "naestro://file/{+path}",
        ]
        assert said_in(await client.read_resource("naestro://file/calc.py")) == SOURCE.rstrip("\n")
        assert "calc.py" in said_in(await client.read_resource("naestro://map"))
        with pytest.raises(MCPError, match="no resource"):
            await client.read_resource("naestro://nothing")
        prompts = (await client.list_prompts()).prompts
        assert [one.name for one in prompts] == ["orchestrate", "explain", "test", "trace", "review"]
        got = await client.get_prompt("explain", {"target": "calc.py"})
        assert "calc.py" in getattr(got.messages[0].content, "text", "")
        for name, given in (("explain", {}), ("explain", {"x": "y"}), ("nothing", {})):
            with pytest.raises(MCPError):
                await client.get_prompt(name, given)
        from mcp.types import PromptReference, ResourceTemplateReference

        template = ResourceTemplateReference(type="ref/resource", uri="naestro://file/{+path}")
        done = await client.complete(template, {"name": "path", "value": "ca"})
        assert done.completion.values == ["calc.py"]
        prompt = PromptReference(type="ref/prompt", name="explain")
        assert (await client.complete(prompt, {"name": "target", "value": "x"})).completion.values == []
        symbol = ResourceTemplateReference(type="ref/resource", uri="naestro://symbol/{name}")
        done = await client.complete(symbol, {"name": "name", "value": "ad"})
        assert done.completion.values == ["add"]
        for nothing in ("", "two words", "x" * 1_000):
            done = await client.complete(symbol, {"name": "name", "value": nothing})
            assert done.completion.values == []


async def test_names_are_completed_by_their_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcp.types import ResourceTemplateReference

    symbol = ResourceTemplateReference(type="ref/resource", uri="naestro://symbol/{name}")
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        source = "class Meter:\n    def measure(self): ...\n\n\ndef mean(): ...\n\n\ndef same(): ...\n"
        (desk.workspace / "meter.py").write_text(source)
        await desk.index()
        for beginning, names in (
            ("me", {"mean", "measure", "Meter", "Meter.measure"}),
            ("Meter.me", {"Meter.measure"}),
            ("sa", {"same"}),
        ):
            done = await desk.client.complete(symbol, {"name": "name", "value": beginning})
            assert set(done.completion.values) == names


async def test_a_tool_that_the_settings_leave_out_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = '\n[mcp_server]\ntoolsets = ["read", "apply"]\n'
    async with desk_in(tmp_path, monkeypatch, MODERN, more=more) as desk:
        names = [tool.name for tool in (await desk.client.list_tools()).tools]
        assert names == ["search_code", "read_code", "repo_map", "runs", "apply_patch"]
        with pytest.raises(MCPError, match="Unknown tool: ask_council"):
            await desk.client.session.call_tool("ask_council", {"task": "x"})
        with pytest.raises(MCPError, match="Unknown tool: nothing"):
            await desk.client.session.call_tool("nothing", {})
