"""Embedding models of the hub by name: what is fetched of a repository, and what is said where it cannot be."""

import json
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from naestro.config import Settings
from naestro.engines import repository
from naestro.engines.fetch import Progress
from naestro.engines.fetch_repository import (
    RECORD,
    fetched,
    folder_of,
    path_of_repository,
    pull_repository,
    record_of,
    remove_repository,
)
from naestro.engines.repository import Repository, repository_of
from naestro.errors import (
    ChecksumMismatch,
    DownloadFailed,
    IsolationError,
    ModelError,
    ModelMissing,
    ModelUnknown,
)
from tests.models.conftest import until
from tests.support.model_hub import COMMIT, NAME, ModelHub
from tests.support.unprivileged import unprivileged

pytestmark = pytest.mark.anyio

WEIGHTS = random.Random(5).randbytes(200_000)
CONFIG = json.dumps({"model_type": "model2vec", "normalize": True}).encode()
MODEL2VEC = {
    ".gitattributes": b"*.safetensors filter=lfs",
    "README.md": b"---\nlicense: mit\n---\n",
    "config.json": CONFIG,
    "model.safetensors": WEIGHTS,
    "onnx/model.onnx": b"o" * 20_000,
    "tokenizer.json": b'{"model":{}}',
}
ONNX = {
    "config.json": b'{"model_type": "bert"}',
    "1_Pooling/config.json": b'{"pooling_mode_cls_token": true}',
    "model.safetensors": b"s" * 30_000,
    "onnx/model.onnx": WEIGHTS,
    "onnx/model_quantized.onnx": b"q" * 20_000,
    "pytorch_model.bin": b"p" * 30_000,
    "tokenizer.json": b'{"model":{}}',
}


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    with ModelHub(dict(MODEL2VEC)) as server:
        yield server


@dataclass
class Puller:
    """`pull_repository`, and what it told."""

    hub: ModelHub
    told: list[Progress] = field(default_factory=list)

    async def __call__(self, name: str = NAME, *, isolated: bool = False, **models: object) -> Path:
        given = {"hub_url": self.hub.url, "connect_s": 2, **models}
        settings = Settings.model_validate({"isolated": isolated, "models": given})
        return await pull_repository(name, settings, self.told.append)

    @property
    def texts(self) -> list[str]:
        return [step.text for step in self.told if step.text]


@pytest.fixture
def puller(hub: ModelHub) -> Puller:
    return Puller(hub)


