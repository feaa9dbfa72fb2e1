"""The last large trees: an edit of a file costs what changed, not the whole file.

tree-sitter makes the tree of a text from that of another and the place where they differ. A text that is mostly one of
the last ones is recognised by itself, so nobody need say which file it is: one that is saved again and again, a buffer
that is typed into. `grammar` lies above and parses. Safe from any thread.
"""

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Tree

KEPT = 4
"""Trees: those of the files that somebody has in hand."""
BYTES_MIN = 16 * 1024
"""Smaller texts are parsed in a few milliseconds."""
BYTES_MAX = 512 * 1024
"""A tree takes some ten times the size of its text."""
CHANGED_MAX = 0.1
"""Share of a text; with more changed little of its tree is used again."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A text and its tree."""

    language: str
    data: bytes
    tree: "Tree"


class Trees:
    """The trees of the last texts that had no error."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def keep(self, language: str, data: bytes, tree: "Tree") -> None:
        """Keep the tree of `data` for the next time, if it is large and has no error.

        What a text with an error means depends on how its tree was made; of one without there is one tree.
        """
        if BYTES_MIN <= len(data) <= BYTES_MAX and not tree.root_node.has_error:
            # A copy, which is cheap: telling it of an edit must not touch nodes that the caller looks at meanwhile.
            with self._lock:
                self._kept.append(_Kept(language, data, tree.copy()))

    def like(self, language: str, data: bytes) -> "Tree | None":
        """The tree of a text that is nearly `data`, told what is other, for the parser to begin with.

        It is the caller's, and not kept any more.
        """
        if not BYTES_MIN <= len(data) <= BYTES_MAX:
            return None
        with self._lock:
            for one in self._kept:
                if one.language == language and (place := _changed(one.data, data)):
                    self._kept.remove(one)
                    _tell(one, data, *place)
                    return one.tree
        return None


def _changed(old: bytes, new: bytes) -> tuple[int, int] | None:
    """How many bytes are the same at the start and at the end, whole lines; None where too much is other."""
    half = int((1 - CHANGED_MAX) / 2 * min(len(old), len(new)))
    if half and old[:half] != new[:half] and old[-half:] != new[-half:]:  # most texts: seen at once
        return None
    start = old.rfind(b"\n", 0, _same(old, new)) + 1
    end = min(_same(old, new, at_end=True), min(len(old), len(new)) - start)
    border = old.find(b"\n", len(old) - end)
    end = len(old) - border - 1 if border >= 0 else 0
    most = CHANGED_MAX * len(new)
    return (start, end) if len(old) - start - end <= most and len(new) - start - end <= most else None


def _same(old: bytes, new: bytes, *, at_end: bool = False) -> int:
    """How many bytes are the same from the start, or from the end."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        half = (low + high + 1) // 2
        is_same = old[-half:] == new[-half:] if at_end else old[:half] == new[:half]
        low, high = (half, high) if is_same else (low, half - 1)
    return low


def _tell(kept: _Kept, new: bytes, start: int, end: int) -> None:
    """Tell the tree that its text is `new` now, but for the first `start` and the last `end` bytes."""
    old_end, new_end = len(kept.data) - end, len(new) - end
    kept.tree.edit(
        start,
        old_end,
        new_end,
        _point(kept.data, start),
        _point(kept.data, old_end),
        _point(new, new_end),
    )


def _point(data: bytes, at: int) -> tuple[int, int]:
    return data.count(b"\n", 0, at), at - data.rfind(b"\n", 0, at) - 1
