"""The council over the code index: what it is shown comes from the index, and what it cites lies therein."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from naestro.council.context import Context
from naestro.council.specification import Ground
from naestro.index.workspace_index import WorkspaceIndex
from naestro.policy.workspace import Workspace
from tests.council.desk import CRITIC, JUDGE, SYNTHESIZE, Desk, choose_text, council, desk_in, findings
from tests.index.indexed import index_of, write
from tests.support.editor import BufferEditor
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

FILES = {
    "net/retry.py": (
        '"""When calls are tried again."""\n\n\ndef retry_policy(error):\n'
        '    """Whether to retry, and after how long."""\n    return error.is_transient\n'
    ),
    "net/client.py": "from net.retry import retry_policy\n\n\ndef call(url):\n    return retry_policy(url)\n",
    "journal.py": "class Journal:\n    def append(self, event):\n        '''Write an event to the disk.'''\n",
}
QUESTION = "Where is the retry policy decided?"


@asynccontextmanager
async def indexed_desk(folder: Path, url: str) -> AsyncIterator[Desk]:
    """A desk whose workspace has FILES, indexed with vectors."""
    async with desk_in(folder, council(), url) as desk:
        workspace = Workspace(desk.workspace)
        write(workspace, FILES)
        with index_of(workspace, embedder="static") as index:
            desk.index = index
            yield desk


def play(server: ScriptedServer) -> None:
    """A council that cites what it was shown, and one place that it was not."""
    server.otherwise(lambda request: f"- (net/retry.py:4-6): variant {request.body['seed']}")
    server.when(SYNTHESIZE, "- (net/retry.py:4-6): decided here\n- (net/nowhere.py:1): invented")
    server.when(CRITIC, findings())
    server.when(JUDGE, choose_text("decided here"))


async def test_the_answer_cites_spans_that_the_index_gave(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    play(scripted_server)
    async with indexed_desk(tmp_path, scripted_server.base_url) as desk:
        done = await desk.run("orchestrate", text=QUESTION)
        context = await done.output("retrieve", Context)
        result = await done.result()
        index = desk.index
        assert index is not None
        found = {one.path: one for one in index.search(QUESTION).results}
    best = context.spans[0]
    assert best.path == "net/retry.py"
    assert found[best.path].start <= best.start <= best.end <= found[best.path].end
    assert "words alone" not in str([span.why for span in context.spans])
    assert [str(one) for one in result.citations] == ["net/retry.py:4-6"]
    for cited in result.citations:
        assert any(
            span.path == cited.path and span.start <= cited.start and cited.end <= span.end
            for span in context.spans
        )
    assert "nowhere.py" not in result.answer
    assert "(net/retry.py:1-6)\n" in scripted_server.chats[0].last


async def test_the_same_index_gives_every_run_the_same_code(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    play(scripted_server)
    async with indexed_desk(tmp_path, scripted_server.base_url) as desk:
        runs = [await desk.run("orchestrate", text=QUESTION) for _ in range(2)]
        first, second = [await done.output("retrieve", Context) for done in runs]
    assert first == second


async def test_what_the_editor_has_is_searched_before_it_is_saved(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    play(scripted_server)
    async with indexed_desk(tmp_path, scripted_server.base_url) as desk:
        unsaved = FILES["net/retry.py"].replace("is_transient", "is_passing")
        desk.editor = BufferEditor({desk.workspace / "net/retry.py": unsaved})
        context = await (await desk.run("orchestrate", text=QUESTION)).output("retrieve", Context)
    assert "error.is_passing" in context.spans[0].text


async def test_a_test_is_written_for_the_file_that_the_index_says_defines_the_name(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise("no test")
    async with indexed_desk(tmp_path, scripted_server.base_url) as desk:
        done = await desk.run("test", text="retry_policy")
        ground = await done.output("retrieve", Ground)
    assert ground.targets == ground.paths == ["net/retry.py"]


async def test_what_the_index_knows_and_is_gone_is_no_target_and_no_document_is_one(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise("no test")
    async with indexed_desk(tmp_path, scripted_server.base_url) as desk:
        workspace, index = Workspace(desk.workspace), desk.index
        assert isinstance(index, WorkspaceIndex)
        both = dict.fromkeys(("a.py", "b.py"), "def boil_water():\n    return 1\n")
        write(
            workspace,
            {**both, "README.md": "# Kettle\n\nThe kettle whistles.\n", "c.py": "kettle = 'whistles'\n"},
        )
        index.refresh()
        (desk.workspace / "a.py").unlink()
        targets = [
            (await (await desk.run("test", text=text)).output("retrieve", Ground)).targets
            for text in ("boil_water", "the kettle that whistles loudly in the README")
        ]
    assert targets == [["b.py"], ["c.py"]]