def held(folder: Path) -> dict[str, bytes]:
    """The files below a folder but the record."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


def unfinished(cache: Path) -> set[str]:
    return {path.name for path in (cache / "models" / "unfinished").iterdir() if path.suffix != ".lock"}


async def test_of_a_model2vec_repository_three_files_come_and_are_told(puller: Puller, cache: Path) -> None:
    folder = await puller()
    assert folder == cache / "models" / "owner--model" == path_of_repository(NAME)
    assert held(folder) == {
        name: MODEL2VEC[name] for name in ("config.json", "model.safetensors", "tokenizer.json")
    }
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert puller.texts == [
        "Fetching revision 0123456789ab from the model hub: 0.2 MB in 3 files, licence mit.",
        "owner/model is here, and whole.",
    ]
    assert puller.told[-1].done_bytes == puller.told[-1].total_bytes
    assert unfinished(cache) == set()


async def test_everything_comes_from_the_commit_that_was_named_first(puller: Puller, hub: ModelHub) -> None:
    await puller()
    assert hub.asked[0] == f"/api/models/{NAME}/revision/main"
    files = [path for path in hub.asked[1:] if not path.startswith("/store/")]
    assert files
    assert all(path.startswith(f"/{NAME}/resolve/{COMMIT}/") for path in files)
    record = record_of(folder_of(NAME))
    assert record is not None
    assert (record.name, record.commit, record.licence) == (NAME, COMMIT, "mit")


async def test_of_a_sentence_model_the_onnx_file_comes_with_how_it_is_pooled(
    puller: Puller, hub: ModelHub
) -> None:
    hub.files = ONNX
    expected = ("config.json", "1_Pooling/config.json", "onnx/model.onnx", "tokenizer.json")
    assert held(await puller()) == {name: ONNX[name] for name in expected}


@pytest.mark.parametrize("outside", ["onnx/model.onnx_data", "onnx/model.onnx.data"])
async def test_an_onnx_file_whose_numbers_lie_outside_is_not_taken(
    puller: Puller, hub: ModelHub, outside: str
) -> None:
    hub.files = {**ONNX, outside: b"d"}
    assert "onnx/model_quantized.onnx" in held(await puller())


async def test_a_model_without_a_config_may_be_onnx(puller: Puller, hub: ModelHub) -> None:
    hub.files = {"model.onnx": b"o" * 20_000, "tokenizer.json": b"{}"}
    assert set(held(await puller())) == {"model.onnx", "tokenizer.json"}


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": b""},
        {"config.json": CONFIG, "model.safetensors": WEIGHTS},
        {"config.json": b"{", "model.safetensors": WEIGHTS, "tokenizer.json": b"{}"},
        {"config.json": b'{"model_type":"bert"}', "model.safetensors": WEIGHTS, "tokenizer.json": b"{}"},
    ],
)
async def test_a_repository_without_such_a_model_is_told_before_its_weights_come(
    puller: Puller, hub: ModelHub, files: dict[str, bytes]
) -> None:
    hub.files = files
    with pytest.raises(ModelError, match="owner/model holds no embedding model that the index can use"):
        await puller()
    assert not any(path.startswith("/store/") for path in hub.asked)
    assert not folder_of(NAME).exists()


async def test_names_that_lead_elsewhere_are_never_asked_for(
    puller: Puller, hub: ModelHub, cache: Path
) -> None:
    for path in ("../../evil.json", "/etc/evil", "../tokenizer.json", "config.json/../../evil"):
        hub.extra.append({"rfilename": path, "size": 4, "blobId": "0" * 40})
        hub.files[path] = b"evil"
    await puller()
    assert not [path for path in hub.asked if "evil" in path or ".." in path]
    assert not [path for path in cache.rglob("*") if "evil" in path.name]


async def test_a_cut_connection_goes_on_where_it_broke(puller: Puller, hub: ModelHub) -> None:
    hub.cut_after = [100_000]
    assert held(await puller())["model.safetensors"] == WEIGHTS
    assert len(hub.ranges) == 2
    assert hub.ranges[0] is None
    assert hub.ranges[1] is not None


async def test_a_later_pull_fetches_only_what_is_missing(puller: Puller, hub: ModelHub, cache: Path) -> None:
    hub.cut_after = [40_000, 40_000, 40_000, 40_000]
    with pytest.raises(DownloadFailed, match="The model hub is not reachable") as caught:
        await puller()
    assert "kept" in caught.value.hint
    assert not folder_of(NAME).exists()
    hub.asked.clear()
    assert held(await puller())["model.safetensors"] == WEIGHTS
    assert hub.ranges[-1] == "bytes=160000-"
    assert not [path for path in hub.asked if path.endswith(("config.json", "tokenizer.json"))]
    assert unfinished(cache) == set()


async def test_a_cancelled_pull_leaves_no_folder_and_is_gone_on_with(puller: Puller, hub: ModelHub) -> None:
    hub.holds.clear()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(puller)
            await until(lambda: puller.told and puller.told[-1].done_bytes > 100_000)
            tasks.cancel_scope.cancel()
    hub.holds.set()
    assert not folder_of(NAME).exists()
    assert held(await puller())["model.safetensors"] == WEIGHTS
    assert hub.ranges[-1] is not None


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
async def test_a_file_that_is_not_what_the_hub_says_is_thrown_away(
    puller: Puller, hub: ModelHub, cache: Path, file: str
) -> None:
    hub.wrong_sums = {file}
    with pytest.raises(ChecksumMismatch, match=f"What came as {file} is not what the model hub says of it"):
        await puller()
    assert not folder_of(NAME).exists()
    assert not [name for name in unfinished(cache) if name.endswith(".hub")]


async def test_a_file_of_another_size_is_refused(puller: Puller, hub: ModelHub) -> None:
    hub.sizes = {"model.safetensors": len(WEIGHTS) + 1}
    with pytest.raises(DownloadFailed, match="The model hub has another file: 200000 bytes, not 200001"):
        await puller()


async def test_a_model_that_is_too_large_is_refused_before_it_is_fetched(
    puller: Puller, hub: ModelHub
) -> None:
    hub.sizes = {"model.safetensors": repository.FILES_BYTES_MAX}
    with pytest.raises(ModelError, match="owner/model has 1500 MB; the index takes models up to 1500 MB"):
        await puller()
    assert hub.ranges == []


async def test_a_hub_that_tells_no_sums_is_refused(puller: Puller, hub: ModelHub) -> None:
    hub.tells_sums = False
    with pytest.raises(DownloadFailed, match=r"tells no size and sum of config.json in owner/model"):
        await puller()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<html>", "does not say what owner/model holds"),
        (b"\xff{", "does not say what owner/model holds"),
        (b'{"sha":"../../x","siblings":[]}', "names no commit of owner/model"),
        (b" " * (repository.ANSWER_BYTES_MAX + 1), "says more than 16 MB of one model"),
    ],
)
async def test_an_answer_that_is_none_is_told(
    puller: Puller, hub: ModelHub, answer: bytes, said: str
) -> None:
    hub.answer = answer
    with pytest.raises(DownloadFailed, match=said):
        await puller()


async def test_a_repository_that_is_not_there_or_private_is_told_in_one_sentence(
    puller: Puller, hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadFailed, match="has no owner/other, or it is private and no HF_TOKEN is set"):
        await puller("owner/other")
    hub.is_private = True
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(DownloadFailed, match="has no owner/model, or it is private and HF_TOKEN does not"):
        await puller()


async def test_a_revision_is_taken_as_named_and_an_unknown_one_told(puller: Puller, hub: ModelHub) -> None:
    folder = await puller(f"{NAME}@v1")
    assert folder.name == "owner--model@v1"
    assert hub.asked[0].endswith("/revision/v1")
    with pytest.raises(DownloadFailed, match="has owner/model, but no revision v9 of it"):
        await puller(f"{NAME}@v9")


async def test_the_key_goes_to_the_hub_alone_and_into_no_log(
    puller: Puller, hub: ModelHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.is_private = True
    monkeypatch.setenv("HF_TOKEN", " hf_right\n")
    with caplog.at_level(logging.DEBUG):
        folder = await puller()
    sent = {path.startswith("/store/"): token for path, token in hub.tokens.items()}
    assert sent == {False: "Bearer hf_right", True: None}
    assert "hf_right" not in caplog.text
    assert "hf_right" not in "".join(puller.texts)
    assert b"hf_right" not in (folder / RECORD).read_bytes()


async def test_a_key_is_not_sent_in_the_clear_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from naestro.engines.fetch_repository import _Fetch

    monkeypatch.setenv("HF_TOKEN", "hf_right")

    def headers(url: str) -> dict[str, str]:
        settings = Settings.model_validate({"models": {"hub_url": url}})
        return _Fetch(Repository(NAME), settings, lambda _: None, Path()).headers

    assert headers("http://hub.example") == {}
    assert (
        headers("https://hub.example")
        == headers("http://127.0.0.1:1")
        == {"Authorization": "Bearer hf_right"}
    )


async def test_a_gated_model_is_told_as_one(
    puller: Puller, hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated = "manual"
    with pytest.raises(DownloadFailed, match="owner/model is gated, and its files did not come") as caught:
        await puller()
    assert "HF_TOKEN" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert (await puller()).is_dir()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_refusal_is_told_with_its_status(puller: Puller, hub: ModelHub, status: int) -> None:
    hub.status = status
    with pytest.raises(DownloadFailed, match=f"The model hub refused: {status} "):
        await puller()


async def test_a_file_that_went_away_is_told(puller: Puller, hub: ModelHub) -> None:
    hub.extra = [{"rfilename": "1_Pooling/config.json", "size": 4, "blobId": "0" * 40}]
    with pytest.raises(DownloadFailed, match="The model hub refused: 404 "):
        await puller()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://["])
async def test_a_hub_that_is_not_there_is_told(puller: Puller, url: str) -> None:
    with pytest.raises(DownloadFailed, match="The model hub is not reachable"):
        await puller(hub_url=url)


async def test_nothing_is_asked_where_the_person_forbids_it(
    puller: Puller, hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(IsolationError, match="Isolation mode is on"):
        await puller(isolated=True)
    with pytest.raises(DownloadFailed, match="The settings forbid the model hub"):
        await puller(sources=["packages"])
    monkeypatch.setenv("HF_HUB_OFFLINE", "true")
    with pytest.raises(DownloadFailed, match="HF_HUB_OFFLINE is set"):
        await puller()
    assert hub.asked == []


async def test_what_is_here_whole_is_not_asked_for_again(puller: Puller, hub: ModelHub) -> None:
    folder = await puller()
    hub.asked.clear()
    assert await puller(isolated=True) == folder
    assert hub.asked == []
    assert puller.texts[-1] == "owner/model is here already, and whole, at revision 0123456789ab."


async def test_a_damaged_file_is_fetched_again(puller: Puller) -> None:
    folder = await puller()
    (folder / "model.safetensors").write_bytes(bytes(len(WEIGHTS)))
    (folder / "stranger").touch()
    assert held(await puller())["model.safetensors"] == WEIGHTS
    assert not (folder / "stranger").exists()


async def test_two_pulls_at_once_do_the_work_once(hub: ModelHub) -> None:
    first, second = Puller(hub), Puller(hub)
    hub.holds.clear()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await until(lambda: first.told)
            tasks.start_soon(second)
            await until(lambda: second.told)
            hub.holds.set()
    assert len(hub.ranges) == 1
    assert second.texts[0] == "owner/model is being fetched already; waiting for that."


async def test_a_folder_of_the_persons_own_is_left_alone(puller: Puller, hub: ModelHub) -> None:
    folder_of(NAME).mkdir(parents=True)
    (folder_of(NAME) / "mine").touch()
    for act in (puller, lambda: anyio.to_thread.run_sync(remove_repository, NAME)):
        with pytest.raises(ModelError, match="was not fetched by Naestro, and is left as it is"):
            await act()
    assert hub.asked == []
    assert [path.name for path in folder_of(NAME).iterdir()] == ["mine"]
    assert fetched() == []


async def test_removing_frees_the_folder_and_what_is_unfinished_of_it_alone(
    puller: Puller, cache: Path
) -> None:
    folder = await puller()
    rest = cache / "models" / "unfinished"
    (rest / f"owner--model.{COMMIT}.config.json.hub").write_bytes(b"12345")
    (rest / "owner--model.folder").mkdir()
    (rest / f"owner--model.v2.{COMMIT}.config.json.hub").write_bytes(b"12345")
    assert [record.name for record in fetched()] == [NAME]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert remove_repository(NAME) == size + 5
    assert unfinished(cache) == {f"owner--model.v2.{COMMIT}.config.json.hub"}
    assert (fetched(), remove_repository(NAME)) == ([], 0)
    with pytest.raises(ModelMissing) as caught:
        path_of_repository(NAME)
    assert caught.value.hint == "Run `naestro models pull owner/model`."


@pytest.mark.parametrize(
    "name", ["a/b/c", "model", "/b", "a/", "../b", "a/..", "a--b/c", "a/b..c", "a/b@../x", "ä/b"]
)
async def test_what_is_no_name_of_a_repository_is_told(puller: Puller, hub: ModelHub, name: str) -> None:
    with pytest.raises(ModelUnknown, match="is no name of a model on the hub"):
        await puller(name)
    assert hub.asked == []


async def test_names_are_read_as_they_are_written() -> None:
    assert repository_of("o/m.v1-x") == Repository("o/m.v1-x")
    assert str(repository_of("o/m@v1")) == "o/m@v1"


async def test_a_disk_that_cannot_be_written_is_told(hub: ModelHub, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2  # noqa: F401  its files may not be readable inside

    with unprivileged() as folder:
        (folder / "models" / "unfinished").mkdir(parents=True)
        monkeypatch.setenv("NAESTRO_CACHE", str(folder))
        await Puller(hub)()
        (folder / "models").chmod(0o500)
        with pytest.raises(ModelError, match="cannot be written: Permission denied"):
            await Puller(hub)(f"{NAME}@v1")
        with pytest.raises(ModelError, match="cannot be written: Permission denied"):
            remove_repository(NAME)
