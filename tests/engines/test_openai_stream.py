"""How a stream is read when the network delivers it in pieces of exactly these sizes."""

from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest

from naestro.engines.openai_answer import Source
from naestro.engines.openai_stream import Deadlines, OpenAIStream

pytestmark = pytest.mark.anyio

TEXT = b'data: {"choices":[{"delta":{"content":"yes"}}]}\n\n'
FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
LATE = b'data: {"choices":[{"delta":{"content":"too late"}}]}\n\n'


async def text_of(*parts: bytes) -> str:
    """The answer's text where the network delivers `parts`."""

    async def network() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    deadlines = Deadlines(anyio.current_time() + 10, anyio.current_time() + 10, 10, 10)
    response = httpx2.Response(200, content=network())
    stream = OpenAIStream(response, Source("tiny", "http://h", ""), deadlines, max_bytes=10_000)
    seen = [piece async for piece in stream]
    await stream.aclose()
    assert response.is_closed
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
