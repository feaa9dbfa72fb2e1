"""How a stream is read when the network delivers it in pieces of exactly these sizes."""

from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest

from naestro.engines.openai_answer import Source
from naestro.engines.openai_stream import Deadlines, OpenAIStream
from naestro.errors import EngineMalformed

pytestmark = pytest.mark.anyio

TEXT = b'data: {"choices":[{"delta":{"content":"yes"}}]}\n\n'
FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
LATE = b'data: {"choices":[{"delta":{"content":"too late"}}]}\n\n'


def stream_of(*parts: bytes) -> OpenAIStream:
    """A stream whose network delivers `parts`."""

    async def network() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    deadlines = Deadlines(anyio.current_time() + 10, anyio.current_time() + 10, 10, 10)
    response = httpx2.Response(200, content=network())
    return OpenAIStream(response, Source("tiny", "http://h", ""), deadlines, max_bytes=10_000)


async def text_of(*parts: bytes) -> str:
    """The answer's text where the network delivers `parts`."""
    stream = stream_of(*parts)
    seen = [piece async for piece in stream]
    await stream.aclose()
    assert "".join(seen) == stream.completion().text
    return stream.completion().text


async def test_all_may_come_at_once() -> None:
    assert await text_of(TEXT + FINISH + DONE) == "yes"


async def test_it_may_come_byte_by_byte() -> None:
    whole = TEXT + TEXT + FINISH + DONE
    assert await text_of(*(whole[at : at + 1] for at in range(len(whole)))) == "yesyes"


async def test_what_comes_after_done_in_the_same_piece_is_no_part_of_the_answer() -> None:
    assert await text_of(TEXT, FINISH + DONE + LATE) == "yes"


async def test_what_comes_after_done_in_a_later_piece_is_no_part_of_the_answer() -> None:
    assert await text_of(TEXT, FINISH, DONE, LATE, DONE) == "yes"


async def test_what_came_but_was_not_seen_yet_makes_no_completion() -> None:
    stream = stream_of(TEXT + TEXT + FINISH + DONE)
    assert await anext(stream) == "yes"
    with pytest.raises(EngineMalformed, match="not whole"):
        stream.completion()
    assert await anext(stream) == "yes"
    assert stream.completion().text == "yesyes"
