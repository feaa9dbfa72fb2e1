"""Names through MCP: where they are defined and used, by tool and resource, and what is said where they are not."""

from pathlib import Path

import pytest

from mcp import MCPError
from tests.mcp.desk import ERAS, LEGACY, desk_in, said_in, text_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("mode", ERAS)
async def test_a_definition_comes_with_its_code_and_uses_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    async with desk_in(tmp_path, monkeypatch, mode) as desk:
        (desk.workspace / "use.py").write_text("from calc import add\n\nprint(add(1, 2))\n")
        await desk.index()
        found = await desk.call("read_code", target="add", view="symbol")
        (spot,) = found.structured_content["spots"]
        assert (spot["path"], spot["start"], spot["name"], spot["kind"]) == ("calc.py", 4, "add", "function")
        assert spot["text"].endswith("return left - right")
        assert "calc.py:4-6 function add" in text_of(found)
        uses = (await desk.ask("read_code", target="add", view="references"))["spots"]
        assert [(one["path"], one["start"]) for one in uses] == [("use.py", 1), ("use.py", 3)]
        assert uses[1]["text"] == "print(add(1, 2))"
        assert "return left - right" in said_in(await desk.client.read_resource("naestro://symbol/add"))


@pytest.mark.parametrize("view", ["symbol", "references"])
async def test_a_name_that_is_nowhere_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        await desk.index()
        assert "'zebra' was found. search_code finds" in await desk.refused(
            "read_code", target="zebra", view=view
        )
        with pytest.raises(MCPError, match="No definition of 'zebra'"):
            await desk.client.read_resource("naestro://symbol/zebra")


async def test_of_many_definitions_the_signatures_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        for number in range(7):
            (desk.workspace / f"m{number}.py").write_text("def same(it):\n    return it\n")
        await desk.index()
        spots = (await desk.ask("read_code", target="same", view="symbol"))["spots"]
        assert [one["text"] for one in spots] == ["def same(it):"] * 7


async def test_a_definition_whose_file_went_is_shown_as_it_was_indexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        (desk.workspace / "gone.py").write_text("def going(it):\n    return it\n")
        await desk.index()
        (desk.workspace / "gone.py").unlink()
        (spot,) = (await desk.ask("read_code", target="going", view="symbol"))["spots"]
        assert spot["text"] == "def going(it):"


async def test_a_file_that_defines_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY) as desk:
        (desk.workspace / "plain.txt").write_text("words\n")
        assert "defines nothing that is known" in text_of(
            await desk.call("read_code", target="plain.txt", view="outline")
        )
