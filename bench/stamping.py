"""`python -m bench.stamping`: an engine whose every token is the time at which it was written to the socket.

Times are nanoseconds of the monotonic clock, which all processes share. It prints its base URL and serves until its
standard input closes.
"""

import sys
import time

import anyio
import anyio.to_thread
from anyio.abc import ByteStream, SocketAttribute

from tests.support.answers import Answer
from tests.support.http11 import GONE, HttpConnection
from tests.support.playing import WHOLE_DONE, Chunks, Prompt

TOKEN_S = 0.012
"""The pace of smollm2-135m on one core: 82 tokens a second."""
TOKENS = 200
"""Fewer than a proposal may have, so that none is cut."""
MODELS = b'{"object":"list","data":[{"id":"scripted","object":"model"}]}'
PROMPT = Prompt(
    tokens=100, cached=0, stop=[], max_tokens=None, is_progress_wanted=False, is_usage_wanted=True
)


async def answer(stream: ByteStream) -> None:
    """Serve one connection."""
    connection = HttpConnection(stream)
    chunks = Chunks(Answer(), PROMPT)
    async with stream:
        while (request := await connection.read_request()) is not None:
            if not request.path.endswith("/chat/completions"):
                await connection.send_whole(200, {}, MODELS)
                continue
            try:
                await play(connection, chunks)
            except GONE:
                return


async def play(connection: HttpConnection, chunks: Chunks) -> None:
    """One answer of stamped tokens at an even pace."""
    await connection.send_stream_head({})
    for _ in range(TOKENS):
        await anyio.sleep(TOKEN_S)
        await connection.send_chunk(chunks.delta({"content": f" {time.monotonic_ns()}"}))
    for last in (chunks.delta({}, "stop"), chunks.usage(TOKENS), WHOLE_DONE, b""):
        await connection.send_chunk(last)


async def main() -> None:
    """Serve until standard input closes."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        print(f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/v1", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main)
