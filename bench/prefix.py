"""Of the prompt tokens that a call shares with an earlier one on the same engine, the part served from its cache.

A council of the smallest model answers a question about a file of this repository. What its calls share is found
afterwards: each recorded request is made into tokens by the engine's own template and tokenizer, and compared with all
requests that began before it. What was served is what the engine itself says, less what was read for the call just
before it. Shared tokens that stand behind a difference cannot be served by any prefix cache and do not count as shared.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import httpx2

from bench.council import Call, council
from bench.real import SETTINGS, fetch, own_engine, started
from bench.row import Row, row
from bench.stand import ROOT, SOURCE_NAME, Stand, own_stand
from naestro.app import open_client
from naestro.engines.engine import ChatRequest
from naestro.engines.supervisor import RunningServer
from naestro.engines.wire import merge_user_messages

SOURCE = ROOT / "core" / "naestro" / "runs" / "lock.py"
TASK = "How does a second process learn who holds the lock?"


def measure() -> list[Row]:
    """The part that was served, over all calls of one run."""
    fetch()
    with own_stand() as stand:
        (stand.workspace / SOURCE_NAME).write_text(SOURCE.read_text())
        return anyio.run(_measure, stand)


async def _measure(stand: Stand) -> list[Row]:
    async with open_client("bench") as client:
        made = await council(client, stand, SETTINGS, TASK)
    async with own_engine(stand) as engine:
        prompts = await _tokens(await started(engine), made.calls)
    shared = shared_tokens(prompts)
    cached = [call.usage.cached_tokens for call in made.calls.values()]
    whole = sum(len(prompt) for prompt in prompts)
    served = sum(min(pair) for pair in zip(cached, shared, strict=True))
    against = f"{sum(shared)} shared tokens in {len(prompts)} calls of {len(made.calls)}, {Path(SOURCE).name}"
    return [
        row(
            "prefix: shared tokens served from cache",
            [100 * served / sum(shared)],
            "%",
            at_least=90,
            against=against,
        ),
        row(
            "prefix: shared, of all prompt tokens",
            [100 * sum(shared) / whole],
            "%",
            against=f"{whole} tokens",
        ),
        row("prefix: prompt tokens a call", [whole / len(prompts)], "tokens", against="nothing"),
    ]


async def _tokens(server: RunningServer, calls: Mapping[str, Call]) -> list[list[int]]:
    """The prompt of each call as the engine reads it."""
    headers = {"authorization": f"Bearer {server.api_key}"}
    async with httpx2.AsyncClient(base_url=server.root_url, headers=headers, timeout=60) as http:
        return [await _tokens_of(http, call.request) for call in calls.values()]


async def _tokens_of(http: httpx2.AsyncClient, request: ChatRequest) -> list[int]:
    messages = [{"role": one.role, "content": one.content} for one in merge_user_messages(request.messages)]
    prompt = (
        (await http.post("/apply-template", json={"messages": messages})).raise_for_status().json()["prompt"]
    )
    body = {"content": prompt, "add_special": True, "parse_special": True}
    return (await http.post("/tokenize", json=body)).raise_for_status().json()["tokens"]


def shared_tokens(prompts: Sequence[Sequence[int]]) -> list[int]:
    """For each prompt the length of the longest beginning that an earlier one has too.

    One less where that is the whole prompt: an engine reads at least one token to answer.
    """
    return [
        min(len(prompt) - 1, max((_common(prompt, earlier) for earlier in prompts[:number]), default=0))
        for number, prompt in enumerate(prompts)
    ]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
