"""Files in the format safetensors, read whole.

`word_table` and `local_model` above read weights with it. The format: eight bytes of length, a JSON header that names
each tensor's type, shape and place, then the bytes (safetensors, Hugging Face). It holds no code, so a file of
unknown origin can do no more than be wrong; it knows no model.
"""

from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from naestro.errors import IndexUnavailable
from naestro.types import Value

HEADER_BYTES_MAX = 100_000_000
"""What the format allows."""
_LENGTH_BYTES = 8
_DTYPES: dict[str, type[np.generic]] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I8": np.int8,
    "U8": np.uint8,
}

Number = TypeVar("Number", bound=np.generic)


class _Place(Value, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class Tensors:
    """What a file holds."""

    def __init__(self, path: Path, data: memoryview) -> None:
        """Read the header of `data`; raises `IndexUnavailable` where it is none."""
        self._path = path
        length = int.from_bytes(data[:_LENGTH_BYTES], "little")
        if len(data) < _LENGTH_BYTES or length > min(HEADER_BYTES_MAX, len(data) - _LENGTH_BYTES):
            raise self._wrong("its header is cut short")
        try:
            header = msgspec.json.decode(
                data[_LENGTH_BYTES : _LENGTH_BYTES + length], type=dict[str, msgspec.Raw]
            )
            metadata = header.pop("__metadata__", None)
            self.metadata = msgspec.json.decode(metadata or b"{}", type=dict[str, str])
            self._places = {name: msgspec.json.decode(raw, type=_Place) for name, raw in header.items()}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._wrong(f"its header does not read: {error}") from error
        self._data = data[_LENGTH_BYTES + length :]

    def names(self) -> list[str]:
        """The tensors that are there."""
        return list(self._places)

    def array(self, name: str, dtype: type[Number]) -> NDArray[Number]:
        """One tensor as `dtype`, without a copy where that is how it is kept.

        Raises `IndexUnavailable` where it is missing, of an unknown type, or lies outside the file.
        """
        place = self._places.get(name)
        if place is None:
            raise self._wrong(f"it holds no tensor {name}")
        kept = _DTYPES.get(place.dtype)
        if kept is None:
            raise self._wrong(f"its tensor {name} is of the type {place.dtype}")
        start, end = place.data_offsets
        try:
            flat = np.frombuffer(self._data[start:end], dtype=kept)
            return flat.reshape(place.shape).astype(dtype, copy=False)
        except ValueError as error:
            raise self._wrong(f"its tensor {name} does not fit: {error}") from error

    def _wrong(self, reason: str) -> IndexUnavailable:
        return IndexUnavailable(
            f"{self._path.name} is no usable safetensors file: {reason}.",
            hint=f"Bring the file anew: {self._path}.",
        )


def read_tensors(path: Path) -> Tensors:
    """Read a file; raises `IndexUnavailable` where it cannot be read or is no such file."""
    try:
        # Not mapped: a process whose mapped file is written anew is killed by SIGBUS.
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise IndexUnavailable(
            f"The model file {path} cannot be read: {error}.",
            hint="Bring the file anew, or name another embedder.",
        ) from error
    return Tensors(path, data)
