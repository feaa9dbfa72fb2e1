"""The council's overhead once more, on the real embedded engine: to inform, beside `overhead`.

The straight calls go through the engine's own class, so that both sides use its slots and its prefix cache alike. Each
side has a server of its own, just started and warmed by the same short run, so that both begin with the same cache.
Requests are the same; answers differ where slots that compute together round otherwise, so their tokens are counted.
Two pairs of some tens of seconds on a shared machine say little: the scripted engine is the measure.
"""

import anyio

from bench.council import Made, Straight, council
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
    first = await _ours(stand)
    straight = [await _straight(stand, first) for _ in range(2)]
    made = [first[1], (await _ours(stand))[1]]
    ours, theirs = sum(one.wall_s for one in made), sum(one.wall_s for one in straight)
    written = sum(len(call.text) for one in made for call in one.calls.values())
    got = sum(len(text) for one in straight for text in one.texts.values())
    calls = len(first[1].calls)
    against = (
        f"the same {calls} calls through the engine's class, {theirs / 2:.0f} s; ours, theirs, theirs, ours"
    )
    return [
        row("engine: overhead, share of the wall time", [(ours / theirs - 1) * 100], "%", against=against),
        row("engine: characters written", [written / got], "x", against="the same calls' answers"),
    ]


async def _ours(stand: Stand) -> tuple[Made, Made]:
    """A short run, which starts and warms the engine, and the run that counts."""
    async with open_client("bench") as client:
        return await council(client, stand, SHORT, SHORT_TASK), await council(client, stand, SETTINGS)


async def _straight(stand: Stand, runs: tuple[Made, Made]) -> Straight:
    """The calls of both runs; the second one's count."""
    async with own_engine(stand) as engine:
        send = by_embedded(engine)
        await Straight(runs[0].calls, send).run()
        return await Straight(runs[1].calls, send).run()
