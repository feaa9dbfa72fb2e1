"""What every embedder does: texts to vectors whose dot product says how near two texts are in meaning.

The index run above embeds chunks with it, the search embeds questions; `choose` beside it makes one. This module knows
no model and imports no array at run time, so that whoever only passes an embedder on pays nothing.
"""

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from naestro.types import Value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class EmbedText(Value, frozen=True):
    """What is embedded of a chunk."""

    path: str
    """Relative to the workspace's root, with `/`."""
    symbol: str
    """The qualified name that it defines or lies in; empty where there is none."""
    names: tuple[str, ...]
    """The bare names that it defines."""
    text: str
    """Its lines."""
    words: Counter[str] | None = None
    """The words of its lines, where they are counted already: `words.counted(text)`."""

    def joined(self) -> str:
        """As one text, for a model that reads sentences: where it stands, what it is called, what it says."""
        head = " ".join(part for part in (self.path, self.symbol or " ".join(self.names)) if part)
        return f"{head}\n{self.text}"


class EmbeddingStopped(Exception):
    """The work was stopped before all texts had their vectors."""


class Embedder(Protocol):
    """Makes vectors. Safe to use from several threads at once; equal texts give equal vectors."""

    @property
    def name(self) -> str:
        """Names the model and its version: vectors under another name cannot be compared with its own."""
        ...

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        ...

    def passages(self, texts: "Sequence[EmbedText]", stop: "Event | None" = None) -> "Vectors":
        """One row for each text, `(len(texts), dimension)` float32, each of unit length.

        A text that holds nothing the model knows gets zeros. Raises an `IndexFault` where the model cannot be used,
        and, where it is slow, `EmbeddingStopped` soon after `stop` was set.
        """
        ...

    def query(self, text: str) -> "Vectors":
        """The vector of a question, `(dimension,)` float32, of unit length, or zeros."""
        ...
