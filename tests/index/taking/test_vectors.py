"""The cache of vectors: what was put in comes out, in bounds, whoever else uses the file and whatever befalls it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from naestro.index.taking.vectors import VectorCache, hash_of

DAY_S = 86_400


def unit(count: int, dimension: int = 8) -> np.ndarray:
    drawn = np.random.default_rng(count).normal(size=(count, dimension)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def hashes(*texts: object) -> list[str]:
    return [hash_of(str(text)) for text in texts]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[VectorCache]:
    made = VectorCache(tmp_path, "static", 8)
    yield made
    made.close()


def test_vectors_come_out_as_they_were_put_in(cache: VectorCache) -> None:
    names, vectors = hashes(*range(2_500)), unit(2_500)
    cache.put(names, vectors)
    found = cache.get([*names, *names, *hashes("unknown")])
    assert set(found) == set(names)
    for name, vector in zip(names, vectors, strict=True):
        assert found[name].dtype == np.float32
        assert np.allclose(found[name], vector, atol=1e-3)


def test_nothing_asked_and_nothing_put_is_nothing(cache: VectorCache) -> None:
    cache.put([], np.empty((0, 8), np.float32))
    assert cache.get([]) == {}
    assert cache.get(hashes("a")) == {}


def test_a_text_has_one_vector_however_often_it_is_put(cache: VectorCache) -> None:
    first, second = unit(2)
    cache.put(hashes("a"), first[None])
    cache.put(hashes("a", "a"), np.stack([second, second]))
    assert np.allclose(cache.get(hashes("a"))[hash_of("a")], first, atol=1e-3)


def test_equal_texts_have_equal_names_and_others_do_not() -> None:
    assert hash_of("a") == hash_of("a")
    assert len({hash_of(text) for text in ("a", "b", "", "\udcff")}) == 4
    assert len(hash_of("a")) == 32


def test_each_embedder_and_dimension_has_a_file_of_its_own(tmp_path: Path) -> None:
    kinds = [("static", 8), ("static", 4), ("a/b", 8), ("a b", 8), ("../../up", 8), ("x" * 300, 8)]
    caches = [VectorCache(tmp_path, name, dimension) for name, dimension in kinds]
    assert len({cache.file for cache in caches}) == len(kinds)
    assert {cache.file.parent for cache in caches} == {tmp_path}
    caches[0].put(hashes("a"), unit(1))
    assert [len(cache.get(hashes("a"))) for cache in caches] == [1, 0, 0, 0, 0, 0]
    for cache in caches:
        cache.close()


def test_what_was_used_longest_ago_goes_when_there_is_too_much(tmp_path: Path) -> None:
    days = [0]
    cache = VectorCache(
        tmp_path, "static", 256, size_limit_bytes=1_500_000, clock=lambda: float(days[0] * DAY_S)
    )
    cache.put(hashes("first", "unused"), unit(2, 256))
    for day in range(1, 11):
        days[0] = day
        assert hash_of("first") in cache.get(hashes("first"))
        cache.put(hashes(*(f"{day}.{n}" for n in range(400))), unit(400, 256))
    assert set(cache.get(hashes("first", "unused", "1.0", "10.0"))) == {*hashes("first", "10.0")}
    cache.close()
    assert cache.file.stat().st_size < 3_000_000


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, "static", 8)
    cache.put(hashes(*range(3_000)), unit(3_000))
    cache.close()
    cache.file.write_bytes(b"no database" * 1_000)
    again = VectorCache(tmp_path, "static", 8)
    assert again.get(hashes(1)) == {}
    again.put(hashes(1), unit(1))
    assert len(again.get(hashes(1))) == 1
    again.close()


def test_a_file_damaged_within_is_begun_anew_when_that_is_met(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, "static", 8)
    cache.put(hashes(*range(6_000)), unit(6_000))
    cache.close()
    whole = cache.file.read_bytes()
    cache.file.write_bytes(whole[:16_384] + os.urandom(len(whole) - 16_384))
    again = VectorCache(tmp_path, "static", 8)
    assert again.get(hashes(*range(6_000))) == {}
    again.put(hashes("new"), unit(1))
    assert len(again.get(hashes("new"))) == 1
    again.close()


def test_a_vector_of_another_length_is_none(cache: VectorCache) -> None:
    cache.put(hashes("a"), unit(1, 4))
    assert cache.get(hashes("a")) == {}


def test_a_file_that_cannot_be_written_now_holds_nothing(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, "static", 8)
    cache.put(hashes("a"), unit(1))
    cache._held._connection.execute("PRAGMA query_only = ON")
    cache.put(hashes("b"), unit(1))
    assert len(cache.get(hashes("a", "b"))) == 1
    cache.close()


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    import sqlite3

    with pytest.raises(sqlite3.OperationalError):
        VectorCache(tmp_path / "none", "static", 8)


PUTS = """
import sys
from pathlib import Path
import numpy as np
from naestro.index.taking.vectors import VectorCache, hash_of
cache = VectorCache(Path(sys.argv[1]), "static", 8)
mine = int(sys.argv[2])
for turn in range(40):
    names = [hash_of(f"{turn}.{n}") for n in range(50)] + [hash_of(f"own {mine} {turn}")]
    cache.put(names, np.full((51, 8), 0.25, np.float32))
    assert len(cache.get(names)) == 51
cache.close()
"""


def test_several_processes_use_one_file(tmp_path: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", PUTS, str(tmp_path), str(mine)], stderr=subprocess.PIPE)
        for mine in range(3)
    ]
    said = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    cache = VectorCache(tmp_path, "static", 8)
    assert len(cache.get(hashes(*(f"own {mine} {turn}" for mine in range(3) for turn in range(40))))) == 120
    cache.close()
