"""What a search is kept to: the table, what is in memory, buffers and the files as they are all leave out the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naestro.errors import InputError
from naestro.index.only import EVERYTHING, FREQUENT, Only
from naestro.index.parsing.languages import LANGUAGES
from naestro.index.storage.arrivals import Arrivals, packed
from naestro.index.workspace_index import WorkspaceIndex
from tests.index.indexed import index_of, workspace_of
from tests.index.storage.test_store import row

FILES = {
    "top.py": "def retry_top(): ...\n",
    "src/a.py": "def retry_a(): ...\n",
    "src/a.ts": "function retryTs() {}\n",
    "src/deep/er/b.py": "def retry_b(): ...\n",
    "src-old/c.py": "def retry_c(): ...\n",
    "it's [1]/d.py": "def retry_d(): ...\n",
    "notes.md": "# Retry\n\nHow a retry goes.\n",
}
PYTHON = {path for path in FILES if path.endswith(".py")}
CASES = [
    (EVERYTHING, set(FILES)),
    (Only("src"), {"src/a.py", "src/a.ts", "src/deep/er/b.py"}),
    (Only("./src/"), {"src/a.py", "src/a.ts", "src/deep/er/b.py"}),
    (Only("."), set(FILES)),
    (Only("src/a.py"), {"src/a.py"}),
    (Only("*.py"), PYTHON),
    (Only("/*.py"), {"top.py"}),
    (Only("src/*.py"), {"src/a.py"}),
    (Only("src/**/*.py"), {"src/a.py", "src/deep/er/b.py"}),
    (Only("src/**"), {"src/a.py", "src/a.ts", "src/deep/er/b.py"}),
    (Only("**/deep"), {"src/deep/er/b.py"}),
    (Only("src*/[!ab].p?"), {"src-old/c.py"}),
    (Only("src/[a-c].py"), {"src/a.py"}),
    (Only("it's [1]"), {"it's [1]/d.py"}),
    (Only("*.p(y|z)"), set()),
    (Only("nowhere"), set()),
    (Only(language="python"), PYTHON),
    (Only(language="py"), PYTHON),
    (Only(language="Markdown"), {"notes.md"}),
    (Only("src", "typescript"), {"src/a.ts"}),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspaceIndex]:
    with index_of(workspace_of(tmp_path_factory.mktemp("only"), FILES), embedder="static") as opened:
        yield opened


def found(index: WorkspaceIndex, only: Only, **buffers: str) -> set[str]:
    reply = index.search("retry", 50, only=only.checked(), buffers=buffers)
    assert not reply.detail
    return {one.path for one in reply.results}


@pytest.mark.parametrize(("only", "paths"), CASES, ids=[f"{one.path} {one.language}" for one, _ in CASES])
def test_only_what_is_asked_for_is_found(index: WorkspaceIndex, only: Only, paths: set[str]) -> None:
    assert {path for path in FILES if only.checked().admits(path)} == paths
    assert found(index, only) == paths  # from memory
    index.store.compact()
    assert found(index, only) == paths  # from the table


def test_a_buffer_counts_where_its_file_would(index: WorkspaceIndex) -> None:
    unsaved = {"src/new.py": "def retry_new(): ...\n", "top.py": "def retry_other(): ...\n"}
    assert "src/new.py" in found(index, Only("src"), **unsaved)
    assert found(index, Only("top.py"), **unsaved) == {"top.py"}
    assert "src/new.py" not in found(index, Only("*.md"), **unsaved)


def test_what_does_not_count_takes_no_place_among_the_best(tmp_path: Path) -> None:
    many = {f"loud/{n}.py": f"def retry_{n}():\n    retry = retry_retry\n" for n in range(250)}
    quiet = "# Once\n\nOf all that is said here a retry is the least.\n"
    with index_of(workspace_of(tmp_path, {**many, "quiet.md": quiet})) as index:
        index.store.compact()
        assert found(index, Only("quiet.md")) == {"quiet.md"}
        assert found(index, Only(language="markdown")) == {"quiet.md"}


def test_the_files_as_they_are_are_kept_to_it_too(tmp_path: Path) -> None:
    with index_of(workspace_of(tmp_path, FILES), is_run=False) as index:
        reply = index.search("retry", 50, only=Only("src", "python"))
        assert "by words alone" in reply.detail
        assert {one.path for one in reply.results} == {"src/a.py", "src/deep/er/b.py"}


def test_of_the_files_as_they_are_those_that_no_index_takes_are_not_looked_at(tmp_path: Path) -> None:
    left_out = ("node_modules/a.js", "src/__pycache__/b.py", "data.npy", "site-packages/c.py")
    workspace = workspace_of(tmp_path, {"src/a.py": "retry()\n", **dict.fromkeys(left_out, "retry()\n")})
    with index_of(workspace, is_run=False) as index:
        assert {one.path for one in index.search("retry", 50).results} == {"src/a.py"}


def test_a_language_that_is_unknown_is_refused_with_those_that_may_be_meant() -> None:
    with pytest.raises(InputError) as near:
        Only(language="pyton").checked()
    assert near.value.hint == "Near it are python, proto."
    with pytest.raises(InputError) as none:
        Only(language="zzz").checked()
    assert none.value.hint.startswith("Known are python, typescript, ")
    assert len(none.value.hint) < 120
    assert set(FREQUENT) < LANGUAGES


def test_the_page_names_every_language() -> None:
    page = (Path(__file__).parents[2] / "docs" / "index-search.md").read_text()
    assert [language for language in sorted(LANGUAGES) if f"`{language}`" not in page] == []


@pytest.mark.parametrize("only", [Only("[z-a].py"), Only(language="klingon")])
def test_what_cannot_be_meant_is_refused(only: Only) -> None:
    with pytest.raises(InputError):
        only.checked()


def test_rows_that_another_process_wrote_are_kept_to_it_too(tmp_path: Path) -> None:
    with index_of(workspace_of(tmp_path, FILES), embedder="static") as index:
        rows = [row(path, prepared="retry") for path in ("src/a.py", "src/x.h", "top.py")]
        arrivals = Arrivals()
        arrived = packed(rows, 16)
        assert arrived is not None
        arrivals.add(arrived)

        def found(only: Only = EVERYTHING) -> list[int]:
            """The places of the rows among `rows`."""
            keys = arrivals.find(["retry"], None, 9, index.store.statistics, only)
            first = min(arrivals.find(["retry"], None, 9, index.store.statistics))
            return sorted(key - first for key in keys)

        assert found() == [0, 1, 2]
        assert found(Only("src")) == [0, 1]
        assert found(Only("", "cpp")) == [1]
        assert found() == [0, 1, 2]
