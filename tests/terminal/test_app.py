"""The composition root: which engines settings make, what it refuses, and what a client says of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from naestro.app import open_client, open_core, prepare, settings_of
from naestro.client.api import Command
from naestro.config import Settings, environment
from naestro.engines.embedded import EmbeddedEngine, Home
from naestro.engines.openai import OpenAIEngine
from naestro.engines.shelf import DEFAULT_CONTEXT_TOKENS, Shelf
from naestro.errors import ConfigError, InputError, IsolationError, NoEngine
from naestro.types import Origin
from tests.support.cli import CONFIG
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

REMOTE = {"kind": "openai", "base_url": "http://10.0.0.1/v1"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of their own, with no model in them."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("NAESTRO_HOME", str(home))
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))
    return home


@asynccontextmanager
async def shelf_in(tmp_path: Path) -> AsyncIterator[Shelf]:
    async with anyio.create_task_group() as tasks, Shelf(Home(tmp_path / "logs", tasks)) as shelf:
        yield shelf


def settings(tmp_path: Path, overrides: dict) -> Settings:
    return settings_of(tmp_path, {"flags": {"local_models": []}, **overrides}).settings


@pytest.mark.engine
async def test_each_kind_of_engine_is_made_once_from_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smallest_model: Path
) -> None:
    monkeypatch.setenv("NAESTRO_CACHE", str(smallest_model.parents[1]))
    monkeypatch.setenv("A_KEY", "secret")
    small = {"kind": "embedded", "model": "smollm2-135m", "context_tokens": 1024}
    wanted = settings(tmp_path, {"engines": {"server": {**REMOTE, "api_key_env": "A_KEY"}, "small": small}})
    async with shelf_in(tmp_path) as shelf:
        engines = shelf.engines(wanted)
        made = {one.info.name: (type(one), one.info.context_tokens) for one in engines}
        assert made["server"] == (OpenAIEngine, DEFAULT_CONTEXT_TOKENS)
        assert made["small"] == (EmbeddedEngine, 1024)
        assert shelf.engines(wanted) == engines


async def test_a_key_that_is_not_set_is_told(tmp_path: Path) -> None:
    wanted = settings(tmp_path, {"engines": {"server": {**REMOTE, "api_key_env": "NO_SUCH_KEY"}}})
    async with shelf_in(tmp_path) as shelf:
        with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
            shelf.engines(wanted)


async def test_isolation_makes_no_engine_beyond_this_machine(tmp_path: Path) -> None:
    near = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"}
    alone = {"engines": {"far": REMOTE, "near": near}, "isolated": True}
    async with shelf_in(tmp_path) as shelf:
        assert [one.info.name for one in shelf.engines(settings(tmp_path, alone))] == ["near"]
        named = settings(tmp_path, {**alone, "roles": {"proposer": {"engines": ["near", "far"]}}})
        with pytest.raises(IsolationError, match="forbids the engine far"):
            shelf.engines(named)


async def test_a_client_tells_which_engines_answer(
    tmp_path: Path, home: Path, scripted_server: ScriptedServer
) -> None:
    (home / "config.toml").write_text(CONFIG.format(url=scripted_server.base_url))
    async with open_client("a test") as client:
        states = await client.engines(str(tmp_path))
    assert [(state.name, state.context_tokens, state.is_local) for state in states] == [
        ("alpha", 8192, True),
        ("beta", 8192, True),
    ]


def test_an_unknown_command_and_an_empty_task_are_refused(tmp_path: Path) -> None:
    wanted = Command(name="dance", task={"text": "x"}, workspace=str(tmp_path), origin=Origin.HTTP)
    with pytest.raises(InputError, match="no command 'dance'"):
        prepare(wanted)
    with pytest.raises(InputError, match="The task is empty"):
        prepare(Command(name="explain", task={}, workspace=str(tmp_path), origin=Origin.HTTP))


async def test_a_role_whose_engine_is_not_there_starts_no_run(tmp_path: Path) -> None:
    wrong = Command(
        name="explain",
        task={"text": "Why?"},
        workspace=str(tmp_path),
        origin=Origin.CLI,
        settings={"engines": {"server": REMOTE}, "roles": {"critic": {"engines": ["server", "sever"]}}},
    )
    with pytest.raises(NoEngine, match=r"'sever', which roles.critic.engines names; there are: server"):
        prepare(wrong)
    async with open_client("test") as client:
        with pytest.raises(NoEngine):
            await client.start(wrong)
        assert await client.runs() == []


async def test_two_callers_with_keys_of_their_own_share_no_engine(tmp_path: Path) -> None:
    wanted = settings(tmp_path, {"engines": {"server": {**REMOTE, "api_key_env": "A_KEY"}}})
    async with shelf_in(tmp_path) as shelf:
        with environment({"A_KEY": "mine"}):
            mine = shelf.engines(wanted)
            assert shelf.engines(wanted) == mine
        with environment({"A_KEY": "yours"}):
            assert shelf.engines(wanted) != mine
        with environment({}), pytest.raises(ConfigError, match="A_KEY"):
            shelf.engines(wanted)


async def test_a_caller_sees_the_machine_by_its_own_settings(tmp_path: Path) -> None:
    async with open_core("test") as client:
        shown = await client.bound({"NAESTRO_COUNCIL__PROPOSERS": "2"}).machine.settings(str(tmp_path))
        assert shown["council.proposers"] == ("2", "environment variable NAESTRO_COUNCIL__PROPOSERS")
        assert (await client.machine.settings(str(tmp_path)))["council.proposers"][0] == "3"
