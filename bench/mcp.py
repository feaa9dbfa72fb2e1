"""The MCP server beside others of its kind: its start, a search, many calls at once, the memory of a window.

A program starts `naestro mcp` for each window; the daemon is warm but for the rows that say otherwise. The search is
asked of SymPy's 753,704 lines. Others are installed from their registries into the cache folder, each at the version
below; one that cannot be installed or does not answer is named on standard error and left out. None is given a key.
"""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.front_end import FrontEnd, end_daemon, resident_mb
from bench.index.changes import make_branch
from bench.index.daemon import Indexed, indexed
from bench.index.model import semble_model
from bench.index.peers import NoPeers
from bench.index.questions import questions
from bench.peers import Peer, environment, family, is_installed
from bench.row import Row, row
from bench.trees import SYMPY
from naestro.config import cache

SERVER = (str(Path(sys.executable).with_name("naestro")), "mcp")
PARAMS = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
PAIRS = 20
COLD_STARTS = 5
STARTS = 5
QUESTIONS = 100
CLIENTS, CALLS = 32, 1_000
ANSWER_S = 60
LINES = "SymPy 1.14, 753,704 lines"


@dataclass(frozen=True, slots=True)
class Other:
    """Another server, and how it is asked to search."""

    peer: Peer
    arguments: Callable[[Path], list[str]]
    """Of its command, for a work tree."""
    search: Callable[[str, Path], tuple[str, dict[str, Any]]] | None = None
    """The tool and its arguments for a question; None where it has no search over code."""
    prepare: tuple[str, Callable[[Path], dict[str, Any]]] | None = None
    """A call that comes before the first search."""


OTHERS = (
    Other(
        Peer("semble", "semble[mcp]==0.7.0", ("bin/semble",), is_python=True),
        lambda _: [],
        lambda question, tree: ("search", {"query": question, "repo": str(tree)}),
    ),
    Other(
        Peer("serena", "serena-agent==2.1.0", ("bin/serena",), is_python=True),
        lambda tree: [
            "start-mcp-server",
            "--project",
            str(tree),
            "--enable-web-dashboard",
            "false",
        ],
        lambda question, _: ("search_for_pattern", {"substring_pattern": longest(question)}),
    ),
    Other(
        Peer("code-index", "code-index-mcp==2.17.1", ("bin/code-index-mcp",), is_python=True),
        lambda _: [],
        lambda question, _: ("search_code_advanced", {"pattern": longest(question)}),
        ("set_project_path", lambda tree: {"path": str(tree)}),
    ),
    Other(
        Peer(
            "server-filesystem",
            "@modelcontextprotocol/server-filesystem@2026.8.31",
            ("node_modules/.bin/mcp-server-filesystem",),
        ),
        lambda tree: [str(tree)],
    ),
)


class Server(FrontEnd):
    """A server on pipes."""

    def greet(self) -> float:
        """The handshake; the seconds from the process's start to the answer."""
        self.ask("initialize", **PARAMS)
        took_s = time.perf_counter() - self.started
        self.notify("notifications/initialized")
        return took_s

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """A tool's result. Raises `RuntimeError` where it is an error."""
        result = self.ask("tools/call", name=name, arguments=arguments)
        if result.get("isError"):
            raise RuntimeError(f"{name}: {str(result['content'])[:300]}")
        return result


def measure() -> list[Row]:
    """All rows."""
    source = SYMPY.path() / "sympy"
    asked = questions(source, QUESTIONS)
    # Before the stand takes the cache folder's place.
    installed, offline = _installed(), _offline()
    with indexed(source, make_branch) as place:
        place.index_s()
        others = _others(place, installed, offline)
        return [
            *_starts(place, others),
            *_searches(place, others, asked),
            *_at_once(place, asked),
        ]


def longest(question: str) -> str:
    """The longest word of a question: what a search for text can find of it."""
    return max(question.split(), key=len).strip(".,:;()`'\"")


def _installed() -> list[tuple[Other, Path]]:
    """Those that can be installed here, and where."""
    folders = [(other, cache() / "bench" / "peers" / f"mcp-{other.peer.name}") for other in OTHERS]
    return [(other, folder) for other, folder in folders if is_installed(other.peer, folder)]


def _others(
    place: Indexed, installed: Sequence[tuple[Other, Path]], offline: Mapping[str, str]
) -> dict[str, tuple[Other, Callable[[], Server]]]:
    """How each of them is started in the work tree, with a home of its own."""
    home = place.stand.home.parent / "others"
    home.mkdir()
    found: dict[str, tuple[Other, Callable[[], Server]]] = {}
    for other, folder in installed:
        command = [str(folder / other.peer.start[0]), *other.peer.start[1:], *other.arguments(place.tree)]
        env = environment(home / other.peer.name) | dict(offline)
        found[other.peer.name] = (
            other,
            lambda command=command, env=env: Server(place.tree, command, env),
        )
    return found


def _offline() -> dict[str, str]:
    """What keeps semble from the hub: its model lies in a folder, with the same word vectors as ours."""
    try:
        return {"HF_HUB_OFFLINE": "1", "SEMBLE_MODEL_NAME": str(semble_model())}
    except NoPeers as error:
        print(f"semble has no model: {error}", file=sys.stderr)
        return {"HF_HUB_OFFLINE": "1"}


