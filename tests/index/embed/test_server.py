"""An embedder behind an address: what it asks, how it waits, and what it makes of a server's faults."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from naestro.errors import ConfigError, IndexUnavailable
from naestro.index.embed.embedder import EmbeddingStopped, EmbedText
from naestro.index.embed.server import BATCH_TEXTS, TEXT_CHARS_MAX, TRIES, Limits, ServerEmbedder


class Server(ThreadingHTTPServer):
    """Answers with the next of `script`, a status with a body or headers; else with vectors by the texts' lengths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, Any, dict[str, str]]] = []
        self.requests: list[tuple[str, dict[str, Any], str | None]] = []
        self.answered = threading.Semaphore(0)
        """Counts the answers that are on their way."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append((self.path, body, self.headers["authorization"]))
        status, answer, headers = (
            self.server.script.pop(0) if self.server.script else (200, vectors(body["input"]), {})
        )
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.server.answered.release()

    def log_message(self, *_: object) -> None:
        return


def vectors(texts: list[str]) -> dict[str, Any]:
    """As OpenAI answers, last text first."""
    rows = [
        {"object": "embedding", "index": at, "embedding": [3.0, len(text)]} for at, text in enumerate(texts)
    ]
    return {"object": "list", "data": rows[::-1], "model": "m", "usage": {"total_tokens": 1}}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join(30)


def embedder(server: Server, key: str = "") -> ServerEmbedder:
    return ServerEmbedder(server.url, "m", key, limits=Limits(backoff_first_s=0.001))


def text(body: str) -> EmbedText:
    return EmbedText("", "", (), body)


def test_it_asks_as_openai_clients_do(server: Server) -> None:
    found = embedder(server, "sk-1").query("abcd")
    assert found.tolist() == pytest.approx([0.6, 0.8])
    assert server.requests == [
        ("/v1/embeddings", {"model": "m", "input": ["abcd"], "encoding_format": "float"}, "Bearer sk-1")
    ]


def test_without_a_key_it_sends_none(server: Server) -> None:
    embedder(server).query("a")
    assert server.requests[0][2] is None


def test_many_texts_go_in_batches_and_come_back_in_order(server: Server) -> None:
    lengths = [at % 90 for at in range(BATCH_TEXTS + 6)]
    found = embedder(server).passages([text("x" * length) for length in lengths])
    assert [len(body["input"]) for _, body, _ in server.requests] == [BATCH_TEXTS, 6]
    # The texts have a line break before them, where path and names would stand.
    assert np.rint(found[:, 1] / found[:, 0] * 3).tolist() == [length + 1 for length in lengths]


def test_a_long_text_is_cut(server: Server) -> None:
    embedder(server).query("x" * (TEXT_CHARS_MAX + 9))
    assert len(server.requests[0][1]["input"][0]) == TEXT_CHARS_MAX


def test_the_dimension_is_asked_for_once(server: Server) -> None:
    one = embedder(server)
    assert (one.dimension, one.dimension) == (2, 2)
    assert len(server.requests) == 1
    assert one.passages([]).shape == (0, 2)


def test_no_index_in_the_rows_leaves_them_as_they_come(server: Server) -> None:
    server.script = [(200, {"data": [{"embedding": [0, 2]}, {"embedding": [5, 0]}]}, {})]
    assert embedder(server).passages([text("a"), text("b")]).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server: Server, status: int) -> None:
    server.script = [(status, {"error": {"message": "busy"}}, {"retry-after": "0.001"}), (status, b"", {})]
    assert embedder(server).query("abcd").tolist() == pytest.approx([0.6, 0.8])
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_given_up(server: Server) -> None:
    server.script = [(429, b"slow down, sk-1", {})] * 9
    with pytest.raises(IndexUnavailable, match=r"429 Too Many Requests: slow down, \*\*\*") as caught:
        embedder(server, "sk-1").query("a")
    assert len(server.requests) == TRIES
    assert "index.embedder_url" in caught.value.hint


def test_a_stop_wakes_a_wait_between_two_tries(server: Server) -> None:
    server.script = [(503, b"", {"retry-after": "3600"})] * 2
    one = ServerEmbedder(server.url, "m", limits=Limits(backoff_first_s=3600))
    stop = threading.Event()
    with ThreadPoolExecutor() as pool:
        working = pool.submit(one.passages, [text("a")], stop)
        assert server.answered.acquire(timeout=30)
        stop.set()
        with pytest.raises(EmbeddingStopped):
            working.result(10)
    assert len(server.requests) == 1
    with pytest.raises(EmbeddingStopped):
        one.passages([text("a")], stop)
    assert len(server.requests) == 1


def test_a_refusal_is_not_repeated(server: Server) -> None:
    server.script = [(401, b"", {})]
    with pytest.raises(IndexUnavailable, match="401 Unauthorized"):
        embedder(server).query("a")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"<html>", "holds no embeddings"),
        (b"\xff", "holds no embeddings"),
        ({"data": [{"embedding": "AAAA"}]}, "holds no embeddings"),
        ({"data": []}, "0 vectors"),
        ({"data": [{"embedding": []}]}, "1 vectors of"),
        ({"data": [{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}]}, "2 vectors of"),
        (b'{"data": [{"embedding": [NaN]}]}', "holds no embeddings"),
        ({"data": [{"embedding": [1e200, 1e200]}]}, "too large for a vector"),
    ],
)
def test_an_answer_that_is_none_is_told(server: Server, answer: object, reason: str) -> None:
    server.script = [(200, answer, {})]
    with pytest.raises(IndexUnavailable, match=reason):
        embedder(server).query("a")


def test_vectors_of_another_length_than_before_are_refused(server: Server) -> None:
    one = embedder(server)
    assert one.dimension == 2
    server.script = [(200, {"data": [{"embedding": [1.0, 2.0, 3.0]}]}, {})] * 2
    with pytest.raises(IndexUnavailable, match="3 numbers, after 2"):
        one.passages([text("a")])
    with pytest.raises(IndexUnavailable, match="3 numbers, after 2"):
        one.query("a")


def test_large_numbers_make_a_vector_of_unit_length(server: Server) -> None:
    server.script = [(200, {"data": [{"embedding": [3e39, 4e39]}]}, {})]
    assert embedder(server).query("a").tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"])
def test_a_server_that_never_answers_holds_no_question_up(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limits = Limits(backoff_first_s=0.001, question_s=0.2)
        one = ServerEmbedder(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", "m", limits=limits)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(one.query, "a")
            with silent.accept()[0] as connection:
                connection.sendall(said)
                with pytest.raises(IndexUnavailable, match="does not do its work"):
                    asked.result(30)
        silent.close()
        with pytest.raises(IndexUnavailable) as again:  # nothing is sent: nobody listens there any more
            one.query("b")
        assert again.value is asked.exception()


def test_an_answer_that_is_too_large_is_given_up(server: Server) -> None:
    server.script = [(200, b" " * 2000, {})]
    with pytest.raises(IndexUnavailable, match="larger than 1000 bytes"):
        ServerEmbedder(server.url, "m", limits=Limits(answer_bytes=1000)).passages([text("a")])


def test_a_server_that_is_gone_is_told() -> None:
    with Server() as closed:
        url = closed.url
    with pytest.raises(IndexUnavailable, match="does not do its work"):
        ServerEmbedder(url, "m", limits=Limits(backoff_first_s=0.001)).query("a")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no plain http"):
        ServerEmbedder("ftp://h/v1", "m")


def test_the_name_tells_the_server_and_the_model_and_no_key() -> None:
    names = {
        ServerEmbedder(f"http://127.0.0.1:{port}/v1", model, key).name
        for port, model, key in ((1, "a", ""), (1, "a", "k"), (2, "a", ""), (1, "b", ""))
    }
    assert len(names) == 3
    assert ServerEmbedder("http://127.0.0.1:1/v1", "").name.startswith("server-default-")
