"""What engines tell of themselves in Prometheus' text format, and which of their names mean what.

`openai` above fetches the text; this module reads it. It knows no HTTP. Names: the project's measured facts on
llama.cpp and vLLM, TensorRT-LLM's documentation. Format: Prometheus, "Exposition formats", text version 0.0.4.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from naestro.engines.engine import EngineMetrics
from naestro.engines.wire import Flavour

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{.*\})?[ \t]+(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Names:
    """Where a server serves its metrics (from its root) and how it calls them; empty where it has none."""

    path: str
    running: str
    waiting: str
    kv_cache_used: str
    cached_tokens_total: str


NAMES: Mapping[Flavour, Names] = {
    "llama.cpp": Names(
        path="/metrics",
        running="llamacpp:requests_processing",
        waiting="llamacpp:requests_deferred",
        kv_cache_used="llamacpp:kv_cache_usage_ratio",
        cached_tokens_total="llamacpp:prompt_tokens_cached_total",
    ),
    "vllm": Names(
        path="/metrics",
        running="vllm:num_requests_running",
        waiting="vllm:num_requests_waiting",
        kv_cache_used="vllm:kv_cache_usage_perc",
        cached_tokens_total="vllm:prefix_cache_hits_total",
    ),
    "tensorrt-llm": Names(
        path="/prometheus/metrics",
        running="trtllm_num_requests_running",
        waiting="trtllm_num_requests_waiting",
        kv_cache_used="trtllm_kv_cache_utilization",
        cached_tokens_total="",
    ),
}
"""`openai` is not among them: a cloud API has no such page."""


def read_metrics(text: str, names: Names) -> EngineMetrics:
    """The metrics in `text`; counts are added up over an engine's replicas, of the cache's use the fullest counts."""
    samples = _samples(text)
    return EngineMetrics(
        running=_count(samples.get(names.running)),
        waiting=_count(samples.get(names.waiting)),
        kv_cache_used=max(samples.get(names.kv_cache_used, []), default=None),
        cached_tokens_total=_count(samples.get(names.cached_tokens_total)),
    )


def _samples(text: str) -> dict[str, list[float]]:
    """Each name with its values, one for each set of labels; what is no finite number is left out."""
    found: dict[str, list[float]] = {}
    for name, value in _SAMPLE.findall(text):
        if (number := _finite(value)) is not None:
            found.setdefault(name, []).append(number)
    return found


def _finite(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _count(values: list[float] | None) -> int | None:
    return round(sum(values)) if values else None
