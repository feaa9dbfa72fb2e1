"""Programs that stand in for a `llama-server` of the person's: real processes with its real command line.

`write_program` makes an executable that behaves as told. `real` runs the wheel's llama.cpp by llama-server's flags;
the others need no model: they serve a few words, or fail in the ways that a program can.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELP = "--spec-ngram-mod-n-match --cache-ram --slot-save-path --metrics --no-webui"
VERSION = "version: 9999 (0123abc)\nbuilt with a compiler for this machine"

DIE = "Die now."
EXIT = "Exit now."
WAIT = "Say one word and wait."
"""Words in a prompt on which the serving stand-in does that."""


def write_program(folder: Path, behaviour: str, name: str = "llama-server") -> Path:
    """An executable in `folder` that behaves so; see `BEHAVIOURS` and `VERSIONS`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(
        f"#!{sys.executable}\n"
        f"import sys\nsys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'core')!r}]\n"
        f"from tests.support.llama_server import main\nmain({behaviour!r})\n"
    )
    path.chmod(0o755)
    return path


def main(behaviour: str) -> None:
    """Answer `--version` or `--help`, or serve, as `behaviour` says."""
    if sys.argv[1:] == ["--version"]:
        VERSIONS.get(behaviour, lambda: _say(VERSION))()
    elif sys.argv[1:] == ["--help"]:
        HELPS.get(behaviour, lambda: _say(HELP))()
    else:
        BEHAVIOURS[behaviour](_flags())


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _flags() -> argparse.Namespace:
    """The flags that llama-server knows; an unknown one ends the program, as there."""
    parser = argparse.ArgumentParser()
    for name in ("model", "host", "spec-type", "fit"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("port", "parallel", "ctx-size", "threads", "threads-batch", "batch-size", "ubatch-size"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("cache-ram", "log-verbosity"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("n-match", "n-min", "n-max"):
        parser.add_argument(f"--spec-ngram-mod-{name}", type=int, required=True)
    parser.add_argument("--slot-save-path", required=True)
    for name in ("no-kv-unified", "offline", "metrics", "slots", "no-webui"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args()


def _flood() -> None:
    while True:
        _say("version" * 1000)


VERSIONS: dict[str, Callable[[], object]] = {
    "old": lambda: _say("version: 4000 (0123abc)"),
    "new words": lambda: _say("version: 0.1.0 (build 9500, commit 7e4c0a9)"),
    "unnumbered": lambda: _say("version: 0.1.0-dev (build 1, commit 7e4c0a9)"),
    "unnumbered and old": lambda: _say("version: 1 (0123abc)"),
    "unnumbered and flooding": lambda: _say("version: 1 (0123abc)"),
    "nameless": lambda: _say("hello"),
    "hanging": lambda: time.sleep(600),
    "flooding": _flood,
}


HELPS: dict[str, Callable[[], object]] = {
    "unnumbered and old": lambda: _say("--model"),
    "unnumbered and flooding": _flood,
}


class _Handler(BaseHTTPRequestHandler):
    key = ""
    behaviour = ""

    def do_GET(self) -> None:
        if self.path == "/health" or not self.key or self._is_friend():
            return self._answer(200, b"{}")
        return self._answer(401, b"{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if not self._is_friend():
            return self._answer(401, b"{}")
        if self.path.startswith("/slots/"):
            return self._slot()
        return self._chat(body)

    def _slot(self) -> None:
        if self.behaviour == "forgetful":
            return self._answer(500, b"{}")
        return self._answer(200, b'{"n_written": 5}')

    def _is_friend(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {self.key}"

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _chat(self, body: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self._send({"choices": [{"index": 0, "delta": {"content": "word"}}]})
        if self.behaviour == "babbling":
            self.wfile.write(b"data: {babble\n\n")
        if DIE in body:
            os.kill(os.getpid(), signal.SIGKILL)
        if EXIT in body:
            _say("0.01.000.000 E srv: it fell over.")
            os._exit(3)
        if WAIT in body:
            time.sleep(600)
        usage = {"prompt_tokens": 9, "completion_tokens": 1}
        self._send({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, chunk: dict[str, object]) -> None:
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        return


def _serve(flags: argparse.Namespace) -> None:
    _Handler.key = os.environ["LLAMA_API_KEY"]
    ThreadingHTTPServer((flags.host, flags.port), _Handler).serve_forever()


def _serve_so(behaviour: str) -> Callable[[argparse.Namespace], None]:
    def serve(flags: argparse.Namespace) -> None:
        _Handler.behaviour = behaviour
        _serve(flags)

    return serve


def _serve_anybody(flags: argparse.Namespace) -> None:
    ThreadingHTTPServer((flags.host, flags.port), _Handler).serve_forever()


def _serve_stubbornly(flags: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _serve(flags)


def _serve_real(flags: argparse.Namespace) -> None:
    from xllamacpp import Server

    from naestro.engines.llama_child import common_params
    from naestro.engines.llama_parameters import Parameters

    parameters = Parameters(
        model=flags.model,
        port=flags.port,
        api_key=os.environ["LLAMA_API_KEY"],
        slots=flags.parallel,
        context_tokens=flags.ctx_size // flags.parallel,
        threads=flags.threads,
        slot_folder=flags.slot_save_path,
    )
    _server = Server(common_params(parameters))
    time.sleep(600)


def _fail(words: str, code: int = 1) -> Callable[[argparse.Namespace], None]:
    def fail(_flags: argparse.Namespace) -> None:
        _say(words)
        os._exit(code)

    return fail


def _fail_once(flags: argparse.Namespace) -> None:
    """Say that the port is taken the first time, serve the second time."""
    marker = Path(sys.argv[0]).with_suffix(".tried")
    if marker.exists():
        _serve(flags)
    marker.touch()
    _fail("0.00.01 E srv: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 1")(flags)


def _crash(number: int) -> Callable[[argparse.Namespace], None]:
    return lambda _flags: os.kill(os.getpid(), number)


BEHAVIOURS: dict[str, Callable[[argparse.Namespace], object]] = {
    "serving": _serve,
    "stubborn": _serve_stubbornly,
    "babbling": _serve_so("babbling"),
    "forgetful": _serve_so("forgetful"),
    "open to anybody": _serve_anybody,
    "real": _serve_real,
    "loading for ever": lambda _flags: time.sleep(600),
    "port taken": _fail("0.00.01 E srv: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 1"),
    "port taken once": _fail_once,
    "too large": _fail("0.00.731 E srv    load_model: failed to create_context with model 'm.gguf'"),
    "damaged": _fail("0.00.03 E llama: tensor 'a' data is not within the file bounds, model is corrupted"),
    "puzzled": _fail("0.00.03 E llama: the stars are wrong."),
    "silent": _fail("", code=5),
    "killed": _crash(signal.SIGKILL),
    "foreign": _crash(signal.SIGILL),
}
