"""What a file says, and how a changed text is written back in the file's own form."""

import codecs
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naestro.errors import PatchConflict
from naestro.policy.text import BinaryContent, TextFile, decode, encode_like, raw_text

LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=6), max_size=8)
ENDINGS = st.sampled_from(["\n", "\r\n"])


def read(data: bytes) -> TextFile:
    return decode("a.txt", data, 0o644)


def test_a_plain_file_is_utf_8_with_newlines() -> None:
    file = read("größe\nzwei\n".encode())
    assert (file.text, file.encoding, file.bom, file.newline) == ("größe\nzwei\n", "utf-8", b"", "\n")
    assert file.lines == ["größe", "zwei"]
    assert file.has_final_newline
    assert file.size_bytes == len("größe\nzwei\n".encode())
    assert file.sha256 == hashlib.sha256("größe\nzwei\n".encode()).hexdigest()


def test_an_empty_file_has_no_line_and_misses_no_newline() -> None:
    file = read(b"")
    assert file.lines == []
    assert file.has_final_newline


def test_a_file_without_a_final_newline_says_so() -> None:
    assert not read(b"a\nb").has_final_newline


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_the_byte_order_mark_and_the_encoding_are_kept(bom: bytes, encoding: str) -> None:
    file = read(bom + "eins\r\nä\r\n".encode(encoding))
    assert file.text == "eins\nä\n"
    assert (file.bom, file.encoding, file.newline) == (bom, encoding, "\r\n")
    assert encode_like(file, "eins\nö\n") == bom + "eins\r\nö\r\n".encode(encoding)


def test_bytes_that_are_no_utf_8_are_read_as_latin_1_and_written_back_so() -> None:
    file = read(b"caf\xe9\n")
    assert (file.text, file.encoding) == ("café\n", "latin-1")
    assert encode_like(file, "thé\n") == b"th\xe9\n"


@pytest.mark.parametrize(
    "data",
    [
        b"a\0b",
        b"\xff\xfe\x00\x00a\0\0\0",
        b"\xfe\xff\xd8\x00",
        b"\xef\xbb\xbf\xff",
        b"\x89PNG\x01\xff",
        b"\xff\x00",
    ],
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(BinaryContent):
        read(data)


def test_a_line_that_stays_keeps_its_ending_and_a_new_one_takes_that_of_most() -> None:
    file = read(b"one\r\ntwo\nthree\r\nfour\r\n")
    assert file.newline == "\r\n"
    assert encode_like(file, "one\ntwo\nnew\nthree\nfour\n") == b"one\r\ntwo\nnew\r\nthree\r\nfour\r\n"


def test_a_lone_carriage_return_is_part_of_its_line() -> None:
    file = read(b"a\rb\n\r\r\n")
    assert file.text == "a\rb\n\r\n"
    assert encode_like(file, file.text) == b"a\rb\n\r\r\n"


def test_a_new_file_is_utf_8_with_newlines() -> None:
    assert encode_like(None, "ä\n") == "ä\n".encode()


def test_a_text_that_the_encoding_cannot_say_is_refused_by_name() -> None:
    with pytest.raises(PatchConflict, match=r"a\.txt is kept in latin-1, which cannot say '€'"):
        encode_like(read(b"caf\xe9\n"), "5 €\n")
    with pytest.raises(PatchConflict, match="the new file is kept in utf-8"):
        encode_like(None, "\ud800")


@given(LINES, st.data())
def test_any_text_is_written_back_byte_for_byte(lines: list[str], data: st.DataObject) -> None:
    endings = data.draw(st.lists(ENDINGS, min_size=len(lines), max_size=len(lines)))
    raw = "".join(line + ending for line, ending in zip(lines, endings, strict=True))
    raw += data.draw(st.sampled_from(["", "end"]))
    bom = data.draw(st.sampled_from([b"", codecs.BOM_UTF8]))
    whole = bom + raw.encode()
    file = read(whole)
    assert encode_like(file, file.text) == whole
    assert raw_text(file) == whole[len(file.bom) :].decode()


@given(st.binary(max_size=40))
def test_any_bytes_are_either_refused_or_written_back_as_they_were(data: bytes) -> None:
    try:
        file = read(data)
    except BinaryContent:
        return
    assert encode_like(file, file.text) == data
