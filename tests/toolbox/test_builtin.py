"""The built-in tools read the workspace as the person has it, and nothing beyond its border."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from naestro.errors import InputError, NaestroError, ToolMisused, WorkspaceError
from naestro.index.grounding import IndexSearcher
from naestro.policy.buffers import EditorBuffers
from naestro.policy.editor import TerminalOutcome
from naestro.policy.workspace import Workspace
from naestro.tools.builtin import FILES_SHOWN_MAX, MATCHES_MAX, Desk, builtin_tools
from naestro.tools.tool import RESULT_CHARS_MAX, Tool
from naestro.types import Json

pytestmark = pytest.mark.anyio


class Unsaved:
    """An editor that has some texts open."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    async def read_text(self, path: Path) -> str | None:
        return self._texts.get(path.name)

    async def write_text(self, path: Path, text: str) -> bool:
        return False

    async def run_program(self, argv: list[str], cwd: Path, timeout_s: float) -> TerminalOutcome | None:
        return None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    (root / "src").mkdir(parents=True)
    (root / "src" / "calc.py").write_text(
        '"""Adds."""\n\n\ndef add(a, b):\n    return a + b\n\n\nclass Sum:\n    def total(self):\n        return 0\n'
    )
    (root / "notes.md").write_text("# Notes\n\nadd things up\n")
    (root / ".env").write_text("KEY=secret-of-the-person\n")
    (root / ".gitignore").write_text("build/\n")
    (root / "build").mkdir()
    (root / "build" / "out.py").write_text("def add(): ignored\n")
    (tmp_path / "outside.py").write_text("def add(): outside\n")
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    return root


def tools(root: Path, texts: Mapping[str, str] | None = None) -> dict[str, Tool]:
    workspace = Workspace(root)
    files = replace(workspace, buffers=EditorBuffers(Unsaved(texts))) if texts is not None else workspace
    return {tool.spec.name: tool for tool in builtin_tools(Desk(files, IndexSearcher(None, workspace)))}


async def call(tool: Tool, **arguments: Json) -> str:
    return (await tool.call(arguments)).text


async def test_each_finds_what_it_is_for(root: Path) -> None:
    found = tools(root)
    assert "(src/calc.py:" in await call(found["search"], query="what does Sum total")
    assert await call(found["read_span"], path="src/calc.py", start=4, end=5) == (
        "(src/calc.py:4-5)\ndef add(a, b):\n    return a + b\n\nsrc/calc.py has 10 lines."
    )
    outline = await call(found["outline"], path="src/calc.py")
    assert "4-5 function add" in outline
    assert "Sum.total" in outline
    assert await call(found["grep"], pattern=r"\badd\b") == (
        "(notes.md:3) add things up\n(src/calc.py:4) def add(a, b):"
    )
    assert await call(found["grep"], pattern="add", path="src") == "(src/calc.py:4) def add(a, b):"
    assert await call(found["list_files"]) == ".gitignore\nnotes.md\nsrc/calc.py"
    assert await call(found["list_files"], path="*.md") == "notes.md"
    assert await call(found["list_files"], path="src") == "src/calc.py"
    assert await call(found["grep"], pattern="nowhere") == "No line matches."


async def test_unsaved_text_counts_instead_of_the_disks(root: Path) -> None:
    found = tools(root, {"calc.py": "def multiply(a, b):\n    return a * b\n"})
    assert "multiply" in await call(found["read_span"], path="src/calc.py")
    assert "multiply" in await call(found["outline"], path="src/calc.py")
    assert await call(found["grep"], pattern="def add") == "No line matches."
    assert await call(found["grep"], pattern="multiply") == "(src/calc.py:1) def multiply(a, b):"


@pytest.mark.parametrize(
    "path", ["../outside.py", "/etc/passwd", "link.py", ".env", "build/out.py", "gone.py", "src", "\0"]
)
async def test_nothing_beyond_the_border_is_read(path: str, root: Path) -> None:
    found = tools(root)
    for name in ("read_span", "outline"):
        with pytest.raises(WorkspaceError):
            await call(found[name], path=path)


async def test_nothing_beyond_the_border_is_found(root: Path) -> None:
    found = tools(root)
    for text in (
        await call(found["grep"], pattern="."),
        await call(found["search"], query="add KEY secret outside ignored"),
        await call(found["list_files"]),
    ):
        assert "secret-of-the-person" not in text
        assert "outside" not in text
        assert "ignored" not in text
        assert ".env" not in text
    for path in ("..", "/etc", "build/../.."):
        with pytest.raises(NaestroError):
            await call(found["list_files"], path=path)
        with pytest.raises(NaestroError):
            await call(found["grep"], pattern="x", path=path)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search", {}),
        ("search", {"query": ""}),
        ("search", {"query": "x", "limit": 0}),
        ("search", {"query": "x" * 5_000}),
        ("search", {"query": ["x"]}),
        ("read_span", {"path": "src/calc.py", "start": 0}),
        ("read_span", {"path": "src/calc.py", "start": 5, "end": 4}),
        ("read_span", {"path": "src/calc.py", "start": 900}),
        ("read_span", {"path": "src/calc.py", "lines": 5}),
        ("grep", {"pattern": "x", "path": None}),
    ],
)
async def test_wrong_arguments_are_told_in_one_sentence(
    name: str, arguments: dict[str, Json], root: Path
) -> None:
    with pytest.raises(ToolMisused) as raised:
        await tools(root)[name].call(arguments)
    assert "\n" not in raised.value.message


async def test_an_expression_that_explodes_takes_no_time(root: Path) -> None:
    (root / "long.txt").write_text("a" * 100_000 + "\n")
    assert "(long.txt:1)" in await call(tools(root)["grep"], pattern="(a*)*b|(a|a)*")
    with pytest.raises(InputError):
        await call(tools(root)["grep"], pattern="(?<=a)b")


async def test_what_is_much_is_cut_and_says_so(root: Path) -> None:
    for number in range(FILES_SHOWN_MAX + 20):
        (root / f"many{number:03}.txt").write_text("needle\n" * 2)
    found = tools(root)
    assert "and 23 more" in await call(found["list_files"])
    lines = (await call(found["grep"], pattern="needle")).splitlines()
    assert len(lines) == MATCHES_MAX + 1
    assert "more than" in lines[-1]
    (root / "wide.txt").write_text("\n".join("w" * 900 for _ in range(190)))
    wide = await found["read_span"].call({"path": "wide.txt", "end": 190})
    assert wide.whole_chars > RESULT_CHARS_MAX
    assert len(wide.text) < RESULT_CHARS_MAX + 100


def test_their_schemas_are_plain(root: Path) -> None:
    for tool in tools(root).values():
        text = str(tool.spec.parameters)
        assert tool.spec.parameters["type"] == "object"
        assert "$ref" not in text
        assert tool.spec.is_idempotent
        assert tool.spec.description
