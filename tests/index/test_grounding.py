"""The council's spans by the index: true of the files as the person has them, and by words alone where it must be."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from anyio import to_thread

from naestro.errors import IndexUnavailable
from naestro.index.found import IndexStatus, SearchReply
from naestro.index.grounding import BEHIND_MAX, IndexSearcher
from naestro.index.spans import CHARS_PER_TOKEN, SPAN_LINES_MAX, SPANS_PER_FILE_MAX, TOKENS_MAX, Span, as_seen
from naestro.index.workspace_index import WorkspaceIndex
from naestro.policy.buffers import EditorBuffers
from naestro.policy.workspace import Workspace
from tests.index.indexed import index_of, workspace_of, write
from tests.support.editor import BufferEditor

FILES = {
    "retry.py": (
        '"""When calls are tried again."""\n\n\ndef retry_policy(error):\n'
        "    '''Whether to retry, and after how long.'''\n    return error.is_transient\n"
    ),
    "journal.py": "class Journal:\n    def append(self, event):\n        '''Write an event to the disk.'''\n",
    "docs/retry.md": "# Retries\n\nThe policy of a retry is a function.\n",
}
QUESTION = "Where is the retry policy decided?"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[WorkspaceIndex]:
    """The index of FILES."""
    with index_of(workspace_of(tmp_path, FILES)) as opened:
        yield opened


def asked(index: WorkspaceIndex, question: str = QUESTION, limit: int = 10) -> list[Span]:
    """What the council sees; each span is checked to be true of the disk."""
    spans = IndexSearcher(index, index.workspace).search(question, limit)
    for span in spans:
        lines = index.workspace.read(span.path).lines
        assert span.text.split("\n") == lines[span.start - 1 : span.end]
    return spans


def places(spans: list[Span]) -> list[str]:
    """Spans by their places."""
    return [f"{span.path}:{span.start}-{span.end}" for span in spans]


class TestByTheIndex:
    """What comes from the index."""

    def test_spans_are_what_the_search_finds_the_best_first(self, index: WorkspaceIndex) -> None:
        spans = asked(index)
        assert places(spans)[0] == "retry.py:1-6"
        assert "retry" in spans[0].why
        assert "words alone" not in str(spans)
        assert [span.score for span in spans] == sorted((span.score for span in spans), reverse=True)
        assert asked(index) == spans
        assert len(asked(index, limit=1)) == 1

    def test_what_is_far_weaker_than_the_best_is_left_out(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {"other.py": "def other():\n    return policy\n"})
        index.refresh()
        found = {one.path for one in index.search(QUESTION).results}
        assert "other.py" in found
        assert "other.py" not in {span.path for span in asked(index)}

    def test_long_results_are_cut_to_the_lines_that_say_most(self, index: WorkspaceIndex) -> None:
        body = "".join(f"    value_{n} = {n}\n" for n in range(30))
        quiet = "".join(f"    x{n} = {n}\n" for n in range(60))
        write(
            index.workspace,
            {
                "head.py": f"def unicorn_stable():\n    unicorn = 'unicorn'\n{quiet}",
                "tail.py": f"def kept():\n{quiet}    pegasus = stable\n    pegasus.feed(stable)\n{body[:60]}",
            },
        )
        index.refresh()
        spans = {span.path: span for span in asked(index, "unicorn stable")}
        assert spans["head.py"].start == 1
        assert spans["head.py"].end == SPAN_LINES_MAX
        spans |= {span.path: span for span in asked(index, "pegasus")}
        assert "pegasus.feed" in spans["tail.py"].text
        assert all(span.end - span.start < SPAN_LINES_MAX for span in spans.values())

    def test_neighbours_are_one_span_and_a_file_has_only_so_many(self, index: WorkspaceIndex) -> None:
        long = "".join(f"    unicorn_{n} = 'unicorn'\n" for n in range(45))
        write(index.workspace, {"many.py": "\n\n".join(f"def unicorn{n}():\n{long}" for n in range(9))})
        short = "\n\n".join(
            f"class Pony{n}:\n    '''{'A pony. ' * 120}'''\n    pony = {n}\n" for n in range(3)
        )
        write(index.workspace, {"few.py": short})
        index.refresh()
        spans = asked(index, "unicorn", 20)
        assert 1 < sum(span.path == "many.py" for span in spans) <= SPANS_PER_FILE_MAX
        assert len([one for one in index.search("pony").results if one.path == "few.py"]) > 1
        assert places(asked(index, "pony")) == ["few.py:1-13"]

    def test_all_spans_together_fit(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {f"m{n}.py": f"unicorn = '{'x' * 2000}'\n" for n in range(30)})
        index.refresh()
        spans = asked(index, "unicorn", 100)
        assert sum(len(span.text) for span in spans) <= TOKENS_MAX * CHARS_PER_TOKEN
        assert len(spans) < 30

    def test_very_long_lines_are_true_though_the_index_keeps_their_beginning(
        self, index: WorkspaceIndex
    ) -> None:
        write(index.workspace, {"wide.py": f"unicorn = '{'x' * 15_000}'\n"})
        index.refresh()
        assert places(asked(index, "unicorn")) == ["wide.py:1-1"]


class TestNamedFiles:
    """Files that the task names come first."""

    def test_a_named_file_comes_first_also_where_no_word_is_in_it(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {"q.py": "x = 1\n", "empty.py": ""})
        index.refresh()
        spans = asked(index, "What has q.py, empty.py or gone.py to do with the retry policy?")
        assert places(spans)[:2] == ["q.py:1-1", "retry.py:1-6"]
        assert spans[0].why == "named in the task"
        named = asked(index, "Does journal.py retry?")[0]
        assert named.path == "journal.py"
        assert named.why.startswith("named in the question")

    def test_named_lines_are_shown_with_what_is_around_them(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {"long.py": "".join(f"line_{n} = {n}\n" for n in range(1, 101))})
        index.refresh()
        assert places(asked(index, "What is long.py:50-52?"))[0] == "long.py:38-64"
        assert asked(index, "What is long.py:500?")[0].path == "long.py"

    def test_a_name_that_many_files_have_is_no_file_s(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {f"{n}/q.py": f"x = {n}\n" for n in range(12)})
        index.refresh()
        assert places(asked(index, "Is the retry policy of a q.py decided?"))[0] == "retry.py:1-6"


@pytest.mark.anyio
class TestUnsaved:
    """The editor's text wins over index and disk."""

    async def asked(
        self, index: WorkspaceIndex, buffers: Mapping[str, str], question: str = QUESTION
    ) -> list[Span]:
        """What the council sees while these files are open."""
        editor = BufferEditor({index.workspace.root / path: text for path, text in buffers.items()})
        files = Workspace(index.workspace.root, EditorBuffers(editor))
        return await to_thread.run_sync(IndexSearcher(index, index.workspace).search, question, 10, files)

    async def test_spans_are_cut_from_the_buffer(self, index: WorkspaceIndex) -> None:
        text = "# One more line.\n" + FILES["retry.py"].replace("is_transient", "is_passing")
        spans = await self.asked(index, {"retry.py": text})
        (mine,) = [span for span in spans if span.path == "retry.py"]
        assert "error.is_passing" in mine.text
        assert mine.text.split("\n") == text.split("\n")[mine.start - 1 : mine.end]

    async def test_what_the_buffer_says_nothing_of_any_more_is_not_shown(self, index: WorkspaceIndex) -> None:
        question = "Where is an event written?"
        assert (await self.asked(index, {}, question))[0].path == "journal.py"
        assert "journal.py" not in {
            span.path for span in await self.asked(index, {"journal.py": ""}, question)
        }
        spans = await self.asked(index, {"journal.py": "x = 1\n"}, f"{question} {QUESTION}")
        assert "journal.py" not in {span.path for span in spans}

    async def test_without_an_index_the_buffer_wins_too(self, index: WorkspaceIndex) -> None:
        editor = BufferEditor({index.workspace.root / "retry.py": "#\n" + FILES["retry.py"]})
        files = Workspace(index.workspace.root, EditorBuffers(editor))
        searcher = IndexSearcher(None, index.workspace)
        spans = await to_thread.run_sync(searcher.search, QUESTION, 10, files)
        (mine,) = [span for span in spans if span.path == "retry.py"]
        assert mine.text.split("\n") == ["#", *FILES["retry.py"].split("\n")][mine.start - 1 : mine.end]

    async def test_files_that_change_faster_than_they_are_found_are_left_out(
        self, index: WorkspaceIndex
    ) -> None:
        write(index.workspace, {f"f{n}.py": "quasar = 1\n" for n in range(12)})
        index.refresh()
        index.is_watching = True
        write(index.workspace, {f"f{n}.py": "pulsar = 1\n" for n in range(12)})
        assert all(
            span.path not in FILES for span in IndexSearcher(index, index.workspace).search("quasar", 1)
        )

    async def test_the_disk_that_changed_meanwhile_counts_too(self, index: WorkspaceIndex) -> None:
        index.is_watching = True  # the watch has not told it yet
        write(index.workspace, {"retry.py": "\n\n" + FILES["retry.py"]})
        assert places(await self.asked(index, {}))[0] == "retry.py:3-8"
        (index.workspace.root / "retry.py").unlink()
        assert "retry.py" not in {span.path for span in await self.asked(index, {})}


