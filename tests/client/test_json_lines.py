"""Lines of the wire: what is a message, what is none, and how each fault is told."""

import tracemalloc

import anyio
import pytest
from anyio.streams.stapled import StapledByteStream

from naestro.client.json_lines import BadLine, LineReader, parse_message

pytestmark = pytest.mark.anyio


class Chunks:
    """A stream that gives prepared chunks, and counts nothing else."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = list(chunks)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if not self._chunks:
            raise anyio.EndOfStream
        return self._chunks.pop(0)

    async def send(self, item: bytes) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        self._chunks.clear()


def reader(*chunks: bytes, limit: int = 100) -> LineReader:
    stream = Chunks(*chunks)
    return LineReader(StapledByteStream(stream, stream), limit)  # pyright: ignore[reportArgumentType]


async def all_lines(lines: LineReader) -> list[object]:
    seen: list[object] = []
    while True:
        try:
            line = await lines.next()
        except BadLine as fault:
            seen.append((fault.error.code, fault.request_id))
            continue
        if line is None:
            return seen
        seen.append(line)


async def test_lines_come_whole_however_they_are_cut() -> None:
    assert await all_lines(reader(b"on", b"e\ntw", b"o\n", b"three\nfour\n")) == [
        b"one",
        b"two",
        b"three",
        b"four",
    ]


async def test_empty_lines_and_carriage_returns_are_passed_over() -> None:
    assert await all_lines(reader(b"\n\r\n  \none\r\n\n")) == [b"one"]


async def test_a_half_line_at_the_end_is_a_line() -> None:
    assert await all_lines(reader(b"one\nhal")) == [b"one", b"hal"]


async def test_a_line_over_the_limit_is_told_once_with_the_id_of_its_request() -> None:
    long = b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"text":"' + b"a" * 200
    assert await all_lines(reader(long, b"b" * 500, b'"}}\nnext\n')) == [(-32600, 7), b"next"]


async def test_the_id_of_a_line_that_is_too_long_is_never_taken_from_its_parameters() -> None:
    long = b'{"jsonrpc":"2.0","method":"x","params":{"id":7,"text":"' + b"a" * 200
    assert await all_lines(reader(long + b"\n")) == [(-32600, None)]


async def test_a_line_over_the_limit_that_comes_at_once_is_told_too() -> None:
    assert await all_lines(reader(b'{"id":"q",' + b" " * 200 + b"}\nnext\n")) == [(-32600, "q"), b"next"]


async def test_a_line_over_the_limit_that_never_ends_is_told_at_the_end() -> None:
    assert await all_lines(reader(b"x" * 150, b"y" * 150)) == [(-32600, None)]


async def test_a_line_of_exactly_the_limit_is_read() -> None:
    assert await all_lines(reader(b"x" * 100, b"\n")) == [b"x" * 100]


async def test_what_is_skipped_is_not_kept() -> None:
    lines = reader(*[b"x" * 10_000] * 1000, limit=20_000)
    tracemalloc.start()
    try:
        assert await all_lines(lines) == [(-32600, None)]
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("line", "code", "request_id"),
    [
        (b"garbage", -32700, None),
        (b"\xff\xfe\x00", -32700, None),
        (b'{"jsonrpc":"2.0","id":1', -32700, None),
        (b"[" * 100_000, -32700, None),
        (b'{"a": NaN, "b": "\\ud800"}', -32700, None),
        (b"[]", -32600, None),
        (b'[{"jsonrpc":"2.0","id":1,"method":"x"}]', -32600, None),
        (b"null", -32600, None),
        (b'"text"', -32600, None),
        (b"{}", -32600, None),
        (b'{"jsonrpc":"2.0","id":1}', -32600, 1),
        (b'{"jsonrpc":"2.0","id":1,"error":"no object"}', -32600, 1),
        (b'{"jsonrpc":"2.0","result":1}', -32600, None),
        (b'{"id":1,"method":"x"}', -32600, 1),
        (b'{"jsonrpc":"1.0","id":"a","method":"x"}', -32600, "a"),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"x"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":true,"method":"x"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":[1],"method":"x"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":{},"result":1}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":["x"]}', -32600, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}', -32602, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":"y"}', -32602, 1),
    ],
)
def test_what_is_no_message_is_told(line: bytes, code: int, request_id: object) -> None:
    with pytest.raises(BadLine) as caught:
        parse_message(line)
    assert (caught.value.error.code, caught.value.request_id) == (code, request_id)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{}}',
        b'{"jsonrpc":"2.0","id":null,"method":"x"}',
        b'{"jsonrpc":"2.0","method":"x","params":null}',
        b'{"id":1,"result":null}',
        b'{"jsonrpc":"2.0","id":"a","error":{"code":1,"message":"m"}}',
    ],
)
def test_what_is_a_message_is_taken_as_it_is(line: bytes) -> None:
    assert parse_message(line)


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    message = parse_message(b'{"jsonrpc":"2.0","method":"x","params":{"text":"a\\ud83d"}}')
    assert message["params"] == {"text": "a?"}
