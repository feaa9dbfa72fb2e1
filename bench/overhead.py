"""What the council costs over the same calls made straight to the engine.

A whole run goes through the real client: journal, council, engine adapter. Its recorded requests are then sent again,
byte for byte, with nothing but httpx2, in the run's own order (`council.Straight`). Both go to the same scripted engine
in a process of its own, which streams at a real engine's pace and gives the same answers to both; they go in turn, and
who goes first changes. A first pair, which imports and connects, counts for nothing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import httpx2

from bench.council import Made, Send, Straight, council
from bench.row import Row, row
from bench.stand import Stand, own_stand, scripted_engine
from naestro.app import open_client
from naestro.client.api import Client
from naestro.engines.engine import ChatRequest, EngineInfo
from naestro.engines.openai import OpenAIEngine, OpenAISettings
from naestro.engines.wire import encode_request
from naestro.types import Json

PAIRS = 9
MODEL = "scripted"
SETTINGS: dict[str, Json] = {"council": {"early_exit": False}}


@dataclass(frozen=True, slots=True)
class Pair:
    """One run, and the same calls made twice without it."""

    made: Made
    bare: Straight
    adapted: Straight
    """By the engine's adapter, without council and journal."""


def measure() -> list[Row]:
    """The shares and the milliseconds a step, pair by pair."""
    with own_stand() as stand, scripted_engine(stand) as engine:
        return anyio.run(_measure, engine.base_url, stand)


async def _measure(base_url: str, stand: Stand) -> list[Row]:
    info = EngineInfo(MODEL, MODEL, 16384, is_local=True)
    async with (
        open_client("bench") as client,
        OpenAIEngine(info, OpenAISettings(base_url)) as engine,
        httpx2.AsyncClient(timeout=60) as http,
    ):
        sends = by_httpx2(http, base_url), by_engine(engine)
        first = await council(client, stand, SETTINGS)
        pairs = [await _pair(client, stand, first, sends, is_ours_first=n % 2 == 0) for n in range(PAIRS + 1)]
    return _rows(pairs[1:], first)


async def _pair(
    client: Client, stand: Stand, known: Made, sends: tuple[Send, Send], *, is_ours_first: bool
) -> Pair:
    """One run and its calls; the same seed makes the same requests each time, so those of `known` serve."""
    made = await council(client, stand, SETTINGS) if is_ours_first else None
    bare, adapted = [await Straight(known.calls, send).run() for send in sends]
    made = made or await council(client, stand, SETTINGS)
    texts = {name: call.text for name, call in made.calls.items()}
    if not texts == bare.texts == adapted.texts:
        raise SystemExit("The straight calls were answered differently: the two do not compare.")
    return Pair(made, bare, adapted)


def _rows(pairs: Sequence[Pair], first: Made) -> list[Row]:
    steps = first.steps
    against = (
        f"the same {len(first.calls)} calls by httpx2 alone; {steps} steps in "
        f"{pairs[0].bare.wall_s:.1f} s of scripted engine at 82 tokens a second"
    )
    shares = [(pair.made.wall_s / pair.bare.wall_s - 1) * 100 for pair in pairs]

    def a_step(of: Callable[[Pair], float]) -> list[float]:
        return [of(pair) * 1000 / steps for pair in pairs]

    wall = a_step(lambda pair: pair.made.wall_s - pair.bare.wall_s)
    adapter = a_step(lambda pair: pair.adapted.wall_s - pair.bare.wall_s)
    cpu = a_step(lambda pair: pair.made.cpu_s - pair.bare.cpu_s)
    once = [(first.wall_s - pair.made.wall_s) * 1000 for pair in pairs]
    return [
        row("overhead: share of the wall time", shares, "%", at_most=2, against=against),
        row("overhead: a step", wall, "ms", at_most=5, against=against),
        row("overhead: of it the engine's adapter", adapter, "ms", against="the same calls by httpx2 alone"),
        row("overhead: processor time a step", cpu, "ms", against="the same calls by httpx2 alone"),
        row("overhead: once, in a process's first run", once, "ms", against="its later runs"),
    ]


def by_httpx2(http: httpx2.AsyncClient, base_url: str) -> Send:
    """Makes a call with nothing but httpx2: stream the events, take the text out of each."""
    url, headers = f"{base_url}/chat/completions", {"content-type": "application/json"}

    async def send(request: ChatRequest, warm: Callable[[], None]) -> str:
        texts: list[str] = []
        body = encode_request(request, MODEL, "openai")
        async with http.stream("POST", url, content=body, headers=headers) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                choices = json.loads(line[6:]).get("choices")
                if choices and (text := choices[0]["delta"].get("content")):
                    warm()
                    texts.append(text)
        return "".join(texts)

    return send


def by_engine(engine: OpenAIEngine) -> Send:
    """Makes a call through the engine's adapter."""

    async def send(request: ChatRequest, warm: Callable[[], None]) -> str:
        async with engine.chat(request) as stream:
            async for _ in stream:
                warm()
            return stream.completion().text

    return send