def test_spans_of_the_disk_move_with_their_lines_or_go(tmp_path: Path) -> None:
    disk = workspace_of(tmp_path, {"a.py": "one\ntwo\nthree\n"})
    (tmp_path / "other").mkdir()
    files = Workspace(tmp_path / "other")
    write(files, {"a.py": "new\none\nthree\n"})
    spans = [
        Span(path=path, start=start, end=start, text="", why="", score=1.0)
        for path, start in (("a.py", 1), ("gone.py", 1), ("a.py", 2), ("a.py", 3))
    ]
    assert [(span.start, span.text) for span in as_seen(spans, disk, files)] == [(2, "one"), (3, "three")]


class TestBehind:
    """An index that nobody keeps fresh."""

    def test_the_few_files_that_changed_since_are_laid_over_it(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {"new.py": "def quasar(): ...\n", "journal.py": "def quasar_old(): ...\n"})
        (index.workspace.root / "docs/retry.md").unlink()
        assert {span.path for span in asked(index, "quasar")} == {"new.py", "journal.py"}
        assert "docs/retry.md" not in {span.path for span in asked(index)}
        assert "words alone" not in str(asked(index, "quasar"))

    def test_with_many_of_them_the_words_alone_count(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {f"new{n}.py": "def quasar(): ...\n" for n in range(BEHIND_MAX + 1)})
        spans = asked(index, "quasar")
        assert spans[-1].why.endswith("; found by words alone")

    def test_a_file_with_a_new_stamp_and_the_same_text_is_not_behind(self, index: WorkspaceIndex) -> None:
        for path in FILES:
            (index.workspace.root / path).touch()
        write(index.workspace, {f"new{n}.py": "def quasar(): ...\n" for n in range(BEHIND_MAX)})
        assert "words alone" not in str(asked(index, "quasar"))


