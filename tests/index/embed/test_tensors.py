"""Safetensors files: read where they are right, refused with a reason where they are not."""

import json
from pathlib import Path

import numpy as np
import pytest

from naestro.errors import IndexUnavailable
from naestro.index.embed.tensors import read_tensors
from tools.static_embedding import save


def written(path: Path, header: object, body: bytes = b"") -> Path:
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(data).to_bytes(8, "little") + data + body)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save(
        path,
        {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3, dtype=np.int8)},
        {"made": "here"},
    )
    tensors = read_tensors(path)
    assert tensors.names() == ["a", "b"]
    assert tensors.metadata == {"made": "here"}
    assert tensors.array("a", np.float32).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors.array("b", np.float32).dtype == np.float32


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"{", "its header does not read"),
        ([], "its header does not read"),
        ({"a": {"dtype": "F32", "shape": [1]}}, "its header does not read"),
        ({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, "of the type BF16"),
        ({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}, "tensor a does not fit"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, "tensor a does not fit"),
        ({"b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, "it holds no tensor a"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, header: object, reason: str) -> None:
    path = written(tmp_path / "t.safetensors", header, b"1234")
    with pytest.raises(IndexUnavailable, match=reason) as caught:
        read_tensors(path).array("a", np.float32)
    assert str(path) in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"123", (10**9).to_bytes(8, "little") + b"{}"])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(IndexUnavailable, match="its header is cut short"):
        read_tensors(tmp_path / "t")


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailable, match="missing cannot be read"):
        read_tensors(tmp_path / "missing")
