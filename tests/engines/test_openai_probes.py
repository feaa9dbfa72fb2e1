"""Health and metrics: what the adapter asks each kind of server, and how it reads the answer."""

import pytest

from naestro.engines.engine import EngineMetrics
from naestro.engines.openai import OpenAIEngine
from naestro.engines.prometheus import NAMES, read_metrics
from naestro.errors import EngineRefused, EngineTimeout, EngineUnreachable
from tests.engines.conftest import OpenEngine
from tests.support.answers import Answer, fail, say, words_of
from tests.support.scripted_server import ScriptedServer

LLAMA_CPP = """\
# HELP llamacpp:requests_processing Number of requests processing.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 2
llamacpp:requests_deferred 1
llamacpp:prompt_tokens_cached_total 1.33e+02
llamacpp:predicted_tokens_seconds 12.5
"""
VLLM = """\
vllm:num_requests_running{engine="0",model_name="tiny"} 2.0
vllm:num_requests_running{engine="1",model_name="a } b"} 1.0
vllm:num_requests_waiting{engine="0",model_name="tiny"} 4.0 1395066363000
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.5
vllm:prefix_cache_hits_total{engine="0"} 640.0
vllm:time_to_first_token_seconds_bucket{le="+Inf"} 9
"""
TENSORRT = """\
trtllm_num_requests_running{model_name="tiny"} 3
trtllm_kv_cache_utilization{model_name="tiny"} 0.75
trtllm_kv_cache_hit_rate{model_name="tiny"} 0.5
"""


@pytest.mark.parametrize(
    ("flavour", "text", "metrics"),
    [
        ("llama.cpp", LLAMA_CPP, EngineMetrics(running=2, waiting=1, cached_tokens_total=133)),
        ("vllm", VLLM, EngineMetrics(running=3, waiting=4, kv_cache_used=0.5, cached_tokens_total=640)),
        ("tensorrt-llm", TENSORRT, EngineMetrics(running=3, kv_cache_used=0.75)),
        ("vllm", "", EngineMetrics()),
        ("vllm", "<html>vllm:num_requests_running</html>", EngineMetrics()),
        ("llama.cpp", "llamacpp:requests_processing NaN\nllamacpp:requests_deferred +Inf", EngineMetrics()),
        ("llama.cpp", "llamacpp:requests_processing x", EngineMetrics()),
    ],
)
def test_the_text_of_each_server_is_read(flavour, text: str, metrics: EngineMetrics) -> None:
    assert read_metrics(text, NAMES[flavour]) == metrics


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("flavour", "page"), [("llama.cpp", "/metrics"), ("tensorrt-llm", "/prometheus/metrics")]
)
async def test_metrics_are_asked_where_the_server_has_them(
    scripted_server: ScriptedServer, open_engine: OpenEngine, flavour: str, page: str
) -> None:
    scripted_server.pages = {page: Answer(body=LLAMA_CPP + TENSORRT)}
    metrics = await open_engine(flavour=flavour, api_key="sk-key").metrics()
    assert metrics.running in (2, 3)
    [request] = scripted_server.requests
    assert (request.method, request.path) == ("GET", page)
    assert request.headers["authorization"] == "Bearer sk-key"


@pytest.mark.anyio
@pytest.mark.parametrize("status", [404, 501])
async def test_a_server_without_metrics_tells_nothing(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine, status: int
) -> None:
    scripted_server.pages["/metrics"] = fail(status)
    assert await openai_engine.metrics() == EngineMetrics()


@pytest.mark.anyio
async def test_a_cloud_api_is_not_asked_for_metrics(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    assert await open_engine(flavour="openai").metrics() == EngineMetrics()
    assert scripted_server.requests == []


@pytest.mark.anyio
async def test_metrics_that_are_refused_are_an_error(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.pages["/metrics"] = words_of("llama.cpp", "wrong key")
    with pytest.raises(EngineRefused, match="Invalid API Key"):
        await openai_engine.metrics()


@pytest.mark.anyio
async def test_metrics_of_a_server_that_went_away_are_an_error(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.stop()
    with pytest.raises(EngineUnreachable):
        await openai_engine.metrics()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("flavour", "path"),
    [
        ("llama.cpp", "/health"),
        ("vllm", "/health"),
        ("tensorrt-llm", "/health_generate"),
        ("openai", "/v1/models"),
    ],
)
async def test_health_is_asked_where_each_server_tells_it(
    scripted_server: ScriptedServer, open_engine: OpenEngine, flavour: str, path: str
) -> None:
    scripted_server.pages["/health_generate"] = Answer()
    health = await open_engine(flavour=flavour).health()
    assert health.is_ready
    assert health.detail == f"scripted at http://127.0.0.1:{scripted_server.port}"
    assert [request.path for request in scripted_server.requests] == [path]


@pytest.mark.anyio
async def test_an_engine_that_loads_is_not_ready_and_says_so(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.pages["/health"] = words_of("llama.cpp", "loading")
    health = await openai_engine.health()
    assert not health.is_ready
    assert "Loading model" in health.detail


@pytest.mark.anyio
async def test_an_engine_that_is_down_is_not_ready_and_raises_nothing(
    scripted_server: ScriptedServer, openai_engine: OpenAIEngine
) -> None:
    scripted_server.stop()
    health = await openai_engine.health()
    assert not health.is_ready
    assert "nothing answers there" in health.detail


@pytest.mark.anyio
async def test_a_server_that_hangs_is_not_ready_after_the_time_for_probes(
    scripted_server: ScriptedServer, open_engine: OpenEngine
) -> None:
    scripted_server.pages["/health"] = say("", first_token_delay_s=60)
    engine = open_engine(probe_s=0.05)
    health = await engine.health()
    assert (health.is_ready, "within 0.05 s" in health.detail) == (False, True)
    scripted_server.pages["/metrics"] = scripted_server.pages["/health"]
    with pytest.raises(EngineTimeout):
        await engine.metrics()
