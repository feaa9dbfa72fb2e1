"""Search over the table and over what an editor has open: one order for both, and what is masked stays masked."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from naestro.index.asking.overlay import OpenFiles, admitted
from naestro.index.asking.search import RERANK_WEIGHT, RESULTS_MAX, Search
from naestro.index.embed.embedder import EmbedText
from naestro.index.embed.static import StaticEmbedder
from naestro.index.embed.word_table import shipped
from naestro.index.found import ONLY_MEANING, UNSAID, Found
from naestro.index.workspace_index import WorkspaceIndex
from tests.index.indexed import index_of, workspace_of

FILES = {
    "retry.py": (
        "def retry_policy(error):\n    '''Whether a call is tried again, and after how long.'''\n"
        "    return error.is_transient\n"
    ),
    "journal.py": "class Journal:\n    def append(self, event):\n        '''Write an event to the disk.'''\n",
    "tests/test_retry.py": "def test_retry_policy():\n    assert retry_policy(error)\n",
    "notes.md": "# Retry\n\nThe policy of the retry is decided somewhere.\n",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspaceIndex]:
    """The index of FILES with vectors, which no test here changes."""
    with index_of(workspace_of(tmp_path_factory.mktemp("search"), FILES), embedder="static") as opened:
        yield opened


def paths(found: Sequence[Found]) -> list[str]:
    """The files of results, in order."""
    return [one.path for one in found]


class TestTheTable:
    """What is asked of the index alone."""

    def test_the_answer_comes_first_with_its_lines_and_why(self, index: WorkspaceIndex) -> None:
        found = index.search("where is the retry policy decided?").results
        best = found[0]
        assert (best.path, best.start, best.symbol, best.language) == (
            "retry.py",
            1,
            "retry_policy",
            "python",
        )
        assert best.text == FILES["retry.py"].rstrip("\n")
        assert "retry" in best.why
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)

    def test_the_limit_holds(self, index: WorkspaceIndex) -> None:
        search = Search(index.workspace, None)
        assert len(search.find(index.store, "retry policy", 2)) == 2
        assert len(search.find(index.store, "retry policy", 0)) == 1
        assert len(search.find(index.store, "retry policy", 10 * RESULTS_MAX)) == 3

    def test_the_same_question_gives_the_same_answer(self, index: WorkspaceIndex) -> None:
        first = index.search("event disk retry").results
        assert first == index.search("event disk retry").results

    @pytest.mark.parametrize(
        "question", ["", "?!", "\0", "x" * 100_000, "\ud800", "'; DROP TABLE", "a AND (b"]
    )
    def test_any_text_is_a_question(self, index: WorkspaceIndex, question: str) -> None:
        assert isinstance(index.search(question).results, list)

    def test_what_only_vectors_bring_is_said_to_be_close(self, index: WorkspaceIndex) -> None:
        found = index.search("disk attempts").results
        assert any(one.why == "is close in meaning" for one in found)

    def test_where_no_word_of_the_question_is_in_the_index_the_answer_says_so(
        self, index: WorkspaceIndex
    ) -> None:
        reply = index.search("grocery")
        assert reply.results, "meaning alone still finds something"
        assert {one.why for one in reply.results} == {ONLY_MEANING}
        assert (reply.detail, reply.note) == ("", UNSAID)
        assert reply.results[0].score < 0.5, "the best of what does not match is no match"
        assert index.search("retry grocery").detail == ""


class TestBuffers:
    """What an editor has open and has not saved."""

    def test_unsaved_code_is_found_and_the_disk_s_is_masked(self, index: WorkspaceIndex) -> None:
        buffers = {"retry.py": "# new\n\n\ndef backoff_policy(error):\n    '''When to retry.'''\n"}
        found = index.search("retry policy", buffers=buffers).results
        mine = [one for one in found if one.path == "retry.py"]
        assert [one.symbol for one in mine] == ["backoff_policy"]
        assert all(one.text in buffers["retry.py"] for one in mine)
        assert paths(found)[0] == "retry.py"

    def test_a_file_that_was_never_saved_is_found(self, index: WorkspaceIndex) -> None:
        buffers = {"deep/new.py": "def quasar_flux():\n    return 1\n"}
        assert paths(index.search("quasar flux", buffers=buffers).results)[0] == "deep/new.py"

    def test_what_is_gone_in_the_editor_is_not_found(self, index: WorkspaceIndex) -> None:
        for gone in (None, ""):
            assert "retry.py" not in paths(index.search("retry policy", buffers={"retry.py": gone}).results)

    def test_ignored_and_secret_buffers_are_never_found(self, index: WorkspaceIndex) -> None:
        key = f"quasar\n-----BEGIN PRIVATE KEY-----\n{'A' * 64}\n"
        buffers = {
            ".env": "QUASAR=1\n",
            "../out.py": "quasar = 1\n",
            "key.py": key,
            "./retry.py": "quasar = 1\n",
        }
        assert all(
            "quasar" not in one.text.lower() for one in index.search("quasar", buffers=buffers).results
        )
        assert set(admitted(index.workspace, buffers).values()) == {""}

    def test_a_buffer_with_the_disk_s_text_changes_nothing(self, index: WorkspaceIndex) -> None:
        plain = index.search("retry policy event").results
        assert index.search("retry policy event", buffers={"retry.py": FILES["retry.py"]}).results == plain

    def test_chunks_of_a_buffer_that_say_no_word_come_by_their_vectors_and_only_the_nearest(
        self, index: WorkspaceIndex
    ) -> None:
        many = "\n\n".join(
            f"def attempt_{n}():\n    '''Attempts again {n}.'''\n    return {n}\n" * 20 for n in range(60)
        )
        found = index.search("retrying", 100, buffers={"many.py": many}).results
        assert 0 < paths(found).count("many.py") <= 16

    def test_without_vectors_words_are_enough(self, tmp_path: Path) -> None:
        with index_of(workspace_of(tmp_path, FILES)) as index:
            buffers = {"new.py": "def quasar_flux(): ...\n\n\n" + "def other(): ...\n" * 3}
            assert paths(index.search("quasar", buffers=buffers).results) == ["new.py"]
            assert paths(index.search("retry policy").results)[0] == "retry.py"


class CountingEmbedder(StaticEmbedder):
    """The shipped embedder, which counts the texts that it is given."""

    texts = 0

    def passages(self, texts, stop=None):
        """As its base."""
        self.texts += len(texts)
        return super().passages(texts, stop)


def test_a_key_that_is_pressed_embeds_one_chunk() -> None:
    embedder = CountingEmbedder(shipped())
    opened = OpenFiles(embedder)
    long = "\n\n\n".join(f"def f{n}():\n" + f"    value_{n} = 1\n" * 60 for n in range(10))
    chunks = opened.chunks({"a.py": long})
    assert embedder.texts == len(chunks) >= 10
    opened.chunks({"a.py": long})
    opened.chunks({"a.py": long.replace("value_3 = 1\n", "value_3 = 2\n", 1)})
    assert embedder.texts <= len(chunks) + 2


def test_what_was_not_used_for_long_is_forgotten() -> None:
    embedder = CountingEmbedder(shipped())
    opened = OpenFiles(embedder)
    for n in range(2100):
        opened.chunks({"a.py": f"x = {n}\n"})
    before = embedder.texts
    opened.chunks({"a.py": "x = 2099\n"})
    assert embedder.texts == before
    opened.chunks({"a.py": "x = 0\n"})
    assert embedder.texts == before + 1


class Shouting:
    """A reranker that likes what says one word."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.read = 0

    def scores(self, query: str, texts: Sequence[EmbedText]) -> list[float]:
        """One for the texts with the word."""
        self.read += len(texts)
        return [float(self.word in text.text) for text in texts]


def test_a_reranker_lifts_what_it_likes(index: WorkspaceIndex) -> None:
    reranker = Shouting("decided somewhere")
    plain = Search(index.workspace, None).find(index.store, "retry policy", 5)
    found = Search(index.workspace, None, reranker).find(index.store, "retry policy", 5)
    lifted = {
        one.path: one.score / plain[0].score + RERANK_WEIGHT * (one.path == "notes.md") for one in plain
    }
    assert {one.path: one.score for one in found} == pytest.approx(lifted, abs=1e-3)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert reranker.read == 3
    assert Search(index.workspace, None, reranker).find(index.store, "nothing", 5) == []
