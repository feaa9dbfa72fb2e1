"""The roadmap's flags: all of them, typed, and plain about what this version does not have."""

import pytest

from naestro.config import Flags, Settings, load_settings, require_available, unavailable_flags
from naestro.errors import FeatureUnavailable

ROADMAP = {
    "MCP_ENABLED": "0",
    "UNIFIED_AI_ENABLED": "true",
    "EDENAI_API_KEY": "sk-1",
    "ACP_ENABLED": "0",
    "NEMO_URL": "http://localhost:9000",
    "GAIA_ENABLED": "on",
    "VOICE_ENABLED": "1",
    "LOCAL_MODELS": "a,b",
    "CONCURRENCY_MAX": "2",
    "WS_HEARTBEAT_MS": "500",
}
PRESENT = {"ACP_ENABLED", "MCP_ENABLED", "LOCAL_MODELS", "CONCURRENCY_MAX", "WS_HEARTBEAT_MS"}


def test_the_tree_has_the_flags_of_the_roadmap_and_no_other() -> None:
    assert {name.upper() for name in Flags.model_fields} == set(ROADMAP)


def test_the_defaults_are_the_roadmaps() -> None:
    flags = Settings().flags
    assert (flags.concurrency_max, flags.ws_heartbeat_ms, flags.local_models) == (8, 20_000, ())
    assert flags.acp_enabled
    assert flags.mcp_enabled
    require_available(Settings())


@pytest.mark.parametrize("name", sorted(ROADMAP))
def test_a_flag_is_read_by_its_bare_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, ROADMAP[name])
    flags = load_settings(None).settings.flags
    assert getattr(flags, name.lower()) != getattr(Flags(), name.lower())


@pytest.mark.parametrize("name", sorted(set(ROADMAP) - PRESENT))
def test_a_flag_of_a_later_feature_is_answered_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, ROADMAP[name])
    settings = load_settings(None).settings
    assert unavailable_flags(settings) == [name]
    with pytest.raises(FeatureUnavailable, match=f"The flag {name} is set"):
        require_available(settings)


@pytest.mark.parametrize("name", sorted(PRESENT))
def test_a_flag_that_is_there_raises_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, ROADMAP[name])
    require_available(load_settings(None).settings)


def test_making_settings_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCURRENCY_MAX", "2")
    monkeypatch.setenv("ISOLATED", "1")
    assert Settings().flags.concurrency_max == Flags().concurrency_max == 8
    assert not Settings().isolated
