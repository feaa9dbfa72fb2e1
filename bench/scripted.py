"""`python -m bench.scripted FILE`: a scripted engine that plays a council's answers at a real engine's pace.

It prints its base URL, adds a line to FILE for each chat that comes in (the time on the monotonic clock, which all
processes share), and serves until its standard input closes. What it answers depends on the request alone, so the same
requests get the same answers, piece for piece, whoever sends them.
"""

import sys
import time
from pathlib import Path

from tests.support.answers import Answer, say, say_json
from tests.support.request_log import Received
from tests.support.scripted_server import ScriptedServer

FIRST_TOKEN_S = 0.15
"""A short prompt behind a cached prefix, read by a small model on one core."""
TOKEN_S = 0.012
"""The pace of smollm2-135m on one core: 82 tokens a second."""

POINTS = 6
"""Points of an answer in text: about 100 tokens, as the council asks for."""
PLACES = ("1-5", "8-13", "15-17", "19-23", "25-26")
WORDS = ("heap", "queue", "order", "number", "urgency", "job", "turn", "oldest", "pair", "count")


def answer(request: Received) -> Answer:
    """A choice or findings where a schema is given, else an answer with citations; the seed varies the words."""
    told = request.body.get("response_format")
    if told is None:
        return paced(say(points(request.body["seed"])))
    wanted = told["json_schema"]["schema"]["properties"]
    if "findings" in wanted:
        return paced(say_json({"findings": [finding(number) for number in range(2)]}))
    best = wanted["best"]["enum"][0]
    reason = "It names the lines that put a job in and take one out, and says what each does."
    return paced(say_json({"best": best, "reason": reason}))


def paced(told: Answer) -> Answer:
    """`told` at the pace of an engine."""
    return say(told.text, first_token_delay_s=FIRST_TOKEN_S, token_delay_s=TOKEN_S)


def points(seed: int) -> str:
    """An answer whose words follow from `seed`."""
    said = [
        f"- (jobs.py:{PLACES[(seed + number) % len(PLACES)]}): here the {word(seed, number)} is kept beside the "
        f"{word(seed, number + 3)} so that the {word(seed, number + 7)} of each comes out right"
        for number in range(POINTS)
    ]
    return "\n".join(said)


def word(seed: int, number: int) -> str:
    """One of the words."""
    return WORDS[(seed // 7 + number * (1 + seed % 3)) % len(WORDS)]


def finding(number: int) -> dict[str, object]:
    """A critic's finding."""
    return {
        "proposal": "AB"[number],
        "severity": "minor",
        "path": "jobs.py",
        "line": 15 + number,
        "claim": "It does not say what happens to jobs of the same urgency.",
    }


def main() -> None:
    """Serve until standard input closes."""
    server = ScriptedServer()
    with Path(sys.argv[1]).open("a", buffering=1) as arrivals, server:

        def noted(request: Received) -> Answer:
            arrivals.write(f"{time.monotonic()}\n")
            return answer(request)

        server.otherwise(noted)
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
