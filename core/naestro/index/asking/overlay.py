"""What an editor has open and has not saved: it counts instead of the disk, within the workspace's rules of names.

Buffers come from above as texts by path. `search`, `grep` and `lookup` take them through here, so that no open `.env`
is found by any; `search` gets them taken apart like any file. It knows no editor and no table.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from naestro.errors import WorkspaceError
from naestro.index.embed.embedder import Embedder
from naestro.index.parsing.parsed import Chunk
from naestro.policy.ignore import Ignores
from naestro.policy.secrets import holds_private_key
from naestro.policy.workspace import FILE_SIZE_MAX, Workspace

if TYPE_CHECKING:
    from naestro.index.embed.embedder import Vectors
    from naestro.index.storage.schema import Candidate
    from naestro.index.text.chunk_terms import ChunkTerms

K = TypeVar("K")
V = TypeVar("V")

FILES_KEPT: Final = 64
"""Buffers that stay taken apart: more than a person has unsaved at once."""
VECTORS_KEPT: Final = 2000
"""Vectors of their chunks: a key that is pressed changes one chunk, the others keep theirs."""


def admitted(
    workspace: Workspace, buffers: Mapping[str, str | None], rules: Ignores | None = None
) -> dict[str, str]:
    r"""The text of each buffer that may be shown, with `\n`; the empty text for one that says nothing or may not.

    `buffers` are texts by path, relative to the workspace's root with `/`; None for a file that is gone for the
    person.
    """
    rules = rules or workspace.ignores()
    return {path: _text(workspace, path, text, rules) for path, text in sorted(buffers.items())}


def _text(workspace: Workspace, path: str, text: str | None, rules: Ignores) -> str:
    if not text or len(text) > FILE_SIZE_MAX or "\0" in text or holds_private_key(text):
        return ""
    try:
        is_itself = workspace.admit(path, rules) == path
    except WorkspaceError:
        return ""
    return text.removeprefix("\ufeff").replace("\r\n", "\n") if is_itself else ""


@dataclass(frozen=True, slots=True)
class OpenChunk:
    """A chunk of a buffer, ready to be scored."""

    chunk: Chunk
    candidate: "Candidate"
    vector: "Vectors | None"
    """(dimension,), unit length; None where there is no embedder."""


class OpenFiles:
    """Buffers taken apart; from any thread. What was taken apart before, or embedded, is remembered for a while."""

    def __init__(self, embedder: Embedder | None) -> None:
        """With the embedder of the index that they stand over."""
        self._embedder = embedder
        self._chunks: _Recent[tuple[str, str], list[tuple[Chunk, ChunkTerms]]] = _Recent(FILES_KEPT)
        self._vectors: _Recent[str, Vectors] = _Recent(VECTORS_KEPT)

    def chunks(self, texts: Mapping[str, str]) -> list[OpenChunk]:
        """All chunks of `texts`, which `admitted` gave."""
        from naestro.index.storage.schema import Candidate, id_of

        cut = [pair for path, text in texts.items() for pair in self._taken_apart(path, text)]
        vectors = self._embedded([chunk for chunk, _ in cut])
        return [
            OpenChunk(
                one,
                Candidate.unscored(id_of(one.path, one.start, one.end), one, terms),
                vector,
            )
            for (one, terms), vector in zip(cut, vectors, strict=True)
        ]

    def _taken_apart(self, path: str, text: str) -> "list[tuple[Chunk, ChunkTerms]]":
        from naestro.index.parsing.parse import parse_file
        from naestro.index.text.chunk_terms import packed
        from naestro.index.text.prepare import prepared

        known = self._chunks.get((path, text))
        if known is None:
            chunks = parse_file(path, text).chunks if text else []
            terms = packed([*map(prepared, chunks)], [one.names for one in chunks], [path] * len(chunks))
            known = [*zip(chunks, terms, strict=True)]
            self._chunks.keep((path, text), known)
        return known

    def _embedded(self, chunks: Sequence[Chunk]) -> "Sequence[Vectors | None]":
        """The vector of each chunk; None where there is no embedder."""
        from naestro.index.taking.taking import embed_text

        if self._embedder is None:
            return [None] * len(chunks)
        texts = {text.joined(): text for text in map(embed_text, chunks)}
        known = {joined: self._vectors.get(joined) for joined in texts}
        new = [joined for joined, vector in known.items() if vector is None]
        if new:
            for joined, vector in zip(new, self._embedder.passages([texts[one] for one in new]), strict=True):
                known[joined] = vector
                self._vectors.keep(joined, vector)
        return [known[embed_text(chunk).joined()] for chunk in chunks]


class _Recent(Generic[K, V]):
    """The values that were used last, by their keys."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """What was kept under `key`, if it is still there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def keep(self, key: K, value: V) -> None:
        """Keep `value`, and let go of what was not used for longest."""
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._count:
                self._values.popitem(last=False)
