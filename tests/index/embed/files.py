"""Small models as files, written here byte for byte, so that no test fetches one."""

import json
from pathlib import Path

import numpy as np

from tools.static_embedding import save, tokenizer

WORDS = ["retry", "policy", "wait", "##ing", "colour"]
VECTORS = np.array([[2, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 1, 1], [9, 9, 9]], np.float32)
"""The last one is the unknown word's."""


def write_tokenizer(folder: Path) -> None:
    """A tokenizer over `WORDS`."""
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(WORDS)))


def model2vec(folder: Path, name: str = "embeddings", **more: np.ndarray) -> Path:
    """A folder of Model2Vec."""
    folder.mkdir(exist_ok=True)
    write_tokenizer(folder)
    save(folder / "model.safetensors", {name: VECTORS, **more}, {})
    return folder


def onnx(folder: Path, file: str = "model.onnx") -> Path:
    """A sentence model whose one layer looks up `VECTORS`."""
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    (folder / file).write_bytes(_model())
    return folder


def _model() -> bytes:
    """ONNX's protobuf: Gather over one table, then Identity for the mask that it takes and does not use."""
    table = _number(1, 6) + _number(1, 3) + _number(2, 1) + _bytes(8, b"table") + _bytes(9, VECTORS.tobytes())
    gather = _bytes(1, b"table") + _bytes(1, b"input_ids") + _bytes(2, b"states") + _bytes(4, b"Gather")
    inputs = [_bytes(11, _value(name, 7, 2)) for name in (b"input_ids", b"attention_mask")]
    graph = _bytes(1, gather) + _bytes(2, b"g") + _bytes(5, table) + b"".join(inputs)
    graph += _bytes(12, _value(b"states", 1, 3))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def _value(name: bytes, kind: int, axes: int) -> bytes:
    shape = b"".join(_bytes(1, _bytes(2, b"n%d" % axis)) for axis in range(axes))
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
