"""A model that a person has in a folder: word vectors in the format of Model2Vec, or a sentence model as ONNX.

`choose` above gives it what stands in the settings; `tensors` and `sentences` below read the files. Which of the two it
is follows from the files: `model.safetensors` with `tokenizer.json`, or `model.onnx` (also in `onnx/`) with it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from naestro.errors import ConfigError, IndexUnavailable, ModelMissing
from naestro.index.embed.sentences import SentenceEmbedder
from naestro.index.embed.tensors import read_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from threading import Event

    from naestro.index.embed.embedder import Embedder, EmbedText, Vectors

TOKENS_MAX = 512
"""Of one text, as Model2Vec cuts it."""
_EMBEDDINGS = ("embeddings", "embedding.weight")
"""What Model2Vec and sentence-transformers call the matrix."""
_ONNX = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")


class _TokenizerModel(msgspec.Struct):
    unk_token: str | None = None


class _Pooling(msgspec.Struct):
    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False


class Model2VecEmbedder:
    """An `Embedder` over a folder of Model2Vec: the mean of the tokens' vectors."""

    def __init__(self, folder: Path) -> None:
        """Load it; raises `IndexUnavailable` where the files are no such model."""
        from tokenizers import Tokenizer

        tensors = read_tensors(folder / "model.safetensors")
        name = next((each for each in _EMBEDDINGS if each in tensors.names()), _EMBEDDINGS[0])
        self._vectors = tensors.array(name, np.float32)
        held = tensors.names()
        self._weights = tensors.array("weights", np.float32) if "weights" in held else None
        self._mapping = tensors.array("mapping", np.int64) if "mapping" in held else None
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:
            raise IndexUnavailable(
                f"The tokenizer in {folder} cannot be read: {error}.",
                hint="Bring the model's files anew, or set index.embedder to static.",
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._unknown = self._unknown_token()
        self.dimension = int(self._vectors.shape[1])
        self.name = f"model2vec-{_sum(folder / 'model.safetensors')}"

    def passages(self, texts: Sequence[EmbedText], stop: Event | None = None) -> Vectors:
        """One row for each text; see `Embedder`. It is too quick to be stopped."""
        return self._embed([each.joined() for each in texts])

    def query(self, text: str) -> Vectors:
        """The vector of a question."""
        return self._embed([text])[0]

    def _unknown_token(self) -> int | None:
        model = msgspec.json.decode(self._tokenizer.to_str(), type=dict[str, msgspec.Raw])["model"]
        name = msgspec.json.decode(model, type=_TokenizerModel).unk_token
        return None if name is None else self._tokenizer.token_to_id(name)

    def _embed(self, texts: list[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, encoded in enumerate(self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)):
            tokens = [each for each in encoded.ids if each != self._unknown][:TOKENS_MAX]
            if tokens:
                vectors[row] = self._mean(np.array(tokens))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, lengths, out=vectors, where=lengths > 0)

    def _mean(self, tokens: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Vectors:
        rows = tokens if self._mapping is None else self._mapping[tokens]
        vectors = self._vectors[rows]
        if self._weights is not None:
            vectors = vectors * self._weights[tokens, None]
        return vectors.mean(axis=0)


def local_model(folder: Path) -> Embedder:
    """The embedder in `folder`; raises `ModelMissing` where there is none, `IndexUnavailable` where it is broken."""
    if not folder.is_dir():
        raise ModelMissing(
            f"There is no folder {folder}, which index.embedder names.",
            hint="Name the folder of a Model2Vec or ONNX model, or set index.embedder to static.",
        )
    weights = folder / "model.safetensors"
    if weights.is_file() and set(_EMBEDDINGS) & set(read_tensors(weights).names()):
        return Model2VecEmbedder(folder)
    for name in _ONNX:
        if (folder / name).is_file():
            return SentenceEmbedder(
                folder / name, folder / "tokenizer.json", is_first_token=_takes_first(folder)
            )
    raise ConfigError(
        f"The folder {folder} holds no model that can be used: no Model2Vec model and no ONNX file.",
        hint="It needs tokenizer.json, and model.safetensors of Model2Vec or model.onnx of a sentence model.",
    )


def _takes_first(folder: Path) -> bool:
    """Whether the model means its first token to stand for the text, as sentence-transformers' pooling file says."""
    path = folder / "1_Pooling" / "config.json"
    try:
        pooling = msgspec.json.decode(path.read_bytes(), type=_Pooling)
    except FileNotFoundError:
        return False
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IndexUnavailable(
            f"{path} cannot be read: {error}.", hint="Bring the model's files anew."
        ) from error
    if not pooling.pooling_mode_cls_token and not pooling.pooling_mode_mean_tokens:
        raise ConfigError(
            f"The model in {folder} makes one vector of a text in a way that is not known here.",
            hint="Take one that takes the mean or the first token, or set index.embedder to static.",
        )
    return pooling.pooling_mode_cls_token


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
