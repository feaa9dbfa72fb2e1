"""Models on this machine: found, fetched by one at a time, removed; and what stops a fetch."""

import os
from pathlib import Path

import anyio
import pytest

from naestro.config import Settings
from naestro.engines.catalogue import catalogue
from naestro.engines.fetch import installed, path_of, pull, remove
from naestro.errors import (
    DownloadFailed,
    IsolationError,
    ModelError,
    ModelMissing,
    ModelUnknown,
)
from tests.models.conftest import CONTENT, Puller, left_behind, rows, until, with_row
from tests.support.hub import Hub
from tests.support.unprivileged import unprivileged

NAME = "smollm2-135m"


def put(cache: Path, name: str = NAME, size_bytes: int | None = None) -> Path:
    """A file of the right size (without its bytes) under the name of a model."""
    path = cache / "models" / f"{name}.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, catalogue().find(name).size_bytes if size_bytes is None else size_bytes)
    return path


def test_a_model_that_is_here_has_a_path(cache: Path) -> None:
    path = put(cache)
    assert path_of(NAME) == path
    assert installed() == [NAME]


def test_a_model_that_is_not_here_is_told_with_how_to_get_it() -> None:
    with pytest.raises(ModelMissing, match="is not on this machine") as caught:
        path_of(NAME)
    assert caught.value.hint == f"Run `naestro models pull {NAME}`."
    assert installed() == []


def test_a_file_of_another_size_is_no_model(cache: Path) -> None:
    put(cache, size_bytes=5)
    assert installed() == []
    with pytest.raises(ModelMissing):
        path_of(NAME)


def test_an_unknown_model_is_told_with_the_known_ones() -> None:
    with pytest.raises(
        ModelUnknown, match=r"No model of the name 'gpt' is in the catalogue; it has smollm2-135m, "
    ):
        path_of("gpt")


def test_a_file_of_the_persons_own_is_a_model(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.touch()
    assert path_of(str(own)) == own
    with pytest.raises(ModelMissing, match=r"There is no model file .*other\.gguf"):
        path_of(str(tmp_path / "other.gguf"))


def test_removing_frees_the_file_and_what_is_unfinished(cache: Path) -> None:
    path = put(cache)
    unfinished = cache / "models" / "unfinished"
    unfinished.mkdir()
    for name in (f"{NAME}.hub", f"{NAME}.packages", "other.hub"):
        (unfinished / name).write_bytes(b"12345")
    assert remove(NAME) == catalogue().find(NAME).size_bytes + 10
    assert not path.exists()
    assert [left.name for left in unfinished.iterdir()] == ["other.hub"]
    assert remove(NAME) == 0


def test_removing_an_unknown_model_is_refused() -> None:
    with pytest.raises(ModelUnknown):
        remove("../../etc/passwd")


def test_removing_without_permission_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with unprivileged() as folder:
        monkeypatch.setenv("NAESTRO_CACHE", str(folder))
        put(folder)
        (folder / "models").chmod(0o500)
        with pytest.raises(ModelError, match="cannot be written: Permission denied"):
            remove(NAME)


@pytest.mark.anyio
async def test_a_whole_model_is_not_fetched_again(hub: Hub) -> None:
    puller = Puller(hub_url=hub.url)
    path = await puller("hub")
    assert await puller("hub") == path
    assert puller.texts[-1] == "tiny is here already, and whole."
    assert len(hub.ranges) == 1


@pytest.mark.anyio
async def test_a_damaged_model_is_fetched_again(hub: Hub) -> None:
    puller = Puller(hub_url=hub.url)
    path = await puller("hub")
    path.write_bytes(bytes(len(CONTENT)))
    assert (await puller("hub")).read_bytes() == CONTENT


@pytest.mark.anyio
async def test_two_pulls_at_once_do_the_work_once(hub: Hub) -> None:
    first, second = Puller(hub_url=hub.url), Puller(hub_url=hub.url)
    hub.holds.clear()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first, "hub")
            await until(lambda: first.told)
            tasks.start_soon(second, "hub")
            await until(lambda: second.told)
            hub.holds.set()
    assert len(hub.ranges) == 1
    assert second.texts == [
        "tiny is being fetched already; waiting for that.",
        "tiny is here already, and whole.",
    ]


