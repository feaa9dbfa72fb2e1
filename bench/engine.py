"""The council's overhead once more, on the real embedded engine: to inform, beside `overhead`.

The straight calls go through the engine's own class, so that both sides use its slots and its prefix cache alike. Each
side has a server of its own, just started and warmed by the same short run, so that both begin with the same cache.
Requests are the same; answers differ where slots that compute together round otherwise, so their tokens are counted.
One pair of some tens of seconds on a shared machine says little: the scripted engine is the measure.
"""

import anyio

from bench.council import Straight, council
from bench.real import SETTINGS, by_embedded, fetch, own_engine
from bench.row import Row, row
from bench.stand import Stand, own_stand
from naestro.app import open_client

SHORT = {**SETTINGS, "council": {"proposers": 1}}
SHORT_TASK = "What is this file for?"


def measure() -> list[Row]:
    """The share of the wall time, and how far the two sides had the same to do."""
    fetch()
    with own_stand() as stand:
        return anyio.run(_measure, stand)


async def _measure(stand: Stand) -> list[Row]:
    async with open_client("bench") as client:
        short = await council(client, stand, SHORT, SHORT_TASK)
        made = await council(client, stand, SETTINGS)
    async with own_engine(stand) as engine:
        send = by_embedded(engine)
        await Straight(short.calls, send).run()
        straight = await Straight(made.calls, send).run()
    ours = sum(len(call.text) for call in made.calls.values())
    theirs = sum(map(len, straight.texts.values()))
    against = f"the same {len(made.calls)} calls through the engine's class, {straight.wall_s:.0f} s"
    return [
        row(
            "engine: overhead, share of the wall time",
            [(made.wall_s / straight.wall_s - 1) * 100],
            "%",
            against=against,
        ),
        row("engine: characters written", [ours / theirs], "x", against="the same calls' answers"),
    ]
