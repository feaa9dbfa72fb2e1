"""Models of the person's own: a folder of Model2Vec, an ONNX sentence model, and folders that hold neither."""

import threading
from pathlib import Path

import numpy as np
import pytest

from naestro.errors import ConfigError, IndexUnavailable, ModelMissing
from naestro.index.embed.embedder import EmbeddingStopped, EmbedText
from naestro.index.embed.local_model import local_model
from naestro.index.embed.sentences import BATCH_TEXTS
from tests.index.embed.files import VECTORS, model2vec, onnx, write_tokenizer


def text(body: str) -> EmbedText:
    return EmbedText("", "", (), body)


def unit(*numbers: float) -> list[float]:
    return (np.array(numbers) / np.linalg.norm(numbers)).tolist()


@pytest.mark.parametrize("name", ["embeddings", "embedding.weight"])
def test_a_model2vec_folder_gives_the_mean_of_its_words(tmp_path: Path, name: str) -> None:
    embedder = local_model(model2vec(tmp_path / "m", name))
    assert embedder.dimension == 3
    assert embedder.name.startswith("model2vec-")
    assert embedder.query("Retry policy unheard").tolist() == pytest.approx(unit(2, 1, 0))
    vectors = embedder.passages([text("waiting"), text("unheard")])
    assert vectors.tolist() == [[0, 0, 1], [0, 0, 0]]


def test_weights_and_a_mapping_of_its_words_count(tmp_path: Path) -> None:
    weights = np.array([1, 4, 1, 1, 1, 1], np.float32)
    mapping = np.array([0, 1, 2, 3, 4, 5], np.float32)[::-1].copy()
    weighted = local_model(model2vec(tmp_path / "w", weights=weights))
    assert weighted.query("retry policy").tolist() == pytest.approx(unit(2, 4, 0))
    mapped = local_model(model2vec(tmp_path / "m", mapping=mapping))
    assert mapped.query("policy").tolist() == pytest.approx(unit(1, 1, 1))


def test_the_path_and_the_symbol_are_read_too(tmp_path: Path) -> None:
    embedder = local_model(model2vec(tmp_path))
    found = embedder.passages([EmbedText("retry.py", "", ("policy",), "wait")])[0]
    assert found.tolist() == pytest.approx(unit(2, 1, 1))


@pytest.mark.parametrize("file", ["model.onnx", "onnx/model.onnx"])
def test_an_onnx_folder_gives_the_mean_of_what_the_model_says(tmp_path: Path, file: str) -> None:
    embedder = local_model(onnx(tmp_path, file))
    assert embedder.dimension == 3
    assert embedder.name.startswith("onnx-")
    assert embedder.query("retry policy").tolist() == pytest.approx(unit(2, 1, 0), rel=1e-5)


def test_a_model_may_mean_its_first_token(tmp_path: Path) -> None:
    mean = local_model(onnx(tmp_path))
    pooling = tmp_path / "1_Pooling" / "config.json"
    pooling.parent.mkdir()
    pooling.write_text('{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}')
    first = local_model(tmp_path)
    assert first.query("retry policy").tolist() == pytest.approx([1, 0, 0])
    assert first.passages([text("policy retry wait")]).tolist() == [pytest.approx([0, 1, 0])]
    assert first.name != mean.name
    pooling.write_text('{"pooling_mode_mean_tokens": true, "word_embedding_dimension": 3}')
    assert local_model(tmp_path).name == mean.name


@pytest.mark.parametrize(
    ("says", "error", "told"),
    [
        ('{"pooling_mode_max_tokens": true}', ConfigError, "in a way that is not known here"),
        ("{", IndexUnavailable, "cannot be read"),
    ],
)
def test_a_pooling_that_is_not_known_is_told(
    tmp_path: Path, says: str, error: type[Exception], told: str
) -> None:
    pooling = onnx(tmp_path) / "1_Pooling" / "config.json"
    pooling.parent.mkdir()
    pooling.write_text(says)
    with pytest.raises(error, match=told):
        local_model(tmp_path)


def test_sentences_come_back_in_their_order_whatever_their_length(tmp_path: Path) -> None:
    embedder = local_model(onnx(tmp_path))
    words = ["retry " * 9, "policy", "wait " * 3] * BATCH_TEXTS
    places = embedder.passages([text(word) for word in words]).argmax(axis=1)
    assert places.tolist() == [0, 1, 2] * BATCH_TEXTS
    assert embedder.passages([]).shape == (0, 3)


def test_sentences_stop_between_two_batches(tmp_path: Path) -> None:
    stop = threading.Event()
    embedder = local_model(onnx(tmp_path))
    assert embedder.passages([text("retry")], stop).shape == (1, 3)
    stop.set()
    with pytest.raises(EmbeddingStopped):
        embedder.passages([text("retry")], stop)


def test_a_text_of_no_words_gives_zeros(tmp_path: Path) -> None:
    assert local_model(onnx(tmp_path)).passages([text("")]).tolist() == [[0, 0, 0]]
    assert local_model(onnx(tmp_path)).query("").tolist() == [0, 0, 0]


def test_a_sentence_model_orders_texts_by_their_nearness(tmp_path: Path) -> None:
    from naestro.index.embed.sentences import SentenceEmbedder

    reranker = SentenceEmbedder(onnx(tmp_path) / "model.onnx", tmp_path / "tokenizer.json")
    assert reranker.scores("retry", [text("retry"), text("policy")]) == pytest.approx([1, 0])
    assert VECTORS.shape[1] == reranker.dimension


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="There is no folder"):
        local_model(tmp_path / "none")


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    with pytest.raises(ConfigError, match="holds no model that can be used"):
        local_model(tmp_path)


def test_a_broken_model_is_told(tmp_path: Path) -> None:
    folder = onnx(tmp_path / "onnx")
    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(IndexUnavailable, match="cannot be loaded"):
        local_model(folder)
    folder = model2vec(tmp_path / "words")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(IndexUnavailable, match="cannot be read"):
        local_model(folder)
