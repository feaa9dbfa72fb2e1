"""Whose environment counts: the process's own, or that of the caller who is worked for."""

import os
from pathlib import Path

import anyio
import pytest

from naestro.config import (
    EngineSettings,
    api_key,
    cache,
    environment,
    environment_for_child,
    home,
    load_settings,
    user_file,
)
from naestro.errors import ConfigError

KEYED = EngineSettings(base_url="http://127.0.0.1:1/v1", api_key_env="SOME_KEY")


def proposers() -> int:
    return load_settings(None).settings.council.proposers


def test_settings_and_flags_come_from_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_COUNCIL__PROPOSERS", "5")
    monkeypatch.setenv("CONCURRENCY_MAX", "5")
    with environment({"naestro_council__proposers": "2", "CONCURRENCY_MAX": "3", "PATH": "/bin"}):
        loaded = load_settings(None)
        assert (loaded.settings.council.proposers, loaded.settings.flags.concurrency_max) == (2, 3)
        assert str(loaded.sources["council.proposers"]) == "environment variable naestro_council__proposers"
    assert proposers() == 5


def test_a_caller_without_any_variable_has_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_COUNCIL__PROPOSERS", "5")
    with environment({}):
        assert proposers() == 3
        with environment(None):
            assert proposers() == 5
        assert proposers() == 3


def test_an_empty_variable_of_the_caller_counts_as_none() -> None:
    with environment({"NAESTRO_COUNCIL__PROPOSERS": "", "CONCURRENCY_MAX": ""}):
        assert proposers() == 3


def test_a_wrong_variable_of_the_caller_is_refused_by_its_name() -> None:
    with environment({"NAESTRO_COUNCIL__PROPOSER": "2"}), pytest.raises(ConfigError, match="did you mean"):
        load_settings(None)
    with environment({"NAESTRO_COUNCIL__PROPOSERS": "many"}), pytest.raises(ConfigError, match="PROPOSERS"):
        load_settings(None)


def test_a_key_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "of the process")
    with environment({"SOME_KEY": "of the caller"}):
        key = api_key(KEYED)
        assert key is not None
        assert key.get_secret_value() == "of the caller"
    with environment({}), pytest.raises(ConfigError, match="SOME_KEY"):
        api_key(KEYED)


def test_folders_and_children_stay_with_the_process(tmp_path: Path) -> None:
    before = (home(), cache(), user_file(), environment_for_child())
    elsewhere = str(tmp_path / "elsewhere")
    with environment({"NAESTRO_HOME": elsewhere, "NAESTRO_CACHE": elsewhere}):
        assert (home(), cache(), user_file(), environment_for_child()) == before
        load_settings(None)
    assert environment_for_child().items() <= dict(os.environ).items()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.anyio
async def test_a_task_keeps_the_environment_in_which_it_was_started() -> None:
    seen: dict[str, int] = {}
    may_look = anyio.Event()

    async def look(name: str) -> None:
        await may_look.wait()
        seen[name] = proposers()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in (2, 4):
                with environment({"NAESTRO_COUNCIL__PROPOSERS": str(number)}):
                    tasks.start_soon(look, str(number))
            tasks.start_soon(look, "own")
            may_look.set()
    assert seen == {"2": 2, "4": 4, "own": 3}
