"""Secrets stay out of everything that is shown, raised or recorded."""

import json

import pytest

from naestro.config import (
    EngineSettings,
    api_key,
    environment_for_child,
    load_settings,
    settings_for_journal,
)
from naestro.errors import ConfigError
from tests.config.conftest import Load

SECRET = "sk-verysecret42"


def test_a_secret_is_masked_where_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDENAI_API_KEY", SECRET)
    loaded = load_settings(None)
    assert [line.value for line in loaded.shown() if line.key == "flags.edenai_api_key"] == ["********"]
    for text in (repr(loaded), str(loaded.settings), repr(loaded.shown()), loaded.settings.model_dump_json()):
        assert SECRET not in text
    key = loaded.settings.flags.edenai_api_key
    assert key is not None
    assert key.get_secret_value() == SECRET


def test_a_secret_that_is_not_set_is_shown_as_such() -> None:
    assert [line.value for line in load_settings(None).shown() if "api_key" in line.key] == ["null"]


def test_the_recorded_settings_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDENAI_API_KEY", SECRET)
    recorded = settings_for_journal(load_settings(None).settings)
    assert SECRET not in json.dumps(recorded)
    assert "edenai" not in json.dumps(recorded)


@pytest.mark.parametrize(
    "text",
    [
        "[flags]\nedenai_api_key = 4242",
        '[flags]\nedenai_api_key = ["4242"]',
        '[flags]\nedenai_key = "4242"',
        '[engines.a]\nbase_url = "http://me:4242@host/v1"',
        '[engines.a]\nbase_url = "http://4242@host/v1"',
        '[engines.a]\nbase_url = "http://host/v1"\napi_key_env = "sk-4242"',
        '[flags]\nnemo_url = "http://me:4242@host"',
        '[models]\nhub_url = "http://me:4242@host"',
    ],
)
def test_an_error_never_repeats_what_may_be_a_secret(load: Load, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(user=text)
    assert "4242" not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"


def test_an_engines_key_is_read_from_the_variable_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EngineSettings(base_url="http://host/v1", api_key_env="MY_KEY")
    monkeypatch.setenv("MY_KEY", SECRET)
    key = api_key(engine)
    assert key is not None
    assert key.get_secret_value() == SECRET
    assert SECRET not in repr(key)


def test_an_engine_without_a_key_needs_none() -> None:
    assert api_key(EngineSettings(base_url="http://host/v1")) is None


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_key_is_told_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError, match=r"The variable MY_KEY, .* is not set"):
        api_key(EngineSettings(base_url="http://host/v1", api_key_env="MY_KEY"))


def test_a_child_gets_the_environment_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDENAI_API_KEY", SECRET)
    monkeypatch.setenv("MY_KEY", SECRET)
    monkeypatch.setenv("PIP_INDEX_URL", "http://index")
    child = environment_for_child({"TMPDIR": "/t"}, without=["MY_KEY"])
    assert child["TMPDIR"] == "/t"
    assert child["PIP_INDEX_URL"] == "http://index"
    assert SECRET not in child.values()