def _starts(place: Indexed, others: Mapping[str, tuple[Other, Callable[[], Server]]]) -> list[Row]:
    ours = [_start(lambda: Server(place.tree, SERVER)) for _ in range(PAIRS + 1)][1:]
    bare = [_bare_s(place.tree) for _ in range(PAIRS)]
    ratios = [took / statistics.median(bare) for took, _ in ours]
    rows = [
        row("mcp: start to `initialize`", [took * 1000 for took, _ in ours], "ms", against="nothing"),
        row(
            "mcp: start to `initialize`, against python",
            ratios,
            "x",
            at_most=3,
            against="this Python's -c pass",
        ),
        row(
            "mcp: start to `initialize`, daemon cold", _cold_ms(place), "ms", at_most=1_500, against="nothing"
        ),
        row(
            "mcp: memory of a window",
            [mb for _, mb in ours],
            "MB",
            at_most=15,
            against="its process alone; the daemon is shared",
        ),
    ]
    medians: list[float] = []
    for name, (_, start) in others.items():
        try:
            found = [_start(start, is_family=True) for _ in range(STARTS + 1)][1:]
        except (OSError, EOFError, RuntimeError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        medians.append(statistics.median(took for took, _ in found))
        rows.append(
            row(f"mcp: {name}, start to `initialize`", [t * 1000 for t, _ in found], "ms", against="ours")
        )
        rows.append(
            row(
                f"mcp: {name}, memory of a window", [mb for _, mb in found], "MB", against="all its processes"
            )
        )
    if medians:
        shares = [took / min(medians) for took, _ in ours]
        rows.insert(
            2, row("mcp: start against the fastest other", shares, "x", at_most=0.2, against="its median")
        )
    return rows


def _start(start: Callable[[], Server], *, is_family: bool = False) -> tuple[float, float]:
    """Seconds to the answer, and megabytes of the process, or of all that it started."""
    with start() as server:
        server.give_up_after(ANSWER_S)
        took_s = server.greet()
        return took_s, resident_mb(*family(server.pid)) if is_family else resident_mb(server.pid)


def _bare_s(folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True, cwd=folder)
    return time.perf_counter() - began


def _cold_ms(place: Indexed) -> list[float]:
    found: list[float] = []
    for _ in range(COLD_STARTS):
        end_daemon(place.stand)
        found.append(_start(lambda: Server(place.tree, SERVER))[0] * 1000)
    return found


def _searches(
    place: Indexed, others: Mapping[str, tuple[Other, Callable[[], Server]]], asked: Sequence[str]
) -> list[Row]:
    with Server(place.tree, SERVER) as server:
        server.greet()
        server.call("search_code", query=asked[0])
        ours = [_timed_ms(server, "search_code", query=question) for question in asked]
    rows = [
        row(
            "mcp: search_code",
            ours,
            "ms",
            against=f"{LINES}; round trip by the relay, {len(asked)} questions",
        ),
        row("mcp: search_code, p95", [_p95(ours)], "ms", at_most=60, against=LINES),
    ]
    for name, (other, start) in others.items():
        if other.search is not None:
            rows += _others_search(name, other, start, place.tree, asked)
    return rows


def _others_search(
    name: str, other: Other, start: Callable[[], Server], tree: Path, asked: Sequence[str]
) -> list[Row]:
    assert other.search is not None
    try:
        with start() as server:
            server.give_up_after(ANSWER_S * 10)
            server.greet()
            if other.prepare is not None:
                tool, arguments = other.prepare
                server.call(tool, **arguments(tree))
            calls = [other.search(question, tree) for question in asked]
            server.call(calls[0][0], **calls[0][1])
            times = [_timed_ms(server, tool, **arguments) for tool, arguments in calls]
    except (OSError, EOFError, RuntimeError) as error:
        print(f"{name} is left out of the search: {error}", file=sys.stderr)
        return []
    tool = calls[0][0]
    return [
        row(f"mcp: {name}, {tool}", times, "ms", against=LINES),
        row(f"mcp: {name}, {tool}, p95", [_p95(times)], "ms", against=LINES),
    ]


def _timed_ms(server: Server, tool: str, **arguments: Any) -> float:
    began = time.perf_counter()
    server.call(tool, **arguments)
    return (time.perf_counter() - began) * 1000


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


def _at_once(place: Indexed, asked: Sequence[str]) -> list[Row]:
    """Many calls of many clients, each with a process of its own."""
    failed: list[str] = []
    ready = threading.Barrier(CLIENTS + 1)

    def work(number: int) -> None:
        try:
            with Server(place.tree, SERVER) as server:
                server.greet()
                ready.wait()
                for turn in range(number, CALLS, CLIENTS):
                    server.call("search_code", query=asked[turn % len(asked)])
        except (OSError, EOFError, RuntimeError, threading.BrokenBarrierError) as error:
            failed.append(repr(error))
            ready.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    wall_s = time.perf_counter() - began
    if failed:
        print(f"clients that failed: {failed[:3]}", file=sys.stderr)
    about = f"{CALLS} searches by {CLIENTS} clients at once"
    return [
        row(f"mcp: errors of {about}", [len(failed)], "", at_most=0, against=LINES),
        row(f"mcp: {about}", [wall_s], "s", against=LINES),
    ]
