"""The MCP server beside others: its start, a search and what it finds, many calls at once, the memory of a window.

A program starts `naestro mcp` for each window; the daemon is warm but for the rows that say otherwise. The search is
timed on SymPy's 753,704 lines; what is found is judged in `answers`, on repositories whose right answers are known.
Others are installed from their registries into the cache folder, each at the version in `others`; one that cannot be
installed or does not answer is named on standard error and left out. None is given a key.
"""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.front_end import end_daemon, resident_mb
from bench.index.changes import make_branch
from bench.index.daemon import Indexed, indexed
from bench.index.questions import questions
from bench.mcp import answers
from bench.mcp.others import SERVER, Other, Server, Starts, installed, offline, starts
from bench.peers import family
from bench.row import Row, row
from bench.trees import SYMPY

PAIRS = 20
COLD_STARTS = 5
STARTS = 5
QUESTIONS = 100
CLIENTS, CALLS = 32, 1_000
ANSWER_S = 60
SEARCHES_S = 60
"""Of another server: after that, no further question is asked."""
LINES = "SymPy 1.14, 753,704 lines"


def measure() -> list[Row]:
    """All rows."""
    source = SYMPY.path() / "sympy"
    asked = questions(source, QUESTIONS)
    # Before the stand takes the cache folder's place.
    found, settings = installed(), offline()
    with indexed(source, make_branch) as place:
        place.index_s()
        others = starts(place, found, settings)
        times = [
            *_starts(place, others),
            *_searches(place, others, asked),
            *_at_once(place, asked),
        ]
    return [*times, *answers.rows(found, settings)]


def _starts(place: Indexed, others: Starts) -> list[Row]:
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


def _searches(place: Indexed, others: Starts, asked: Sequence[str]) -> list[Row]:
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
        if other.timed:
            calls = [other.timed(question, place.tree) for question in asked]
            rows += _others_search(name, other, start, place.tree, calls)
    return rows


def _others_search(
    name: str, other: Other, start: Callable[[], Server], tree: Path, calls: Sequence[dict[str, Any]]
) -> list[Row]:
    tool = other.forms[0].tool
    try:
        with start() as server:
            server.give_up_after(ANSWER_S * 10)
            other.ready(server, tree)
            server.call(tool, **calls[0])
            times = list(_timed_for_s(SEARCHES_S, server, tool, calls))
    except (OSError, EOFError, RuntimeError) as error:
        print(f"{name} is left out of the search: {error}", file=sys.stderr)
        return []
    return [
        row(f"mcp: {name}, {tool}", times, "ms", against=LINES),
        row(f"mcp: {name}, {tool}, p95", [_p95(times)], "ms", against=LINES),
    ]


def _timed_for_s(
    limit_s: float, server: Server, tool: str, calls: Sequence[dict[str, Any]]
) -> Iterator[float]:
    """Milliseconds of each call, until the time is up."""
    began = time.monotonic()
    for arguments in calls:
        yield _timed_ms(server, tool, **arguments)
        if time.monotonic() - began > limit_s:
            return


def _timed_ms(server: Server, tool: str, **arguments: Any) -> float:
    began = time.perf_counter()
    server.call(tool, **arguments)
    return (time.perf_counter() - began) * 1000


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else times[0]


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
