"""Rows that another process has made are found before it has written them, and after, whatever comes between."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naestro.index.storage.arrivals import packed
from naestro.index.storage.fresh import ARRIVED_ROWS_MAX
from naestro.index.storage.store import Store
from tests.index.storage.test_store import DIMENSION, places, row, vector


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path, "static", DIMENSION, is_writer=True)
    yield made
    made.close()


@pytest.mark.parametrize("count", [3, 40])
def test_what_is_shown_is_found_before_and_after_another_process_has_written_it(
    store: Store, tmp_path: Path, count: int
) -> None:
    store.replace([row(f"{n}.py", 1, "alpha old", seed=n) for n in range(50)])
    store.compact()
    new = [row(f"{n}.py", 7, "alpha new", seed=n) for n in range(count)]
    changed = [f"{n}.py" for n in range(count + 1)]
    assert store.show(changed, packed(new, DIMENSION))
    expected = {(one.chunk.path, 7) for one in new} | {(f"{n}.py", 1) for n in range(count + 1, 50)}
    indexer = Store.open(tmp_path, "static", DIMENSION, is_writer=True, is_searched=False)
    for step in ("shown", "written", "adopted", "compacted"):
        if step == "written":
            indexer.replace(new, changed)
        if step == "adopted":
            store.adopt(changed, has_rows=True)
            assert store.is_covered
        if step == "compacted":
            indexer.compact()
            before = store.candidates(["new"], None)
            store.follow()
            assert len(store.texts([one.id for one in before])) == count
        found = store.candidates(["alpha"], vector(1))
        assert (step, places(found), len(found)) == (step, expected, len(expected))
        assert store.texts([one.id for one in found if one.path == "1.py"]) == {
            one.id: "def f7(): ..." for one in found if one.path == "1.py"
        }
        assert places(store.candidates(["alpha"], vector(1), without_paths=["0.py"])) == expected - {
            ("0.py", 7)
        }
    indexer.close()


def test_what_is_shown_and_not_written_outlives_a_compaction(store: Store) -> None:
    store.replace([row(f"{n}.py", 1, "alpha old", seed=n) for n in range(9)])
    store.compact()
    store.show(["0.py"], packed([row("0.py", 7, "alpha new")], DIMENSION))
    store._compacted_at, store._lacks_records = float("-inf"), True
    assert not store.needs_compaction
    store.compact()
    assert places(store.candidates(["new"], None)) == {("0.py", 7)}
    assert ("0.py", 1) not in places(store.candidates(["old"], None))
    store.replace([row("0.py", 9, "alpha newer")])
    assert places(store.candidates(["new", "newer"], None)) == {("0.py", 9)}
    store._compacted_at, store._lacks_records = float("-inf"), True
    assert store.needs_compaction


def test_more_than_memory_has_room_for_is_not_shown_and_found_in_the_table(
    store: Store, tmp_path: Path
) -> None:
    store.replace([row("0.py", 1, "alpha old")])
    store.compact()
    assert store.show(["1.py"], packed([row("1.py", 1, "alpha shown")], DIMENSION))
    many = [row("0.py", n, "alpha new", seed=None) for n in range(1, ARRIVED_ROWS_MAX + 2)]
    assert not store.show(["0.py"], packed(many, DIMENSION))
    assert places(store.candidates(["alpha"], None)) == {("0.py", 1), ("1.py", 1)}
    assert not store.is_covered
    indexer = Store.open(tmp_path, "static", DIMENSION, is_writer=True, is_searched=False)
    indexer.replace([row("1.py", 1, "alpha shown")])
    store.adopt(["1.py"], has_rows=True)
    indexer.replace([row("0.py", 5, "alpha new")])
    store.adopt(["0.py"], has_rows=True)
    assert places(store.candidates(["alpha"], None)) == {("0.py", 5), ("1.py", 1)}
    indexer.close()


def test_a_path_that_no_encoding_can_say_is_shown_as_it_is_written(store: Store) -> None:
    store.compact()
    strange = "a\udcff.py"
    assert store.show([strange], packed([row(strange, 1, "alpha")], DIMENSION))
    assert places(store.candidates(["alpha"], None)) == {("a\\udcff.py", 1)}
    assert store.show([strange], packed([], DIMENSION))
    assert store.candidates(["alpha"], None) == []
