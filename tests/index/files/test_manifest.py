"""The manifest says what can be found, also after a crash, and to several processes at once."""

import sqlite3
from pathlib import Path

import pytest

from naestro.index.files.manifest import Counts, FileEntry, FileRecord, Manifest
from naestro.index.files.manifest_file import ManifestDamaged
from naestro.index.files.walk import Stamp
from naestro.index.parsing.parsed import Definition, Import

STAMP = Stamp(10, 20, 30, 40)


def entry(path: str, *, skipped: str = "", chunks: int = 1) -> FileEntry:
    record = FileRecord(path, STAMP, True, b"h" * 16, "python", 0 if skipped else chunks, skipped)
    if skipped:
        return FileEntry(record)
    definitions = [
        Definition("append", "Journal.append", "method", 3, 9, "def append(self, event)"),
        Definition("Journal", "Journal", "class", 1, 9, "class Journal:"),
    ]
    return FileEntry(record, definitions, {"event": [4, 5], "write": [6]}, [Import("naestro.types", 1)])


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(tmp_path / "manifest.sqlite", is_writer=True)


def test_what_is_committed_is_there_with_its_names(manifest: Manifest) -> None:
    manifest.commit([entry("b.py"), entry("a.py", chunks=3), entry("c.png", skipped="binary")])
    assert manifest.paths() == ["a.py", "b.py"]
    assert manifest.counts() == Counts(files=2, chunks=4, skipped=1)
    assert manifest.reasons() == {"binary": 1}
    assert manifest.record("a.py") == entry("a.py", chunks=3).record
    assert manifest.record("none.py") is None
    assert {record.path for record in manifest.records()} == {"a.py", "b.py", "c.png"}
    assert [path for path, _ in manifest.names.named("APPEND")] == ["a.py", "b.py"]
    assert [one.name for _, one in manifest.names.like("Jour%", 1)] == ["Journal"]
    assert [one.name for one in manifest.names.defined_in("a.py")] == ["Journal", "append"]
    assert manifest.names.using("event") == [("a.py", [4, 5]), ("b.py", [4, 5])]
    assert manifest.names.using("even") == []
    assert [names.path for names in manifest.names.all()] == ["a.py", "b.py"]
    found = manifest.names.of("a.py")
    assert found is not None
    assert (found.language, found.imports, len(found.definitions)) == (
        "python",
        [Import("naestro.types", 1)],
        2,
    )
    assert manifest.names.of("c.png") is None


def test_a_file_that_is_committed_again_replaces_itself(manifest: Manifest) -> None:
    manifest.commit([entry("a.py")])
    manifest.commit([entry("a.py", chunks=2)])
    assert manifest.counts() == Counts(1, 2, 0)
    assert len(manifest.names.named("append")) == 1


def test_a_file_that_is_gone_leaves_no_name_behind(manifest: Manifest) -> None:
    manifest.commit([entry("a/b.py"), entry("a0.py")], is_waiting=True)
    assert manifest.holds_below("a")
    manifest.commit([], ["a/b.py"])
    assert not manifest.holds_below("a")
    assert [path for path, _ in manifest.names.named("append")] == ["a0.py"]
    assert manifest.waiting(9) == ["a0.py"]


def test_what_was_begun_stays_pending_until_it_is_committed(manifest: Manifest) -> None:
    manifest.begin(["a.py", "b.py"])
    manifest.begin(["a.py"])
    assert manifest.pending() == {"a.py", "b.py"}
    manifest.commit([entry("a.py")])
    assert manifest.pending() == {"b.py"}
    manifest.commit([], ["b.py"])
    assert manifest.pending() == set()


def test_files_wait_for_their_vectors_until_they_have_them(manifest: Manifest) -> None:
    manifest.commit([entry("a.py"), entry("b.py", chunks=0), entry("c.py")], is_waiting=True)
    assert manifest.waiting(1) == ["a.py"]
    manifest.begin(["a.py"])
    manifest.embedded(["a.py"])
    assert manifest.waiting(9) == ["c.py"]
    assert manifest.pending() == set()


def test_new_stamps_change_nothing_else(manifest: Manifest) -> None:
    manifest.commit([entry("a.py")])
    new = FileRecord("a.py", Stamp(1, 2, 3, 4), False, b"h" * 16, "python", 1)
    manifest.restamp([new])
    assert manifest.record("a.py") == new
    assert manifest.counts() == Counts(1, 1, 0)


def test_a_reader_in_another_process_sees_what_the_writer_wrote_since(tmp_path: Path) -> None:
    writer = Manifest(tmp_path / "manifest.sqlite", is_writer=True)
    reader = Manifest(tmp_path / "manifest.sqlite", is_writer=False)
    writer.commit([entry("a.py")])
    writer.note(updated="now")
    assert reader.paths() == ["a.py"]
    assert reader.fact("updated") == "now"
    assert reader.fact("never") == ""
    with pytest.raises(sqlite3.Error):
        reader.begin(["b.py"])
    writer.checkpoint()
    reader.checkpoint()
    reader.close()
    reader.close()
    with pytest.raises(sqlite3.Error):
        reader.paths()
    writer.close()


def test_a_write_that_fails_leaves_nothing_of_itself(manifest: Manifest) -> None:
    manifest.commit([entry("a.py")])
    wrong = FileEntry(FileRecord("b.py", STAMP, True, None))  # type: ignore[arg-type] - what the table refuses
    with pytest.raises(sqlite3.Error):
        manifest.commit([entry("c.py"), wrong], ["a.py"])
    assert manifest.paths() == ["a.py"]


@pytest.mark.parametrize(
    "content", [b"no database, whatever it is called", b"", b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_what_is_no_manifest_is_said_to_be_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.sqlite"
    path.write_bytes(content)
    with pytest.raises(ManifestDamaged):
        Manifest(path, is_writer=False)
    if content:
        with pytest.raises(ManifestDamaged):
            Manifest(path, is_writer=True)


def test_a_manifest_of_another_format_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest.sqlite"
    manifest = Manifest(path, is_writer=True)
    manifest.note(format="0")
    manifest.close()
    with pytest.raises(ManifestDamaged, match="format"):
        Manifest(path, is_writer=True)


def test_a_reader_of_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(ManifestDamaged):
        Manifest(tmp_path / "none.sqlite", is_writer=False)
