"""What is on this machine: models with their sources, a fetch that can be left and taken up, servers, settings."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from naestro.client.api import Machine, PullProgress
from naestro.client.machine import LocalMachine
from naestro.engines.catalogue import Catalogue, Model, Packages, catalogue
from naestro.engines.fetch import installed
from naestro.errors import ChecksumMismatch, DownloadFailed, IsolationError, ModelUnknown
from tests.support.hub import Hub

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 1200
PACKAGES = Packages("tiny-part{n}", "1.0", "data", 3)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of this test alone; the hub is the only source."""
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NAESTRO_MODELS__SOURCES", "hub")
    monkeypatch.delenv("NAESTRO_ISOLATED", raising=False)
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has the file of `tiny`, named by the settings."""
    with Hub(CONTENT) as server:
        monkeypatch.setenv("NAESTRO_MODELS__HUB_URL", server.url)
        yield server


def machine(sha256: str | None = None, packages: Packages | None = PACKAGES) -> LocalMachine:
    """A machine whose catalogue has `tiny` alone."""
    tiny = Model(
        name="tiny",
        purpose="demo",
        summary="300 kB that no engine loads",
        licence="CC0-1.0",
        context_tokens=8,
        size_bytes=len(CONTENT),
        sha256=sha256 or hashlib.sha256(CONTENT).hexdigest(),
        hub_path="tiny/tiny.gguf",
        packages=packages,
    )
    return LocalMachine(rows=Catalogue("https://hub.example", [tiny]))


async def pulled(one: Machine) -> list[PullProgress]:
    """All that a pull of `tiny` tells."""
    async with one.pull("tiny") as steps:
        return [step async for step in steps]


async def test_models_are_the_catalogue_and_one_is_recommended() -> None:
    models = await LocalMachine().models()
    assert [model.name for model in models] == catalogue().names()
    assert [model.name for model in models if model.is_recommended] == ["qwen2.5-coder-0.5b"]
    assert all(model.licence == "Apache-2.0" and model.size_bytes > 1_000_000 for model in models)
    assert not any(model.is_installed for model in models)


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (
            "hub,packages",
            "the model hub at hub.example, else packages of the Python index (tiny-part1 to tiny-part3, 1.0)",
        ),
        ("packages", "packages of the Python index (tiny-part1 to tiny-part3, 1.0)"),
    ],
)
async def test_a_model_says_where_it_would_come_from(
    sources: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAESTRO_MODELS__SOURCES", sources)
    (model,) = await machine().models()
    assert model.source == told


async def test_a_model_that_no_package_carries_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_MODELS__SOURCES", "packages")
    (model,) = await machine(packages=None).models()
    assert model.source == "nowhere"


async def test_a_model_comes_from_nowhere_in_isolation_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_ISOLATED", "1")
    one = machine()
    (model,) = await one.models()
    assert model.source == "nowhere: isolation mode is on"
    with pytest.raises(IsolationError, match="tiny cannot be fetched"):
        await pulled(one)


async def test_a_pull_tells_how_far_it_is_and_ends_with_the_whole(hub: Hub) -> None:
    one = machine()
    steps = await pulled(one)
    assert steps[-1] == PullProgress(
        name="tiny", done_bytes=len(CONTENT), total_bytes=len(CONTENT), detail="tiny is here, and whole."
    )
    assert "from the model hub" in [step.detail for step in steps]
    (model,) = await one.models()
    assert model.is_installed
    assert len(hub.ranges) == 1


async def test_a_pull_of_what_is_here_asks_nobody(hub: Hub) -> None:
    await pulled(machine())
    (step,) = await pulled(machine())
    assert step.detail == "tiny is here already, and whole."
    assert step.done_bytes == step.total_bytes
    assert len(hub.ranges) == 1


async def test_leaving_a_pull_stops_it_and_the_next_one_goes_on_there(hub: Hub, home: Path) -> None:
    hub.holds.clear()
    one = machine()
    with anyio.fail_after(30):
        async with one.pull("tiny") as steps:
            await anext(aiter(steps))
            while not _unfinished_bytes(home):  # noqa: ASYNC110  a file grows; nobody tells
                await anyio.sleep(0.01)
    assert installed(one._rows) == []
    kept_bytes = _unfinished_bytes(home)
    hub.holds.set()
    steps = await pulled(one)
    assert steps[-1].done_bytes == len(CONTENT)
    assert hub.ranges == [None, f"bytes={kept_bytes}-"]


def _unfinished_bytes(home: Path) -> int:
    path = home / "cache" / "models" / "unfinished" / "tiny.hub"
    return path.stat().st_size if path.exists() else 0


async def test_a_cancelled_pull_leaves_no_task_behind(hub: Hub) -> None:
    hub.holds.clear()
    with anyio.move_on_after(30) as scope:
        async with machine().pull("tiny") as steps:
            async for _ in steps:
                scope.cancel()
    assert scope.cancelled_caught


async def test_a_reader_that_sleeps_gets_the_sentences_and_the_newest_count(hub: Hub, home: Path) -> None:
    async with machine().pull("tiny") as steps:
        with anyio.fail_after(30):
            while not (home / "cache" / "models" / "tiny.gguf").exists():  # noqa: ASYNC110  nobody tells
                await anyio.sleep(0.01)
        told = [step async for step in steps]
    assert [step.detail for step in told] == [
        "from the model hub",
        "Verifying the SHA-256.",
        "tiny is here, and whole.",
    ]
    assert told[0].done_bytes == len(CONTENT)


async def test_what_ends_a_pull_is_raised_to_its_reader(hub: Hub) -> None:
    hub.status = 503
    with pytest.raises(DownloadFailed, match="The model hub refused: 503"):
        await pulled(machine())
    hub.status = 200
    with pytest.raises(ChecksumMismatch):
        await pulled(machine(sha256="0" * 64))
    with pytest.raises(ModelUnknown, match="'other'"):
        async with machine().pull("other") as steps:
            await anext(aiter(steps))


async def test_servers_are_asked_within_a_second() -> None:
    with anyio.fail_after(30):
        for server in await LocalMachine().servers():
            assert server.base_url.startswith("http://127.0.0.1:")


async def test_settings_are_told_with_their_source_and_secrets_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "naestro.toml").write_text("[council]\nproposers = 2\n")
    (tmp_path / "deep").mkdir()
    monkeypatch.setenv("EDENAI_API_KEY", "hush")
    told = await LocalMachine().settings(str(tmp_path / "deep"))
    value, source = told["council.proposers"]
    assert (json.loads(value), source) == (2, f"workspace file {tmp_path / 'naestro.toml'}")
    assert told["isolated"] == ("false", "default")
    assert "hush" not in repr(told)
