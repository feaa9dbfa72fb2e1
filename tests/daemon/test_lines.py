"""Lines of JSON-RPC as the relay reads them, and what it remembers of them."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naestro.relay.lines import HOLD_BYTES, OUTLINE_BYTES, Lines, Outline, Piece, read_message
from naestro.relay.memory import Memory, error_line

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _outlined(line: bytes, size: int) -> bytes:
    outline = Outline()
    for start in range(0, len(line), size):
        outline.feed(line[start : start + size])
    return bytes(outline.text)


@given(value=st.dictionaries(st.text(), JSON, max_size=6), size=st.integers(1, 40), is_ascii=st.booleans())
def test_an_outline_is_the_object_with_a_zero_for_each_inner_one(
    value: dict[str, Any], size: int, is_ascii: bool
) -> None:
    line = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    expected = {name: 0 if isinstance(inner, dict | list) else inner for name, inner in value.items()}
    assert json.loads(_outlined(line, size).decode("utf-8", "surrogatepass")) == expected


def test_an_outline_is_bounded() -> None:
    long = json.dumps({"text": "x" * 10_000, "id": 7, **{f"key {number}": 1 for number in range(20_000)}})
    text = _outlined(long.encode(), 1000)
    assert len(text) < OUTLINE_BYTES + 10_000
    assert text.startswith(b'{"text": "", "id": 7')


def _line(size: int, **fields: Any) -> bytes:
    return json.dumps({"params": {"text": "x" * size, "id": 1}, **fields}).encode() + b"\n"


def test_short_lines_come_whole_and_long_ones_in_pieces() -> None:
    lines = Lines()
    short, long = _line(10, id=1, method="a"), _line(2 * HOLD_BYTES, id="b", method="c")
    stream = short + long + short
    pieces = [
        piece for start in range(0, len(stream), 65536) for piece in lines.feed(stream[start : start + 65536])
    ]
    assert b"".join(piece.data for piece in pieces) == stream
    assert pieces[0].is_whole
    assert not lines.is_in_pieces
    ends = [piece.message for piece in pieces if piece.is_end]
    assert [(end.id, end.method) for end in ends if end] == [("1", "a"), ('"b"', "c"), ("1", "a")]
    assert max(len(piece.data) for piece in pieces) < HOLD_BYTES + 2 * 65536


@pytest.mark.parametrize(
    "line", [b"\xff\n", b"[1]\n", b"{\n", b'{"a": nul}\n', b"\n", b"[" * 100_000 + b"\n"]
)
def test_what_is_no_object_says_nothing(line: bytes) -> None:
    assert read_message(line) is None


def test_what_is_no_object_says_nothing_without_the_package_json_too() -> None:
    code = (
        "from naestro.relay.lines import read_message\n"
        "print([read_message(line) for line in (b'{', b'{]', b'[1', b'{\"a\": 1e', b'\"')])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[None, None, None, None, None]\n"


def test_ids_are_kept_as_they_are_written() -> None:
    ids = [1, "1", -3, 1.5, 'a"b', None, True]
    read = [read_message(json.dumps({"id": value}).encode()) for value in ids]
    assert [message.id for message in read if message] == ["1", '"1"', "-3", "1.5", '"a\\"b"', "null", "null"]


def _piece(**fields: Any) -> Piece:
    (piece,) = Lines().feed(json.dumps({"jsonrpc": "2.0", **fields}).encode() + b"\n")
    return piece


def test_a_new_id_is_none_of_those_that_are_void() -> None:
    memory = Memory()
    for request in (3, "naestro-0-3"):
        memory.from_daemon(_piece(id=request, method="ask"))
    memory.lose_daemon()
    asked = json.loads(memory.from_daemon(_piece(id=3, method="ask")))
    assert asked["id"] not in {3, "naestro-0-3"}
    assert json.loads(memory.from_editor(_piece(id=asked["id"], result=1)))["id"] == 3
    assert memory.from_editor(_piece(id=3, result=1)) == b""
    assert json.loads(memory.from_editor(_piece(id=3, result=1)))["id"] == 3


def test_a_renamed_question_of_a_lost_daemon_is_void_under_its_new_name() -> None:
    memory = Memory()
    memory.from_daemon(_piece(id=3, method="ask"))
    memory.lose_daemon()
    asked = json.loads(memory.from_daemon(_piece(id=3, method="ask")))
    memory.lose_daemon()
    assert memory.from_editor(_piece(id=asked["id"], result=1)) == b""
    assert memory.from_editor(_piece(id=3, result=1)) == b""


def test_an_initialize_that_failed_is_not_said_again() -> None:
    memory = Memory()
    memory.from_editor(_piece(id=0, method="initialize"))
    assert memory.is_opening
    assert memory.close_open(but_initialize=True) == []
    assert memory.close_open(but_initialize=False) == [("0", None)]
    assert (memory.initialize, memory.is_opening) == (b"", False)


def test_an_error_names_the_run() -> None:
    error = json.loads(error_line('"a"', 'It "failed".', "Try.", "01RUN"))
    assert error["id"] == "a"
    assert error["error"]["message"] == 'It "failed".'
    assert error["error"]["data"] == {"run": "01RUN", "hint": "Try."}
