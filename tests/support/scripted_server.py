"""A scripted engine: a server that speaks real HTTP/1.1 and server-sent events on loopback and answers as told.

It stands in for vLLM, TensorRT-LLM, llama.cpp's server and cloud APIs in tests, so nothing of our own is mocked. It
runs in a thread of its own, so that it works for sync and async tests alike, and as a program for tests that kill
processes.

In a test (fixture `scripted_server`, a fresh one for each test)::

    def test_x(scripted_server):
        scripted_server.otherwise("Hello there.")                    # what no rule answers
        scripted_server.when("Judge the candidates", say_json({"winner": "A"}))   # last message contains it
        scripted_server.when(lambda request: request.body["seed"] == 7, "Lucky.")  # any condition
        scripted_server.when("critic", lambda request: say_json({"findings": [request.number]}))  # any function
        scripted_server.then(words_of("vllm", "busy"), "It works.")  # the next requests, before any rule
        ... OpenAI base URL: scripted_server.base_url ...
        assert [request.last for request in scripted_server.chats] == ["..."]

An answer is a string or an `Answer` (`tests.support.answers`: say, say_json, say_tokens, call_tool, fail, words_of),
or a function from `Received` to one of these. Order: `then` answers first, then the rules (the newest rule first),
then `otherwise`. Rules are tried on the last message, where a council's role instruction stands (adjacent messages of
the user arrive as one, as the adapter merges them); for a condition on anything else give a function.

Faults: `say_tokens(9, stall_after=3)`, `cut_after`, `error_after`, `garbage_after`, `first_token_delay_s`,
`token_delay_s`, `is_deaf=True`, `ends="cut"`, `sends_done=False`, `fail(429, retry_after_s=1)`,
`words_of("llama.cpp", "context too long")`.

What came in: `requests` (all), `chats` (chat completions only), each a `Received` with `body`, `messages`, `last`,
`headers`, `number`, `pieces_sent` and `outcome` ("open", "answered", "cut", "hung up"). Wait for something with
`await server.until(lambda: server.chats[0].outcome == "hung up")` or, in a sync test, `server.wait_until(...)`.
`server.release()` lets stalled answers go on, those that come later too. `server.peak_open` is the largest number of
chats open at once.

Cached tokens: like a prefix cache, `usage.prompt_tokens_details.cached_tokens` counts the words that a prompt's start
shares with the start of an earlier one, unless the answer sets it.

As a program: `python -m tests.support.scripted_server [--port N] [--rules FILE] [--text TEXT]` prints its base URL
on one line and serves until its standard input closes. FILE is JSON: `[{"contains": "...", "answer": {Answer}}]`,
the first that fits answers; an empty `contains` fits all.
"""

import sys
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.from_thread
import msgspec
from anyio.abc import ByteStream, SocketAttribute, TaskStatus

from tests.support.answers import Answer, fail, say
from tests.support.http11 import GONE, HttpConnection
from tests.support.playing import WHOLE_DONE, Cut, Pause, Prompt, play, whole
from tests.support.request_log import Received, RequestLog

PAGES = {
    "/health": Answer(body='{"status":"ok"}'),
    "/models": Answer(body='{"object":"list","data":[{"id":"scripted","object":"model"}]}'),
    "/metrics": Answer(body="llamacpp:requests_processing 1\n", headers={"content-type": "text/plain"}),
}


Told = str | Answer
Teller = Told | Callable[[Received], Told]
Condition = str | Callable[[Received], bool]


class Script:
    """Which answer a request gets."""

    def __init__(self) -> None:
        self.queue: deque[Teller] = deque()
        self.rules: list[tuple[Condition, Teller]] = []
        self.default: Teller = "ok"

    def answer(self, request: Received) -> Answer:
        """The answer to `request`."""
        teller = self._teller(request)
        told = teller(request) if callable(teller) else teller
        return say(told) if isinstance(told, str) else told

    def _teller(self, request: Received) -> Teller:
        if self.queue:
            return self.queue.popleft()
        for condition, teller in reversed(self.rules):
            if condition(request) if callable(condition) else condition in request.last:
                return teller
        return self.default