class TestWithoutIt:
    """Where the index cannot answer."""

    def test_no_index_is_a_literal_search(self, index: WorkspaceIndex) -> None:
        spans = IndexSearcher(None, index.workspace).search(QUESTION, 5)
        assert spans[0].path == "retry.py"
        assert "words alone" not in str(spans)
        assert list(IndexSearcher(None, index.workspace).defining("append")) == ["journal.py"]

    def test_before_the_first_run_is_complete_it_is_said(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        workspace = workspace_of(tmp_path, FILES)
        with index_of(workspace, is_run=False) as index, caplog.at_level(logging.INFO):
            spans = asked(index)
        assert spans[0].path == "retry.py"
        assert spans[-1].why.endswith("; found by words alone")
        assert "not complete" in caplog.text

    def test_what_the_index_does_not_know_is_looked_for_by_words(
        self, index: WorkspaceIndex, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            assert asked(index, "unheard of") == []
        assert "found nothing" in caplog.text

    @pytest.mark.parametrize("where", ["status", "search", "symbol"])
    def test_a_fault_of_the_index_is_none_of_the_council(self, index: WorkspaceIndex, where: str) -> None:
        searcher = IndexSearcher(Faulty(index, where), index.workspace)
        assert searcher.search(QUESTION, 5)[0].path == "retry.py"
        assert list(searcher.defining("append")) == ["journal.py"]

    def test_an_index_that_fell_back_by_itself_is_not_asked_twice(self, index: WorkspaceIndex) -> None:
        spans = IndexSearcher(Faulty(index, "detail"), index.workspace).search(QUESTION, 5)
        assert spans[-1].why.endswith("; found by words alone")

    def test_files_that_are_not_seen_yet_are_laid_over_and_the_others_counted(
        self, index: WorkspaceIndex
    ) -> None:
        write(index.workspace, {"new.py": "def retry_policy_new(): ...\n"})
        index.is_watching = True
        spans = IndexSearcher(Faulty(index, "unseen"), index.workspace).search("retry_policy_new", 5)
        assert spans[0].path == "new.py"
        assert spans[-1].why.endswith("; 2 files are not indexed yet")


class Faulty:
    """An index that fails, or says something, in one place; otherwise the one that it stands before."""

    def __init__(self, index: WorkspaceIndex, where: str) -> None:
        self._index, self._where = index, where
        self.manifest = index.manifest

    def search(
        self, question: str, limit: int = 10, *, buffers: Mapping[str, str | None] = {}
    ) -> SearchReply:
        """As the index, with a fault where it is wanted."""
        self._fail("search")
        reply = self._index.search(question, limit, buffers=buffers)
        if self._where == "detail":
            return SearchReply(reply.results, detail="No room on the disk.")
        return SearchReply(reply.results, 3, ["new.py"]) if self._where == "unseen" else reply

    def symbol(self, name: str, limit: int = 50):
        """As the index."""
        self._fail("symbol")
        return self._index.symbol(name, limit)

    def status(self) -> IndexStatus:
        """As the index."""
        self._fail("status")
        return self._index.status()

    def _fail(self, here: str) -> None:
        if here == self._where:
            raise IndexUnavailable("There is no room on the disk.")


class TestDefining:
    """Where a name is defined, for a test that is asked for by it."""

    def test_the_index_knows_first_and_lines_add_what_it_has_not_seen(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {"new.py": "def append(): ...\n"})
        searcher = IndexSearcher(index, index.workspace)
        assert list(searcher.defining("append")) == ["journal.py", "new.py"]
        assert list(searcher.defining("retry")) == []
        assert list(searcher.defining("")) == []
