"""The daemon with the index of a large work tree, asked over its own socket as every front end asks it.

Blocking, since nothing else runs in a bench while it is timed. The connection stays open, as a client's does.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.front_end import daemon_of, end_daemon, resident_mb
from bench.index.peers import size_mb
from bench.stand import Stand, environment, own_stand
from naestro.relay.places import find_places

NAESTRO = str(Path(sys.executable).with_name("naestro"))
ANSWER_S = 60.0
SEEN_S = 60.0
"""How long a change may take to be found before the bench gives up."""


class Socket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_S)
        self._path = path

    def connect(self) -> None:
        """Open it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_S)
        self.sock.connect(self._path)


@dataclass(frozen=True, slots=True)
class Indexed:
    """A work tree, and the stand that its daemon belongs to."""

    stand: Stand
    tree: Path
    cache: Path

    def index_s(self) -> float:
        """Seconds of `naestro index`, from the start of its process to its end; it starts the daemon if need be."""
        began = time.perf_counter()
        done = subprocess.run(
            [NAESTRO, "index", str(self.tree)],
            capture_output=True,
            text=True,
            cwd=self.tree,
            timeout=300,
            check=False,
        )
        took_s = time.perf_counter() - began
        if done.returncode != 0:
            raise RuntimeError(f"naestro index ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        return took_s

    def forget(self) -> None:
        """End the daemon and drop all that it has indexed, so that the next run is a cold one."""
        end_daemon(self.stand)
        shutil.rmtree(self.cache / "index", ignore_errors=True)

    def resident_mb(self) -> float:
        """Of the daemon's process."""
        pid = daemon_of(self.stand)
        assert pid is not None
        return resident_mb(pid)

    def disk_mb(self) -> float:
        """All that is kept for the index, the cache of vectors too."""
        return size_mb(self.cache / "index")

    def connection(self) -> "Asking":
        """A connection to the daemon that runs."""
        return Asking(Socket(find_places().http_socket), str(self.tree))


class Asking:
    """One open connection."""

    def __init__(self, connection: Socket, workspace: str) -> None:
        self._connection = connection
        self._workspace = workspace

    def call(self, method: str, **params: Any) -> Any:
        """The result of a method; raises `RuntimeError` for an error."""
        asked = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": method,
            "params": {"workspace": self._workspace, **params},
        }
        try:
            answer = self._answer(json.dumps(asked))
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            self._connection.close()  # The daemon closes what is idle for long.
            answer = self._answer(json.dumps(asked))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _answer(self, body: str) -> dict[str, Any]:
        self._connection.request("POST", "/rpc", body, {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    def search(self, query: str, limit: int = 10) -> list[dict[str, Any]]:
        """The results of a search; raises `RuntimeError` where the index did not give them."""
        reply = self.call("index.search", query=query, limit=limit)
        if reply["detail"]:
            raise RuntimeError(f"index.search: {reply['detail']}")
        return reply["results"]

    def search_ms(self, query: str) -> float:
        """Milliseconds from the request to the whole answer."""
        return timed_ms(lambda: self.search(query))

    def finds(self, word: str, path: str) -> bool:
        """Whether a search for a word that stands in one file alone finds it there."""
        return any(one["path"] == path and word in one["text"] for one in self.search(word, 3))

    def until(self, is_so: Callable[[], bool]) -> None:
        """Ask again and again; raises `RuntimeError` where it does not become so."""
        deadline = time.monotonic() + SEEN_S
        while not is_so():
            if time.monotonic() > deadline:
                raise RuntimeError(f"a change was not found within {SEEN_S:.0f} s")

    def has_seen_all(self) -> bool:
        """Whether the index knows of no file that it has not taken in."""
        return not self.call("index.status")["unseen_files"]

    def until_quiet(self) -> None:
        """Wait until no index run goes on and no file is unseen."""

        def is_quiet() -> bool:
            time.sleep(0.05)
            status = self.call("index.status")
            return not status["is_indexing"] and not status["unseen_files"]

        self.until(is_quiet)


@contextmanager
def indexed(tree: Path, branches: Callable[[Path], None]) -> Iterator[Indexed]:
    """A copy of `tree` as a git work tree, made ready by `branches`, and folders of their own for its daemon."""
    with own_stand() as stand:
        copy, cache = stand.home.parent / tree.name, stand.home.parent / "cache"
        shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("__pycache__"))
        git(copy, "init", "-q", "-b", "main")
        commit(copy)
        branches(copy)
        with environment(_environment(cache)):
            found = Indexed(stand, copy, cache)
            try:
                yield found
            finally:
                end_daemon(stand)


def git(folder: Path, *arguments: str) -> None:
    """Run git, with a name of the bench's own."""
    name = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0")
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def commit(folder: Path) -> None:
    """Commit everything."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "bench")


def timed_ms(work: Callable[[], object]) -> float:
    """Milliseconds that `work` takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _environment(cache: Path) -> dict[str, str]:
    """The stand's, with a cache of its own, and with a daemon."""
    kept = {name: value for name, value in os.environ.items() if name != "NAESTRO_IN_PROCESS"}
    return {**kept, "NAESTRO_CACHE": str(cache)}