class ScriptedServer(RequestLog):
    """The server; a context manager that runs it in a thread of its own."""

    def __init__(self, *, port: int = 0) -> None:
        super().__init__()
        self.port = port
        """0 until it runs, unless given."""
        self.pages = dict(PAGES)
        """What other requests get, by the end of their path; change it in a test."""
        self._script = Script()
        self._seen_prompts: list[list[str]] = []
        self._cleanup = ExitStack()

    # -- telling it what to answer

    def when(self, condition: Condition, answer: Teller) -> None:
        """Answer so where the last message contains `condition`, or where it is a function that says True."""
        self._script.rules.append((condition, answer))

    def then(self, *answers: Teller) -> None:
        """Answer the next chat completions so, in this order, before any rule."""
        self._script.queue.extend(answers)

    def otherwise(self, answer: Teller) -> None:
        """Answer so where no rule fits; `ok` until told."""
        self._script.default = answer

    def release(self) -> None:
        """Let every stalled answer go on; from now on none stalls, so it does not matter which came to it first."""
        self._portal.call(self._released.set)

    # -- looking at what came in

    @property
    def base_url(self) -> str:
        """The address for an OpenAI client."""
        return f"http://127.0.0.1:{self.port}/v1"

    # -- running

    def __enter__(self) -> Self:
        self._portal = self._cleanup.enter_context(anyio.from_thread.start_blocking_portal())
        self._serving, self.port = self._portal.start_task(self._serve)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the socket and every connection; may be called twice."""
        self._serving.cancel()
        self._cleanup.close()

    async def _serve(self, *, task_status: TaskStatus[int]) -> None:
        self._released = anyio.Event()
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self.port)
        async with listener:
            task_status.started(listener.extra(SocketAttribute.local_port))
            await listener.serve(self._connection)

    async def _connection(self, stream: ByteStream) -> None:
        self.note_connection(1)
        connection = HttpConnection(stream)
        async with stream:
            while (request := await connection.read_request()) is not None:
                received = self.note(request)
                await self._answer(connection, received)
        self.note_connection(-1)

    async def _answer(self, connection: HttpConnection, received: Received) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, connection, received, tasks.cancel_scope)
            try:
                await self._respond(connection, received)
            except GONE:
                self.settle(received, "hung up")
            tasks.cancel_scope.cancel()

    async def _watch(self, connection: HttpConnection, received: Received, scope: anyio.CancelScope) -> None:
        await connection.wait_for_hang_up()
        self.settle(received, "hung up")
        scope.cancel()

    async def _respond(self, connection: HttpConnection, received: Received) -> None:
        answer = self._script.answer(received) if received.is_chat else self._plain(received)
        if answer.is_deaf:
            self.settle(received, "cut")
            await connection.stream.aclose()
            return
        prompt = self._prompt(received)
        if received.body.get("stream") and answer.status == 200:
            await self._stream(connection, received, answer, prompt)
            return
        await self._pause(Pause(answer.first_token_delay_s))
        body = whole(answer, prompt) if received.is_chat and answer.status == 200 else answer.body.encode()
        self.settle(received, "answered")
        await connection.send_whole(answer.status, answer.headers, body)

    async def _stream(
        self, connection: HttpConnection, received: Received, answer: Answer, prompt: Prompt
    ) -> None:
        if answer.stall_after == -1:
            await self._pause(Pause(None))
        await connection.send_stream_head(answer.headers)
        for item in play(answer, prompt):
            if isinstance(item, Pause):
                await self._pause(item)
            elif isinstance(item, Cut):
                self.settle(received, "cut")
                await connection.stream.aclose()
                return
            else:
                if item is WHOLE_DONE:
                    self.settle(received, "answered")
                await connection.send_chunk(item)
                self.count_event(received)
        self.settle(received, "answered")
        await connection.send_chunk(b"")

    async def _pause(self, pause: Pause) -> None:
        if pause.duration_s is None:
            await self._released.wait()
        elif pause.duration_s > 0:
            await anyio.sleep(pause.duration_s)

    def _plain(self, received: Received) -> Answer:
        """What is asked besides chats: health, metrics, the list of models."""
        ends = [at for end, at in self.pages.items() if received.path.endswith(end)]
        return ends[0] if ends else fail(404, {"error": {"message": "not found", "type": "not_found_error"}})

    def _prompt(self, received: Received) -> Prompt:
        body = received.body
        words = [word for message in received.messages for word in message["content"].split()]
        cached = max((_shared(words, earlier) for earlier in self._seen_prompts), default=0)
        self._seen_prompts.append(words)
        stop = body.get("stop") or []
        return Prompt(
            tokens=len(words),
            cached=cached,
            stop=[stop] if isinstance(stop, str) else stop,
            max_tokens=body.get("max_tokens"),
            is_progress_wanted=bool(body.get("return_progress")),
            is_usage_wanted=bool((body.get("stream_options") or {}).get("include_usage")),
        )


def _shared(words: list[str], earlier: list[str]) -> int:
    """How many words both start with in common."""
    pairs = zip(words, earlier, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(words), len(earlier)))


class FileRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of a file for the server as a program."""

    answer: Answer
    contains: str = ""


def load_rules(server: ScriptedServer, path: Path) -> None:
    """Add the rules of a JSON file, the first one strongest."""
    for rule in reversed(msgspec.json.decode(path.read_bytes(), type=list[FileRule])):
        server.when(rule.contains, rule.answer)


def main(arguments: list[str]) -> None:
    """Serve until standard input closes; prints the base URL first."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    server = ScriptedServer(port=int(options.get("--port", "0")))
    server.otherwise(options.get("--text", "ok"))
    if rules := options.get("--rules"):
        load_rules(server, Path(rules))
    with server:
        print(server.base_url, flush=True)  # noqa: T201 - how a program learns the port
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
