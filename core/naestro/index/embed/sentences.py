"""A sentence model that onnxruntime runs: texts to tokens to one vector each, the mean of what the model says of them.

`minilm` and `local_model` beside it know where its files lie. All-MiniLM-L6-v2 reads about sixty chunks a second on
one core, so texts are sorted by length: a batch is padded to its longest. Reimers and Gurevych 2019 for the mean;
some models mean their first token instead.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from naestro.errors import IndexUnavailable
from naestro.index.embed.embedder import EmbeddingStopped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from threading import Event

    from numpy.typing import NDArray

    from naestro.index.embed.embedder import EmbedText, Vectors

TOKENS_MAX = 256
"""What all-MiniLM-L6-v2 was trained on; the rest of a longer text is not read."""
BATCH_TEXTS = 32
THREADS = 1
"""It works beside a person and two indexes: one core at a time."""
_QUIET = 3
"""Onnxruntime tells errors, no warnings."""


class SentenceEmbedder:
    """An `Embedder` over an ONNX file and its tokenizer. Loading takes about half a second and 60 MB."""

    def __init__(
        self, model: Path, tokenizer: Path, *, is_first_token: bool = False, threads: int = THREADS
    ) -> None:
        """Load both files; raises `IndexUnavailable` where they are no model.

        With `is_first_token` the first token's vector is the text's, else the mean of all.
        """
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _QUIET
        try:
            data = model.read_bytes()
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:
            raise IndexUnavailable(
                f"The sentence model {model} cannot be loaded: {str(error).splitlines()[0]}",
                hint="Bring its files anew, or set index.embedder to static.",
            ) from error
        self._tokenizer.enable_truncation(TOKENS_MAX)
        self._tokenizer.no_padding()
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._is_first_token = is_first_token
        self.name = f"onnx-{hashlib.sha256(data).hexdigest()[:12]}{'-first' if is_first_token else ''}"
        self.dimension = self._run([self._tokenizer.encode("probe").ids]).shape[1]

    def passages(self, texts: Sequence[EmbedText], stop: Event | None = None) -> Vectors:
        """One row for each text; see `Embedder`."""
        tokens = [encoded.ids for encoded in self._tokenizer.encode_batch([each.joined() for each in texts])]
        order = sorted(range(len(tokens)), key=lambda at: len(tokens[at]))
        vectors = np.zeros((len(tokens), self.dimension), np.float32)
        for at in range(0, len(order), BATCH_TEXTS):
            if stop is not None and stop.is_set():
                raise EmbeddingStopped
            batch = order[at : at + BATCH_TEXTS]
            vectors[batch] = self._run([tokens[each] for each in batch])
        return vectors

    def query(self, text: str) -> Vectors:
        """The vector of a question."""
        return self._run([self._tokenizer.encode(text).ids])[0]

    def scores(self, query: str, texts: Sequence[EmbedText]) -> list[float]:
        """How near each text is to the question, -1 to 1: for ordering what was found anew."""
        return (self.passages(texts) @ self.query(query)).tolist()

    def _run(self, tokens: list[list[int]]) -> Vectors:
        lengths = np.array([len(each) for each in tokens])
        ids = np.zeros((len(tokens), lengths.max()), np.int64)
        for row, each in enumerate(tokens):
            ids[row, : len(each)] = each
        mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states: NDArray[np.float32] = self._session.run(
            None, {name: array for name, array in given.items() if name in self._inputs}
        )[0]
        counted = mask.astype(np.float32)
        if self._is_first_token:
            counted[:, 1:] = 0
        sums = np.einsum("btd,bt->bd", states, counted)
        return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(1e-12))
