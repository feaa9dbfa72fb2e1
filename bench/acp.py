"""What the way from an engine to the editor costs: a token's delay, many sessions at once, and a cancel's answer.

The engine stamps each token with the time of the monotonic clock as it writes it; the bench, which is the editor, reads
the stamp off the update that brings it. Between them lie the engine's adapter, the run, the projection, the daemon's
socket and the relay. Nothing is subtracted.
"""

import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.front_end import FrontEnd, daemon_stand
from bench.row import Row, row
from bench.stand import ROOT, SCRIPTED, Stand

PROMPTS = 6
"""The first one warms up and does not count."""
SESSIONS = 64
CANCELS = 40
QUESTION = "What is this queue for?"
STAMP = re.compile(rb"\b\d{9,}\b")
NANOSECONDS_A_MS = 1_000_000


def measure() -> list[Row]:
    """All three."""
    with daemon_stand() as stand, stamping_engine(stand):
        return [*_token_rows(stand), *_session_rows(stand), *_cancel_rows(stand)]


@contextmanager
def stamping_engine(stand: Stand) -> Iterator[None]:
    """The stamping engine in every seat of the stand's council."""
    command = [sys.executable, "-m", "bench.stamping"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as program:
        assert program.stdout is not None
        try:
            stand.settings(SCRIPTED.format(url=program.stdout.readline().strip()))
            yield
        finally:
            program.communicate(timeout=10)


def _token_rows(stand: Stand) -> list[Row]:
    with FrontEnd(stand.workspace) as agent:
        agent.greet()
        session = agent.new()
        agent.choose(session, pipeline="single", mode="ask")
        turns = [_token_delays_ms(agent, session) for _ in range(PROMPTS)][1:]
    delays = [delay for turn in turns for delay in turn]
    against = f"nothing; engine's socket to the client's pipe, {len(delays)} tokens at 82 a second"
    return [
        row("acp: a token's delay", delays, "ms", against=against),
        _quantile_row("acp: a token's delay, p99", delays, 5, against),
    ]


def _token_delays_ms(agent: FrontEnd, session: str) -> list[float]:
    """The delay of each token of one turn, as it is first shown."""
    prompt = agent.begin_prompt(session, QUESTION)
    delays: list[float] = []
    while True:
        message = agent.read()
        now = time.monotonic_ns()
        if message.get("id") == prompt and "method" not in message:
            return delays
        update = (message.get("params") or {}).get("update") or {}
        if update.get("sessionUpdate") == "agent_thought_chunk":
            stamps = STAMP.findall(update["content"]["text"].encode())
            delays += [(now - int(stamp)) / NANOSECONDS_A_MS for stamp in stamps]


def _session_rows(stand: Stand) -> list[Row]:
    """Sessions that work at once, each with a front end of its own."""
    outcomes: list[str] = []
    began = time.perf_counter()
    threads = [threading.Thread(target=_one_session, args=(stand, outcomes)) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [outcome for outcome in outcomes if outcome != "end_turn"]
    if failed:
        print(f"sessions that failed: {failed[:3]}", file=sys.stderr)
    wall_s = time.perf_counter() - began
    return [
        row(f"acp: errors of {SESSIONS} sessions at once", [len(failed)], "", at_most=0, against="nothing"),
        row(f"acp: {SESSIONS} sessions at once, until the last ended", [wall_s], "s", against="nothing"),
    ]


def _one_session(stand: Stand, outcomes: list[str]) -> None:
    try:
        with FrontEnd(stand.workspace) as agent:
            agent.greet()
            session = agent.new()
            agent.choose(session, pipeline="single", mode="ask")
            answer = agent.answer(agent.begin_prompt(session, QUESTION))
            outcomes.append(answer["result"]["stopReason"] if "result" in answer else str(answer["error"]))
    except (OSError, EOFError, RuntimeError) as error:
        outcomes.append(repr(error))


def _cancel_rows(stand: Stand) -> list[Row]:
    with FrontEnd(stand.workspace) as agent:
        agent.greet()
        session = agent.new()
        agent.choose(session, mode="ask")
        times = [_cancel_ms(agent, session) for _ in range(CANCELS)]
    return [
        row("acp: until a cancel is answered", times, "ms", against="nothing; while three proposals stream"),
        _quantile_row("acp: until a cancel is answered, p99", times, 100, "nothing"),
    ]


def _cancel_ms(agent: FrontEnd, session: str) -> float:
    """One prompt that is cancelled when its first token was shown."""
    prompt = agent.begin_prompt(session, QUESTION)
    while (agent.read().get("params") or {}).get("update", {}).get("sessionUpdate") != "agent_thought_chunk":
        pass
    began = time.perf_counter()
    agent.notify("session/cancel", sessionId=session)
    stopped = agent.answer(prompt)["result"]["stopReason"]
    if stopped != "cancelled":
        raise SystemExit(f"A cancelled prompt ended with {stopped}.")
    return (time.perf_counter() - began) * 1000


def _quantile_row(name: str, samples: Sequence[float], at_most: float, against: str) -> Row:
    """The row of the 99th percentile of all samples."""
    p99 = statistics.quantiles(samples, n=100, method="inclusive")[98]
    return Row(
        name,
        p99,
        "ms",
        f"<= {at_most:g} ms",
        p99 <= at_most,
        (min(samples), max(samples)),
        len(samples),
        against,
    )
