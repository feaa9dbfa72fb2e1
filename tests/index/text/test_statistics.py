"""The counts of terms: exact, the same in every process, added up, saved whole."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from naestro.index.text.statistics import Statistics, Tally, TermCounts, hashed

TEXTS = ["alpha beta beta", "beta", "gamma alpha", "", "日本 \udcff"]


def test_counts_say_how_many_chunks_hold_a_term() -> None:
    statistics = Statistics(TermCounts.of(TEXTS))
    assert statistics.chunks == 5
    assert statistics.mean_terms == pytest.approx(8 / 5)
    terms = ["alpha", "beta", "gamma", "日本", "\udcff", "delta", ""]
    assert [statistics.holding(term) for term in terms] == [2, 2, 1, 1, 1, 0, 0]


def test_nothing_counted_is_nothing() -> None:
    for empty in (Statistics(), Statistics(TermCounts.of([])), Statistics(TermCounts.sum([]))):
        assert (empty.chunks, empty.mean_terms, empty.holding("alpha")) == (0, 0.0, 0)
    assert TermCounts.sum([TermCounts.of([""]), TermCounts.of(["", ""])]).chunks == 3


def test_counts_of_parts_add_up_to_those_of_the_whole() -> None:
    whole = TermCounts.of(TEXTS)
    summed = TermCounts.sum([TermCounts.of(TEXTS[:2]), TermCounts.of([]), TermCounts.of(TEXTS[2:])])
    assert (summed.chunks, summed.terms) == (whole.chunks, whole.terms)
    assert np.array_equal(summed.hashes, whole.hashes)
    assert np.array_equal(summed.holding, whole.holding)


def test_the_number_of_a_term_is_the_same_in_every_process() -> None:
    asked = "from naestro.index.text.statistics import hashed; print(hashed('retry_policy'))"
    said = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(said.stdout) == hashed("retry_policy")


def test_statistics_are_saved_whole_and_read_again(tmp_path: Path) -> None:
    Statistics(TermCounts.of(TEXTS)).save(tmp_path)
    read = Statistics.load(tmp_path)
    assert read is not None
    assert (read.chunks, read.counts.terms, read.holding("beta")) == (5, 8, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["statistics.npz"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", b"text"])
def test_damaged_statistics_are_none(tmp_path: Path, damage: bytes) -> None:
    assert Statistics.load(tmp_path) is None
    (tmp_path / "statistics.npz").write_bytes(damage)
    assert Statistics.load(tmp_path) is None


def test_statistics_with_a_part_missing_are_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "statistics.npz", size=np.array([1, 2]))
    assert Statistics.load(tmp_path) is None


def unread() -> Iterator[str]:
    raise AssertionError("The table was read.")


def test_a_tally_adds_what_is_written_and_reads_the_table_only_when_it_has_drifted(tmp_path: Path) -> None:
    tally = Tally(tmp_path, is_writer=True)
    tally.add(TermCounts.of(["alpha"] * 100))
    assert tally.statistics.chunks == 100
    tally.renew(100, unread)
    tally.add(TermCounts.of(["beta"] * 3))
    tally.renew(100, unread)
    assert (tally.statistics.holding("alpha"), tally.statistics.holding("beta")) == (100, 3)
    tally.add(TermCounts.of(["gamma"] * 10))
    assert tally.statistics.holding("gamma") == 0
    tally.renew(100, lambda: ["gamma"] * 100)
    assert (tally.statistics.holding("alpha"), tally.statistics.holding("gamma")) == (0, 100)
    again = Tally(tmp_path, is_writer=True)
    assert again.statistics.holding("gamma") == 100


def test_a_readers_tally_follows_the_writers(tmp_path: Path) -> None:
    reader = Tally(tmp_path, is_writer=False)
    assert reader.statistics.chunks == 0
    writer = Tally(tmp_path, is_writer=True)
    writer.add(TermCounts.of(["alpha"]))
    writer.renew(1, unread)
    assert reader.statistics.holding("alpha") == 1
    (tmp_path / "statistics.npz").unlink()
    assert reader.statistics.holding("alpha") == 1
