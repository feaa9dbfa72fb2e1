"""The file of records: what was written is read, another table's is not, and nothing damaged is believed."""

from pathlib import Path

import pytest

from naestro.index.storage.records import FILE, Records

TABLE = "a" * 32


@pytest.fixture
def records(tmp_path: Path) -> Records:
    made = Records(tmp_path)
    made.begin(TABLE)
    made.write((key, bytes([key]) * key, bytes([key]) * 5) for key in (9, 3, 200))
    return made


def test_what_was_written_is_read_by_its_number(records: Records) -> None:
    assert records.read([200, 3, 4, 1 << 62]) == {200: b"\xc8" * 200, 3: b"\x03" * 3}
    assert records.lines([200, 3, 4, 1 << 62]) == {200: b"\xc8" * 5, 3: b"\x03" * 5}


def test_where_nothing_was_written_nothing_is_read(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.begin(TABLE)
    assert records.read([1]) == {}
    records.write([])
    assert records.read([1]) == {}


def test_another_process_sees_what_was_written_since(records: Records, tmp_path: Path) -> None:
    other = Records(tmp_path)
    other.begin(TABLE)
    assert other.read([3])
    records.write([(4, b"new", b"")])
    assert other.read([3, 4]) == {4: b"new"}


def test_the_file_of_another_table_is_not_read(records: Records, tmp_path: Path) -> None:
    other = Records(tmp_path)
    other.begin("b" * 32)
    assert other.read([3]) == {}


@pytest.mark.parametrize("kept", [0, 10, 100, -1])
def test_a_file_that_is_not_whole_is_not_read(records: Records, tmp_path: Path, kept: int) -> None:
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:kept])
    other = Records(tmp_path)
    other.begin(TABLE)
    assert other.read([3]) == {}


def test_a_record_with_a_changed_bit_is_never_believed(records: Records, tmp_path: Path) -> None:
    whole = (tmp_path / FILE).read_bytes()
    right, lines = records.read([3, 9, 200]), records.lines([3, 9, 200])
    for at in range(len(whole)):
        (tmp_path / FILE).unlink()
        (tmp_path / FILE).write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        other = Records(tmp_path)
        other.begin(TABLE)
        assert other.read([3, 9, 200]).items() <= right.items()
        assert other.lines([3, 9, 200]).items() <= lines.items()
        assert other.read([7]) == {}
