"""The code index on half a million lines and more, side by side with semble, bm25s and ripgrep: speed, memory, disk.

The work tree is SymPy's published wheel, in git. `naestro index` and semble's command are timed from the start of the
process to its end, in turn; everything else is asked of the daemon over its own socket. semble embeds with the same
word vectors as Naestro, in its own format. Where the peers cannot be installed their rows are left out, and told.
"""

import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.index.changes import EDITS, SWITCHED_FILES, edits_ms, make_branch, switches_s
from bench.index.daemon import Asking, Indexed, indexed, timed_ms
from bench.index.model import semble_model
from bench.index.peers import Asked, NoPeers, Peers, installed, longest_word
from bench.index.questions import questions
from bench.row import Row, row
from bench.trees import SYMPY

COLD_RUNS = 2
UNCHANGED_RUNS = 3
QUESTIONS = 200
GREPS = 40
LINES = "SymPy 1.14, 753,704 lines"


def measure() -> list[Row]:
    """All rows."""
    source = SYMPY.path() / "sympy"
    asked = questions(source, QUESTIONS)
    start_peers = _peers()
    with indexed(source, make_branch) as place:
        peers = start_peers and start_peers(place.stand.home.parent / "peers")
        rows = _building(place, peers, asked[0])
        asking = place.connection()
        asking.search(asked[0])
        rows += _searching(place, asking, peers, asked)
        rows += _changing(place, asking)
        return rows


def _peers() -> Callable[[Path], Peers] | None:
    """What makes the peers that keep what they make in a folder; None, and told, where they cannot be had."""
    try:
        return partial(Peers, installed(), semble_model())
    except NoPeers as error:
        print(f"no peers: {error}", file=sys.stderr)
        return None


def _building(place: Indexed, peers: Peers | None, question: str) -> list[Row]:
    """Cold and unchanged, in turn with semble."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(COLD_RUNS):
        if peers:
            peers.forget()
            theirs.append(peers.semble_s(place.tree, question))
        place.forget()
        ours.append(place.index_s())
    again = [place.index_s() for _ in range(UNCHANGED_RUNS)]
    cold = statistics.median(ours)
    rows = [
        row("index: cold", ours, "s", against=f"nothing; {LINES}; `naestro index`, the daemon's start in it"),
        row("index: unchanged", again, "s", against="nothing; `naestro index` once more"),
        row(
            "index: unchanged against cold",
            [one / cold for one in again],
            "x",
            at_most=0.05,
            against="cold, above",
        ),
        row("index: disk", [place.disk_mb()], "MB", against="nothing; the cache of vectors in it"),
    ]
    if peers:
        shares = [one / other for one, other in zip(ours, theirs, strict=True)]
        again_s = [peers.semble_s(place.tree, question) for _ in range(UNCHANGED_RUNS)]
        rows += [
            row("index: cold, semble", theirs, "s", against="ours, in turn; `semble search`"),
            row("index: cold, against semble", shares, "x", at_most=1, against="semble, in turn"),
            row("index: unchanged, semble", again_s, "s", against="ours; `semble search` once more"),
            row("index: disk, semble", [peers.disk_mb("semble")], "MB", against="ours"),
        ]
    return rows


def _searching(place: Indexed, asking: Asking, peers: Peers | None, asked: Sequence[str]) -> list[Row]:
    """Time and memory of searches."""
    times = [asking.search_ms(one) for one in asked]
    memory = place.resident_mb()
    greps = [timed_ms(lambda one=one: _grep(asking, one)) for one in asked[:GREPS]]
    rows = [
        *_times("search", times, "the daemon, over its socket", 30),
        row(
            "index: memory",
            [memory],
            "MB",
            at_most=300,
            against=f"nothing; the daemon after {len(asked)} searches",
        ),
        *_times(
            "grep", greps, "the daemon, over its socket; each question's longest word, at most 200 lines"
        ),
    ]
    if peers:
        semble, bm25s = peers.semble(place.tree, asked), peers.bm25s(place.tree, asked)
        rows += [
            *_peer("semble", semble, peers),
            row("index: cold, bm25s", [bm25s.ready_s], "s", against="ours; semble's chunks are given to it"),
            *_peer("bm25s", bm25s, peers),
            row("index: disk, bm25s", [peers.disk_mb("bm25s")], "MB", against="ours; without the texts"),
            *_times(
                "grep, ripgrep", peers.ripgrep_ms(place.tree, asked[:GREPS]), "ours; its command, all lines"
            ),
        ]
    return rows


def _peer(name: str, found: Asked, peers: Peers) -> list[Row]:
    return [
        *_times(f"search, {name}", found.ms, "ours; as a library, no socket"),
        row(
            f"index: memory, {name}",
            [found.resident_mb],
            "MB",
            against="ours; its process after the searches",
        ),
    ]


def _changing(place: Indexed, asking: Asking) -> list[Row]:
    """How soon changes are found."""
    unseen, *seen = switches_s(place, asking)  # First: git switches no branch over edited files.
    edits = edits_ms(place, asking)
    after = place.resident_mb()
    return [
        *_times("one edited file", edits, f"nothing; saved until found, {EDITS} files", 100),
        row(
            f"index: branch switch, {SWITCHED_FILES} files never seen",
            [unseen],
            "s",
            at_most=2,
            against="nothing; from the start of `git switch` until all is found and nothing is unseen",
        ),
        row(
            f"index: branch switch, {SWITCHED_FILES} files seen before",
            seen,
            "s",
            at_most=2,
            against="the same, there and back",
        ),
        row("index: memory after the changes", [after], "MB", at_most=300, against="nothing"),
        row("index: disk after the changes", [place.disk_mb()], "MB", against="nothing"),
    ]


def _times(what: str, times: Sequence[float], against: str, goal_p95_ms: float | None = None) -> list[Row]:
    """The median, with all samples, and the 95th percentile."""
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    return [
        row(f"index: {what}, p50", times, "ms", against=against),
        row(f"index: {what}, p95", [p95], "ms", at_most=goal_p95_ms, against=against),
    ]


def _grep(asking: Asking, question: str) -> object:
    return asking.call("index.grep", pattern=f"(?i){longest_word(question)}")
