"""The cache of what files were taken apart to: what comes out of it is what parsing gives."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from naestro.index.embed.static import static_embedder
from naestro.index.files.walk import Stamp
from naestro.index.taking.parts import FILE, LAYOUT, PartsCache
from naestro.index.taking.taken import Batch, Taken, TakenChunk, Task
from naestro.index.taking.taking import Taker
from naestro.index.taking.vectors import VectorCache

SAMPLES = Path(__file__).parents[1] / "samples"
NO_STAMP = Stamp(0, 0, 0, 0)
SAID = {1: "257d928691e0eed5"}
"""What the samples are taken apart to, by LAYOUT."""


def tasks_of(root: Path) -> list[Task]:
    return [Task(file.name, NO_STAMP, b"") for file in sorted(root.iterdir()) if file.is_file()]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[PartsCache]:
    with closing(PartsCache(tmp_path)) as opened:
        yield opened


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "a.py").write_text("def alpha(beta):\n    return beta + gamma\n")
    (folder / "b.md").write_text("# Title\n\nSome words.\n")
    return folder


def as_known(batch: Batch) -> Batch:
    """The batch as one whose vectors were made before."""
    chunks = {
        file.path: [TakenChunk(one.chunk, one.prepared, one.hash) for one in file.chunks]
        for file in batch.files
    }
    files = [Taken(file.path, file.entry, chunks[file.path]) for file in batch.files]
    return msgspec.structs.replace(batch, files=files)


def test_files_of_every_language_come_out_as_parsing_gives_them(tmp_path: Path, cache: PartsCache) -> None:
    parsed = Taker(SAMPLES).take(tasks_of(SAMPLES))
    taker = Taker(SAMPLES, parts=cache)
    taker.take(tasks_of(SAMPLES))
    taker.keep()
    found, left = taker.known(tasks_of(SAMPLES))
    assert left == []
    assert len(found.files) > 20
    assert found.terms == 0  # not counted
    assert (found.files, found.vectors) == (parsed.files, parsed.vectors)
    assert Taker(SAMPLES, parts=cache).take(tasks_of(SAMPLES)) == parsed


def test_what_a_file_is_taken_apart_to_changes_with_the_layout_only() -> None:
    """Where this fails after a change of parsing or of terms that is wanted: raise LAYOUT, and put the new sum here."""
    batch = Taker(SAMPLES).take(tasks_of(SAMPLES))
    entries = [
        (file.path, file.entry.definitions, file.entry.references, file.entry.imports)
        for file in batch.files
        if file.entry
    ]
    said = msgspec.msgpack.encode([entries, batch.chunks], order="sorted")
    assert {LAYOUT: sha256(said).hexdigest()[:16]} == SAID


def test_vectors_of_known_files_are_made_where_they_are_missing(
    tmp_path: Path, root: Path, cache: PartsCache
) -> None:
    embedder = static_embedder()
    with closing(VectorCache(tmp_path, embedder.name, embedder.dimension)) as vectors:
        taker = Taker(root, embedder, vectors, cache)
        first = taker.take(tasks_of(root))
        taker.keep()
        again, _ = taker.known(tasks_of(root))
        assert (again.files, again.vectors) == (first.files, first.vectors)
        matrix = first.matrix()
        assert matrix is not None
        vectors.put([chunk.hash for chunk in first.chunks], matrix)
        known, _ = taker.known(tasks_of(root))
        assert known.files == as_known(first).files


def test_another_content_and_another_path_are_not_known(root: Path, cache: PartsCache) -> None:
    taker = Taker(root, parts=cache)
    taker.take(tasks_of(root))
    taker.keep()
    (root / "a.py").rename(root / "c.py")
    (root / "b.md").write_text("# Title\n\nOther words.\n")
    (root / "d.bin").write_bytes(b"\0")
    batch, left = taker.known([*tasks_of(root), Task("gone", NO_STAMP, b"")])
    assert [task.path for task in left] == ["b.md", "c.py"]
    assert [(file.path, file.entry is None) for file in batch.files] == [("d.bin", False), ("gone", True)]


def test_what_cannot_be_read_is_parsed_again(tmp_path: Path, root: Path) -> None:
    with closing(PartsCache(tmp_path)) as cache:
        taker = Taker(root, parts=cache)
        first = taker.take(tasks_of(root))
        taker.keep()
        cache._held._connection.execute("UPDATE held SET value = substr(value, 2)")
        cache._held._connection.commit()
        assert taker.known(tasks_of(root))[1] == tasks_of(root)
        assert taker.take(tasks_of(root)) == first
    (tmp_path / FILE).write_bytes(b"no database" * 1_000)
    with closing(PartsCache(tmp_path)) as cache:
        taker = Taker(root, parts=cache)
        assert taker.take(tasks_of(root)) == first
        taker.keep()
        assert taker.known(tasks_of(root))[1] == []


def test_a_cache_that_is_closed_knows_nothing_and_keeps_its_file(tmp_path: Path, root: Path) -> None:
    with closing(PartsCache(tmp_path)) as cache:
        taker = Taker(root, parts=cache)
        first = taker.take(tasks_of(root))
        taker.keep()
    assert taker.take(tasks_of(root)) == first
    taker.keep()
    with closing(PartsCache(tmp_path)) as cache:
        assert Taker(root, parts=cache).known(tasks_of(root))[1] == []
