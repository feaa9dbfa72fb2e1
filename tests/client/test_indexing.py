"""The code index as a front end asks it: the same answers and refusals in this process and over the daemon's socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from httpx2 import AsyncClient, AsyncHTTPTransport

from naestro.client.api import EVERYTHING, Indexing, Only
from naestro.client.http_index import HttpIndexing
from naestro.client.http_wire import BASE_URL, Wire
from naestro.client.indexing import PATTERN_CHARS_MAX, QUERY_CHARS_MAX
from naestro.client.local import LocalClient
from naestro.errors import DaemonUnreachable, IndexUnavailable, InputError, NaestroError
from tests.client.stage import WAIT_S, Flows, client_in
from tests.daemon.web import served
from tests.support.indexes import FOUND, MAP, MATCH, PLACE, STEPS, USE, KnownIndexes

pytestmark = pytest.mark.anyio


@pytest.fixture
def known() -> KnownIndexes:
    return KnownIndexes()


@pytest.fixture
async def core(tmp_path: Path, known: KnownIndexes) -> AsyncIterator[LocalClient]:
    async with client_in(tmp_path / "journal", Flows(), indexes=known) as client:
        yield client


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "workspace" / ".git").mkdir(parents=True)
    (tmp_path / "workspace" / "inner").mkdir()
    return str(tmp_path / "workspace")


def environment(_: str) -> dict[str, str]:
    return {"NAESTRO_INDEX__AUTOMATIC": "false"}


@pytest.fixture(params=["here", "http"])
async def index(request: pytest.FixtureRequest, core: LocalClient, tmp_path: Path) -> AsyncIterator[Indexing]:
    if request.param == "here":
        yield core.bound(environment("")).index
        return
    async with served(core, tmp_path) as web:
        yield HttpIndexing(Wire(web.own, lambda: web.path), environment)


async def test_a_search_is_asked_of_the_workspace_around_a_folder_with_the_callers_settings(
    index: Indexing, known: KnownIndexes, root: str
) -> None:
    reply = await index.search(f"{root}/inner", "Where is it retried?", limit=3, buffers={"a.py": "x"})
    assert known.asked == [("search", Path(root), "Where is it retried?", 3, {"a.py": "x"}, EVERYTHING)]
    assert reply.results == [FOUND]
    assert (reply.unseen_files, reply.unseen, reply.detail) == (1, ["new.py"], "Searched by words alone.")
    assert not reply.is_indexing, "the caller's environment says that nothing is indexed by itself"


async def test_a_search_may_be_kept_to_a_folder_and_a_language(
    index: Indexing, known: KnownIndexes, root: str
) -> None:
    await index.search(root, "retried", only=Only("./src/", "py"))
    assert known.asked[0][-1] == Only("src", "python")


async def test_every_question_comes_back_as_the_index_answers_it(index: Indexing, root: str) -> None:
    assert await index.symbol(root, "retry_policy") == [PLACE]
    assert await index.references(root, "retry_policy") == [USE]
    assert await index.outline(root, "naestro/runs/retry.py", buffers={"b.py": None}) == [PLACE]
    assert await index.map(root, budget_tokens=100, question="retries") == MAP
    assert await index.grep(root, "retry_.*") == [MATCH]
    status = await index.status(root)
    assert (status.workspace, status.skipped) == (root, {"binary": 2, "minified": 1})


async def test_what_is_beyond_a_limit_is_refused_in_a_sentence(
    index: Indexing, known: KnownIndexes, root: str
) -> None:
    questions = [
        lambda: index.search(root, " "),
        lambda: index.search(root, "x" * (QUERY_CHARS_MAX + 1)),
        lambda: index.search(root, "x", limit=0),
        lambda: index.search(root, "x", only=Only("x" * 5_000)),
        lambda: index.search(root, "x", only=Only(language="klingon")),
        lambda: index.search(root, "x", limit=201),
        lambda: index.search(root, "x", buffers={"a": "x" * (8 * 1024 * 1024 + 1)}),
        lambda: index.symbol(root, "x" * 501),
        lambda: index.references(root, "x", limit=10_001),
        lambda: index.outline(root, ""),
        lambda: index.map(root, budget_tokens=63),
        lambda: index.map(root, question="x" * (QUERY_CHARS_MAX + 1)),
        lambda: index.grep(root, "x" * (PATTERN_CHARS_MAX + 1)),
        lambda: index.grep(root, ""),
        lambda: index.grep(root, "("),
    ]
    for question in questions:
        with pytest.raises(InputError) as caught:
            await question()
        assert caught.value.message.endswith(".")
    assert [asked for asked in known.asked if asked[0] != "grep"] == []


async def test_an_update_tells_how_far_it_is(index: Indexing, known: KnownIndexes, root: str) -> None:
    async with index.update(root, rebuild=True) as steps:
        assert [step async for step in steps] == list(STEPS)
    assert known.asked == [("updating", Path(root), True)]


async def test_an_update_can_be_left_early(index: Indexing, known: KnownIndexes, root: str) -> None:
    known.goes = anyio.Event()
    async with index.update(root) as steps:
        assert await anext(steps) == STEPS[0]


async def test_a_workspace_that_is_worked_in_is_told_to_the_indexes(
    index: Indexing, known: KnownIndexes, root: str
) -> None:
    await index.use(f"{root}/inner")
    assert known.used == [Path(root)]


async def test_an_update_goes_on_over_the_loss_of_a_daemon(
    core: LocalClient, known: KnownIndexes, root: str, tmp_path: Path
) -> None:
    reached: list[str] = []
    (tmp_path / "far").mkdir()
    async with served(core, tmp_path / "far") as web:
        near = tmp_path / "near.sock"

        def reach() -> str:
            near.symlink_to(web.path)  # the next daemon, at the path of the one that is gone
            reached.append(web.path)
            return str(near)

        transport = AsyncHTTPTransport(uds=str(near))
        async with AsyncClient(transport=transport, base_url=BASE_URL, timeout=WAIT_S) as http:
            index = HttpIndexing(Wire(http, reach), environment)
            async with index.update(root) as steps:
                assert [step async for step in steps] == list(STEPS)
    assert len(reached) == 1
    assert known.asked == [("updating", Path(root), False)]


async def test_a_daemon_that_is_lost_again_and_again_is_given_up(root: str, tmp_path: Path) -> None:
    nobody = str(tmp_path / "nobody.sock")
    transport = AsyncHTTPTransport(uds=nobody)
    async with AsyncClient(transport=transport, base_url=BASE_URL, timeout=WAIT_S) as http:
        index = HttpIndexing(Wire(http, lambda: nobody), environment)
        with pytest.raises(DaemonUnreachable, match="3 times in a row"):
            async with index.update(root) as steps:
                assert [step async for step in steps] == []


async def test_an_update_ends_with_the_error_that_ended_it(
    core: LocalClient, known: KnownIndexes, root: str, tmp_path: Path
) -> None:
    known.fault = IndexUnavailable("There is no room on the disk.")
    async with served(core, tmp_path) as web:
        index = HttpIndexing(Wire(web.own, lambda: web.path), environment)
        with pytest.raises(IndexUnavailable, match="no room"):
            async with index.update(root) as steps:
                assert [step async for step in steps] == list(STEPS[:1])


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"workspace": 1}', b'{"workspace": "here"}', b'{"workspace": "/w", "more": 1}']
)
async def test_an_update_that_is_asked_for_wrongly_is_refused(
    core: LocalClient, tmp_path: Path, body: bytes
) -> None:
    async with served(core, tmp_path) as web:
        answer = await web.own.post("/index/update", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"]


async def test_a_refusal_of_an_update_is_told_to_the_caller(core: LocalClient, tmp_path: Path) -> None:
    async with served(core, tmp_path) as web:
        index = HttpIndexing(Wire(web.own, lambda: web.path), environment)
        with pytest.raises(NaestroError, match="no absolute path"):
            async with index.update("here") as steps:
                assert [step async for step in steps] == []


async def test_an_update_by_one_call_answers_when_it_is_done(
    core: LocalClient, known: KnownIndexes, root: str, tmp_path: Path
) -> None:
    async with served(core, tmp_path) as web:
        status = await web.rpc("index.update", workspace=root)
        assert status["files"] == 2
    assert [asked[0] for asked in known.asked] == ["updating", "status"]


async def test_opening_a_workspace_begins_its_index(
    core: LocalClient, known: KnownIndexes, root: str, tmp_path: Path
) -> None:
    async with served(core, tmp_path) as web:
        assert (await web.rpc("workspaces.open", path=f"{root}/inner"))["root"] == root
    assert known.used == [Path(root)]


async def test_who_follows_an_update_is_told_when_the_core_ends(
    core: LocalClient, known: KnownIndexes, root: str, tmp_path: Path
) -> None:
    known.goes = anyio.Event()
    async with served(core, tmp_path) as web:
        index = HttpIndexing(Wire(web.own, lambda: web.path), environment)
        async with index.update(root) as steps:
            assert await anext(steps) == STEPS[0]
            await core.shut_down(0)
            assert [(step.phase, step.detail) async for step in steps] == [("failed", "It was stopped.")]