@pytest.mark.anyio
async def test_a_cancelled_pull_leaves_no_final_file_and_keeps_what_came(hub: Hub, cache: Path) -> None:
    puller = Puller(hub_url=hub.url)
    hub.holds.clear()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(puller, "hub")
            await until(lambda: puller.done and puller.done[-1] >= 200_000)
            tasks.cancel_scope.cancel()
    hub.holds.set()
    assert not (cache / "models" / "tiny.gguf").exists()
    assert left_behind(cache) == {"tiny.hub", "tiny.hub.json"}
    assert (await puller("hub")).read_bytes() == CONTENT
    assert hub.ranges[1] is not None


@pytest.mark.anyio
async def test_isolation_mode_fetches_nothing(hub: Hub, index: Path) -> None:
    puller = Puller(hub_url=hub.url)
    with pytest.raises(IsolationError, match="Isolation mode is on, so the model tiny cannot be fetched"):
        await puller(isolated=True)
    assert hub.ranges == []


@pytest.mark.anyio
async def test_isolation_mode_gives_what_is_here(hub: Hub) -> None:
    path = await Puller(hub_url=hub.url)("hub")
    assert await Puller(hub_url=hub.url)("hub", isolated=True) == path


@pytest.mark.anyio
async def test_an_unknown_model_is_not_fetched() -> None:
    with pytest.raises(ModelUnknown):
        await pull("gpt", Settings())


@pytest.mark.anyio
async def test_a_disk_without_room_is_told_before_anything_is_fetched(hub: Hub) -> None:
    puller = Puller(hub_url=hub.url)
    with_row(puller, size_bytes=10**18)
    with pytest.raises(
        ModelError, match=r"The model tiny needs 1000000000067 MB in .*, and \d+ MB are free"
    ) as caught:
        await puller("hub")
    assert "NAESTRO_CACHE" in caught.value.hint
    with pytest.raises(ModelError, match="needs 1333333333400 MB"):
        await puller("packages")
    assert hub.ranges == []


@pytest.mark.anyio
async def test_a_folder_without_permission_is_told(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    with unprivileged() as folder:
        folder.chmod(0o500)
        monkeypatch.setenv("NAESTRO_CACHE", str(folder))
        with pytest.raises(ModelError, match="cannot be written: Permission denied") as caught:
            await Puller(hub_url=hub.url)("hub")
    assert "NAESTRO_CACHE" in caught.value.hint


@pytest.mark.anyio
async def test_an_unfinished_file_without_permission_is_told(
    monkeypatch: pytest.MonkeyPatch, hub: Hub
) -> None:
    import httpx2  # noqa: F401  its files may not be readable inside

    with unprivileged() as folder:
        (folder / "models" / "unfinished").mkdir(parents=True)
        (folder / "models" / "unfinished").chmod(0o500)
        monkeypatch.setenv("NAESTRO_CACHE", str(folder))
        with pytest.raises(ModelError, match="cannot be written: Permission denied"):
            await Puller(hub_url=hub.url)("hub")


@pytest.mark.anyio
async def test_nobody_needs_to_listen(hub: Hub) -> None:
    settings = Settings.model_validate({"models": {"hub_url": hub.url}})
    assert (await pull("tiny", settings, rows=rows())).read_bytes() == CONTENT


@pytest.mark.anyio
async def test_without_sources_nothing_can_be_fetched() -> None:
    settings = Settings.model_validate({"models": {"sources": []}})
    with pytest.raises(DownloadFailed, match="No source gave the model tiny"):
        await pull("tiny", settings, rows=rows())
