"""The store: what is written is found, by words and by vectors, whatever the paths hold and whoever else reads."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import lancedb
import numpy as np
import pytest

from naestro.errors import IndexDamaged, IndexUnavailable
from naestro.index.parsing.parsed import Chunk
from naestro.index.storage import indexes, lance, table
from naestro.index.storage.schema import Candidate, Row, id_of
from naestro.index.storage.store import _UPDATES_UNTIL_COMPACTION, Store, erase
from naestro.index.text.chunk_terms import packed

DIMENSION = 16


def vector(seed: int) -> np.ndarray:
    """A unit vector of its own for each seed."""
    drawn = np.random.default_rng(seed).normal(size=DIMENSION).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def row(path: str, start: int = 1, prepared: str = "alpha beta", *, seed: int | None = 1) -> Row:
    chunk = Chunk(
        path=path,
        start=start,
        end=start + 4,
        language="python",
        kind="function",
        text=f"def f{start}(): ...",
        symbol=f"Thing.f{start}",
        names=[f"f{start}", "other name"],
        scope="class Thing:",
    )
    return Row(chunk, prepared, None if seed is None else vector(seed), "0" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    yield made
    made.close()


def places(found: Sequence[Candidate]) -> set[tuple[str, int]]:
    return {(one.path, one.start) for one in found}


def test_a_chunk_is_found_by_a_word_with_all_that_ranking_needs(store: Store) -> None:
    store.replace([row("a.py", 3, "alpha gamma", seed=3), row("b.py", 1, "beta", seed=4)])
    for _ in ("from memory", "from the table"):
        found = next(one for one in store.candidates(["gamma"], vector(3)) if one.path == "a.py")
        assert (found.start, found.end, found.language, found.kind) == (3, 7, "python", "function")
        assert (found.symbol, found.names, found.terms) == (
            "Thing.f3",
            ("f3", "other name"),
            packed(["alpha gamma"], [["f3", "other name"]], ["a.py"])[0],
        )
        assert found.fts_score > 0
        assert found.vector_score == pytest.approx(1.0, abs=1e-3)
        assert store.texts([found.id]) == {found.id: "def f3(): ..."}
        store.compact()


def test_scores_by_words_are_the_same_in_memory_and_in_the_table(store: Store) -> None:
    store.replace(
        [row("a.py", 1, "alpha beta"), row("b.py", 1, "alpha alpha gamma delta"), row("c.py", 1, "beta")]
    )
    here = {one.path: one.fts_score for one in store.candidates(["alpha"], None)}
    store.compact()
    assert {one.path: one.fts_score for one in store.candidates(["alpha"], None)} == pytest.approx(
        here, abs=1e-4
    )


def test_a_chunk_is_found_by_its_vector_alone(store: Store) -> None:
    store.replace([row(f"{seed}.py", seed=seed) for seed in range(30)])
    for _ in ("from memory", "from the table"):
        found = store.candidates(["nowhere"], vector(7), limit=2)
        assert places(found) == {("7.py", 1)}
        assert found[0].fts_score == 0
        store.compact()


def test_many_vectors_are_indexed_and_found(store: Store) -> None:
    rows = [row(f"{n // 100}.py", n % 100 + 1, f"word{n}", seed=n) for n in range(4_200)]
    store.replace(rows)
    assert store.needs_compaction
    store.compact()
    assert not store.needs_compaction
    found = store.candidates([], vector(4_100), limit=4)
    assert "41.py" in {one.path for one in found}
    store.compact()
    assert ("41.py", 1) in places(store.candidates([], vector(4_100), limit=4))


def test_a_file_is_replaced_whole(store: Store) -> None:
    store.replace([row("a.py", 1, "old"), row("a.py", 9, "old"), row("b.py", 1, "old")])
    store.compact()
    store.replace([row("a.py", 1, "new")])
    assert places(store.candidates(["old", "new"], None)) == {("a.py", 1), ("b.py", 1)}
    assert store.count == 2
    store.compact()
    assert places(store.candidates(["old"], None)) == {("b.py", 1)}


def test_files_that_are_gone_are_not_found(store: Store) -> None:
    store.replace([row(f"{n}.py") for n in range(5)])
    store.compact()
    store.replace([], ["1.py", "2.py"])
    store.replace([], [f"{n}.py" for n in range(3, 1_500)])
    assert places(store.candidates(["alpha"], vector(1))) == {("0.py", 1)}


def test_masked_files_are_not_found_and_make_room_for_others(store: Store) -> None:
    store.replace(
        [row("loud.py", n, "alpha alpha", seed=n) for n in range(1, 20)] + [row("quiet.py", 1, "alpha x y z")]
    )
    store.compact()
    assert places(store.candidates(["alpha"], None, 4, ["loud.py"])) == {("quiet.py", 1)}
    store.replace([row("new.py", 1, "alpha")])
    assert places(store.candidates(["alpha"], None, 4, ["loud.py", "new.py"])) == {("quiet.py", 1)}


STRANGE = [
    "it's.py",
    "a' OR '1'='1.py",
    "') OR true --.py",
    'double "quotes".py',
    "back\\slash\\'.py",
    "two\nlines\t.py",
    "smörgås/日本語/🦀.py",
    "%_like*.py",
    "nul\0byte.py",
    "`id`.py; DROP TABLE chunks",
]


@pytest.mark.parametrize("path", STRANGE)
def test_a_path_is_data_whatever_it_holds(store: Store, path: str) -> None:
    store.replace([row("plain.py"), row(path)])
    assert [chunk.path for chunk in store.chunks_of(path)] == [path]
    store.compact()
    assert places(store.candidates(["alpha"], None, 200, [path])) == {("plain.py", 1)}
    assert places(store.candidates(["alpha"], None)) == {("plain.py", 1), (path, 1)}
    store.replace([], [path])
    assert places(store.candidates(["alpha"], None)) == {("plain.py", 1)}
    assert store.count == 1


def test_a_lone_surrogate_is_kept_as_an_escape(store: Store) -> None:
    store.replace([row("bad\udcff.py", 1, "alpha \udcff")])
    store.compact()
    assert [one.path for one in store.candidates(["alpha", "\udcff"], None)] == ["bad\\udcff.py"]
    assert store.candidates(["alpha"], None, 200, ["bad\udcff.py"]) == []
    store.replace([], ["bad\udcff.py"])
    assert store.count == 0


@pytest.mark.parametrize("term", ['"quoted', "{json}", "a AND b", "*", "\\", "'", "-x", "field:x"])
def test_a_term_is_data_whatever_it_holds(store: Store, term: str) -> None:
    store.replace([row("a.py", 1, "alpha"), row("b.py", 1, f"beta {term}")])
    store.compact()
    assert "b.py" in {one.path for one in store.candidates([term], None)}
    assert places(store.candidates(["alpha"], None)) == {("a.py", 1)}


def test_nothing_asked_is_nothing_found(store: Store) -> None:
    assert store.candidates(["alpha"], vector(1)) == []
    store.replace([row("a.py")])
    store.compact()
    assert store.candidates([], None) == []
    assert store.texts([]) == {}
    assert store.texts([123_456, id_of("a.py", 1, 1)]) == {}
    assert store.chunks_of("none.py") == []


def test_a_file_has_its_chunks_in_order(store: Store) -> None:
    rows = [row("a.py", start) for start in (20, 1, 10)]
    store.replace(rows)
    assert store.chunks_of("a.py") == sorted((one.chunk for one in rows), key=lambda chunk: chunk.start)


def test_an_index_without_vectors_is_searched_by_words(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "none", 0, is_writer=True)
    store.replace([row("a.py", seed=None)])
    for _ in range(2):
        found = store.candidates(["alpha"], vector(1))
        assert [one.vector_score for one in found] == [0.0]
        store.compact()
    store.close()


def test_a_chunk_may_have_no_vector_yet(store: Store) -> None:
    store.replace([row("a.py", seed=None), row("b.py", seed=2)])
    for _ in range(2):
        found = {one.path: one.vector_score for one in store.candidates(["alpha"], vector(2))}
        assert found == pytest.approx({"a.py": 0.0, "b.py": 1.0}, abs=1e-3)
        assert places(store.candidates([], vector(2))) == {("b.py", 1)}
        store.compact()


def test_more_rows_than_fit_in_memory_are_found_in_the_table(store: Store) -> None:
    store.replace([row("first.py", 1, "first")])
    store.replace([row(f"{n // 50}.py", n % 50 + 1, "many", seed=n) for n in range(4_100)])
    assert places(store.candidates(["first"], None)) == {("first.py", 1)}
    store.replace([row("last.py", 1, "last", seed=9_999)])
    assert ("last.py", 1) in places(store.candidates(["last"], vector(9_999), 4))


def test_rows_are_found_after_the_store_was_opened_again(tmp_path: Path) -> None:
    first = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    first.replace([row("a.py")])
    first.compact()
    first.replace([row("b.py")])
    first.close()
    again = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    assert places(again.candidates(["alpha"], vector(1))) == {("a.py", 1), ("b.py", 1)}
    assert again.needs_compaction
    again.compact()
    again.close()
    last = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    assert not last.needs_compaction
    last.close()


def test_the_text_of_a_result_outlives_a_compaction(store: Store) -> None:
    store.replace([row("a.py")])
    in_memory = store.candidates(["alpha"], None)[0].id
    store.compact()
    in_table = store.candidates(["alpha"], None)[0].id
    store.replace([row("b.py")])
    store.compact()
    assert store.texts([in_table]) == {in_table: "def f1(): ..."}
    store.replace([row("c.py")])
    held = store.candidates(["alpha"], None, 200, ["a.py", "b.py"])[0].id
    store.compact()
    assert store.texts([held]) == {held: "def f1(): ..."}
    assert in_memory not in store.texts([in_memory])


def test_small_updates_ask_for_a_compaction_in_time(store: Store) -> None:
    for n in range(_UPDATES_UNTIL_COMPACTION - 1):
        store.replace([], [f"{n}.py"])
    assert not store.needs_compaction
    store.replace([], ["x.py"])
    assert store.needs_compaction
    store.compact()
    assert not store.needs_compaction


def test_the_statistics_follow_what_is_written(store: Store) -> None:
    assert store.statistics.chunks == 0
    store.replace([row("a.py", 1, "alpha alpha beta"), row("b.py", 1, "alpha")])
    assert (store.statistics.chunks, store.statistics.mean_terms) == (2, 2.0)
    assert (store.statistics.holding("alpha"), store.statistics.holding("gamma")) == (2, 0)
    store.compact()
    store.replace([row("a.py", 1, "gamma"), row("b.py", 1, "gamma")])
    assert store.statistics.holding("alpha") == 2
    store.compact()
    assert (store.statistics.holding("alpha"), store.statistics.holding("gamma")) == (0, 2)


def test_another_embedder_needs_a_rebuild(tmp_path: Path) -> None:
    Store.open(tmp_path, "static", DIMENSION, is_writer=True).close()
    for name, dimension in (("minilm", DIMENSION), ("static", 8)):
        other = Store.open(tmp_path, name, dimension, is_writer=True)
        assert other.rebuild_reason
        assert "static" in other.rebuild_reason
        other.close()
    erase(tmp_path)
    made = Store.open(tmp_path, "minilm", DIMENSION, is_writer=True)
    assert made.rebuild_reason == ""
    made.close()


def test_another_layout_needs_a_rebuild(tmp_path: Path, store: Store) -> None:
    from naestro.index.storage.schema import Pins

    assert "version" in Pins("static", DIMENSION, layout="0").trouble({b"layout": b"1"})
    assert Pins("static", DIMENSION).trouble(None)


def test_a_reader_needs_an_index_and_sees_what_another_process_writes(tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailable, match="no index yet"):
        Store.open(tmp_path, "static", DIMENSION, is_writer=False)
    writer = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    reader = Store.open(tmp_path, "static", DIMENSION, is_writer=False)
    assert not reader.needs_compaction
    writer.replace([row("a.py", 1, "alpha")])
    assert places(reader.candidates(["alpha"], vector(1))) == {("a.py", 1)}
    writer.compact()
    writer.replace([row("b.py", 1, "alpha")])
    assert places(reader.candidates(["alpha"], vector(1))) == {("a.py", 1), ("b.py", 1)}
    assert reader.statistics.holding("alpha") == 1
    assert len(reader.chunks_of("b.py")) == 1
    writer.close()
    reader.close()


def test_a_reader_follows_an_index_that_was_made_anew(tmp_path: Path) -> None:
    writer = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    writer.replace([row("old.py")])
    reader = Store.open(tmp_path, "static", DIMENSION, is_writer=False)
    assert places(reader.candidates(["alpha"], None)) == {("old.py", 1)}
    writer.close()
    erase(tmp_path)
    writer = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    writer.replace([row("new.py")])
    assert places(reader.candidates(["alpha"], None)) == {("new.py", 1)}
    writer.close()
    reader.close()


def test_a_reader_whose_index_is_gone_says_so(tmp_path: Path) -> None:
    writer = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    writer.replace([row("a.py")])
    reader = Store.open(tmp_path, "static", DIMENSION, is_writer=False)
    shutil.rmtree(tmp_path / "chunks.lance")
    with pytest.raises((IndexUnavailable, IndexDamaged)):
        reader.candidates(["alpha"], vector(1))
    reader.close()
    writer.close()


def test_a_reader_of_a_damaged_index_says_so(tmp_path: Path) -> None:
    filled(tmp_path)
    reader = Store.open(tmp_path, "static", DIMENSION, is_writer=False)
    for file in (tmp_path / "chunks.lance" / "data").iterdir():
        file.write_bytes(b"")
    with pytest.raises(IndexDamaged, match="damaged"):
        reader.candidates(["alpha"], vector(1))
    reader.close()


def test_what_was_replaced_in_memory_is_not_found_by_its_words(store: Store) -> None:
    store.replace([row("a.py", 1, "alpha once")])
    store.replace([row("a.py", 1, "alpha twice")])
    assert places(store.candidates(["once"], None)) == set()
    assert places(store.candidates(["twice"], None)) == {("a.py", 1)}


def filled(folder: Path) -> None:
    store = Store.open(folder, "static", DIMENSION, is_writer=True)
    store.replace([row(f"{n}.py", seed=n) for n in range(50)])
    store.compact()
    store.close()


def used(folder: Path) -> None:
    store = Store.open(folder, "static", DIMENSION, is_writer=True)
    store.candidates(["alpha"], vector(1))
    store.compact()


@pytest.mark.parametrize("part", ["_versions", "data", "_indices"])
def test_a_damaged_table_is_one_error(tmp_path: Path, part: str) -> None:
    filled(tmp_path)
    for file in (tmp_path / "chunks.lance" / part).rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(IndexDamaged, match="damaged"):
        used(tmp_path)
    erase(tmp_path)
    filled(tmp_path)


def test_damaged_statistics_are_counted_anew(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "statistics.npz").write_bytes(b"PK no zip")
    store = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    assert store.statistics.holding("alpha") == 50
    store.close()


def test_rows_that_the_file_of_records_lacks_are_read_from_the_table(tmp_path: Path) -> None:
    filled(tmp_path)
    store = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    whole = {one.path: one for one in store.candidates(["alpha"], vector(1))}
    store.close()
    (tmp_path / "records.bin").unlink()
    store = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    assert not store.needs_compaction
    for found in (store.candidates(["alpha"], vector(1)), store.candidates(["alpha"], vector(1))):
        assert len(found) == 50
        for one in found:
            same = whole[one.path]
            assert (one.id, one.names, one.terms) == (same.id, same.names, same.terms)
            assert one.vector_score == pytest.approx(same.vector_score)
        if not (tmp_path / "records.bin").exists():
            assert store.needs_compaction
            store.compact()
    store.close()


def test_a_first_compaction_leaves_nothing_that_it_superseded(store: Store) -> None:
    for n in range(5):
        store.replace([row(f"{n}.py", seed=n)])
    store.compact()
    assert len([*(store.folder / "chunks.lance" / "data").iterdir()]) == 1
    assert not store.needs_compaction
    assert len(store.candidates(["alpha"], vector(1))) == 5


def test_a_record_that_is_none_is_damage(store: Store) -> None:
    from naestro.index.storage import record

    with pytest.raises(IndexDamaged), lance.faults("Reading the index"):
        record.decoded([1], [b"\xc1"], [0.0], None)


@pytest.mark.parametrize(
    ("said", "kind", "hint"),
    [
        ("LanceError(IO): No space left on device (os error 28)", IndexUnavailable, "room"),
        ("Disk quota exceeded (os error 122)", IndexUnavailable, "room"),
        ("Permission denied (os error 13)", IndexUnavailable, "rights"),
        ("Too many open files (os error 24)", IndexUnavailable, "ulimit"),
        ("not a Lance file", IndexDamaged, ""),
        ("", IndexDamaged, ""),
    ],
)
def test_what_lancedb_says_becomes_one_of_two_errors(said: str, kind: type[Exception], hint: str) -> None:
    with pytest.raises(kind) as raised, lance.faults("Writing the index"):
        raise RuntimeError(said)
    assert "Writing the index failed" in str(raised.value)
    assert hint in lance.fault_of(RuntimeError(said), "It").hint


def test_what_is_no_fault_of_the_index_passes() -> None:
    with pytest.raises(KeyboardInterrupt), lance.faults("Writing the index"):
        raise KeyboardInterrupt
    with pytest.raises(IndexUnavailable, match="no index"), lance.faults("Reading the index"):
        raise ExceptionGroup("both", [IndexUnavailable("There is no index.")])


def test_a_folder_that_may_not_be_written_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises((IndexUnavailable, IndexDamaged)):
        Store.open(file / "index", "static", DIMENSION, is_writer=True)


def test_a_failed_write_is_not_found(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    store.replace([row("a.py", 1, "alpha")])
    wrong = Row(row("b.py").chunk, "alpha", np.ones(3, np.float32), "0")
    with pytest.raises(IndexDamaged):
        store.replace([wrong])
    assert places(store.candidates(["alpha"], vector(1))) == {("a.py", 1)}
    store.close()


def test_a_write_that_breaks_off_is_not_found(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    store.replace([row("a.py", 1, "alpha")])
    data = tmp_path / "chunks.lance" / "data"
    data.rename(tmp_path / "kept")
    data.write_text("no folder")
    with pytest.raises((IndexDamaged, IndexUnavailable), match="Writing the index failed"):
        store.replace([row("b.py", 1, "alpha")])
    data.unlink()
    (tmp_path / "kept").rename(data)
    assert places(store.candidates(["alpha"], vector(1))) == {("a.py", 1)}
    store.replace([row("b.py", 1, "alpha")])
    assert places(store.candidates(["alpha"], vector(1))) == {("a.py", 1), ("b.py", 1)}
    store.close()


def test_a_question_whose_files_a_compaction_has_dropped_meanwhile_is_asked_once_more(store: Store) -> None:
    store.replace([row("a.py")])
    asked: list[int] = []

    async def question(table: lancedb.AsyncTable) -> int:
        asked.append(await table.version())
        if len(asked) == 1:
            raise RuntimeError("lance error: Not found: data/1.lance")
        return await table.count_rows()

    assert store._retried(question, "Counting the index") == 1
    assert asked[0] == asked[1]
    assert places(store.candidates(["alpha"], vector(1))) == {("a.py", 1)}


def test_many_threads_search_while_one_writes(store: Store) -> None:
    store.replace([row(f"{n}.py", seed=n) for n in range(100)])
    failures: list[BaseException] = []
    found: list[int] = []
    is_over = threading.Event()

    def search() -> None:
        try:
            while not is_over.is_set():
                candidates = store.candidates(["alpha"], vector(5))
                texts = store.texts([one.id for one in candidates])
                found.append(len(texts))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(6):
        store.replace([row(f"{n}.py", seed=n) for n in range(turn, turn + 5)])
        if turn % 3 == 2:
            store.compact()
    is_over.set()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert min(found, default=0) >= 90


def test_the_folder_does_not_grow_with_updates(store: Store) -> None:
    store.replace([row(f"{n}.py", 1, f"alpha word{n} " * 20, seed=n) for n in range(300)])
    store.compact()
    small = store.size_bytes
    for n in range(40):
        store.replace([row(f"{n}.py", 1, "changed", seed=n)])
    grown = store.size_bytes
    lance.call(lambda: indexes.renew(store._fresh.table, has_vectors=True, kept_s=0.001))
    lance.call(lambda: indexes.renew(store._fresh.table, has_vectors=True, kept_s=0.001))
    assert store.size_bytes < grown
    assert store.size_bytes < 2 * small


QUIET = """
import sys
from pathlib import Path
from naestro.index.storage.store import Store, erase
from naestro.index.storage.schema import Row
from naestro.index.parsing.parsed import Chunk
import numpy as np
folder = Path(sys.argv[1])
store = Store.open(folder, "e", 4, is_writer=True)
one = np.full(4, 0.5, np.float32)
for n in range(3):
    chunk = Chunk(path=f"{n}.py", start=1, end=2, language="python", kind="function", text="x")
    store.replace([Row(chunk, "alpha beta", one, "0")])
    assert store.candidates(["alpha"], one)
    store.compact()
assert store.texts([store.candidates(["alpha"], one)[0].id])
assert not [name for name in sys.modules if name.startswith("urllib3")]
"""


def test_lancedb_says_nothing_and_brings_no_http_client(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(tmp_path)], capture_output=True, check=False, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_rest_after_a_compaction_drops_what_it_superseded(store: Store) -> None:
    store.replace([row(f"{n}.py", seed=n) for n in range(50)])
    store.compact()
    store.replace([row("50.py", seed=50)])
    store.compact()
    assert store._has_old_versions
    store.compact()
    assert not store._has_old_versions


def test_a_file_that_goes_while_the_folder_is_measured_counts_nothing(tmp_path: Path) -> None:
    assert table._size_of(tmp_path / "none") == 0
