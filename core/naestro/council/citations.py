"""Citations in an answer: found, checked against the files, and removed where the files say otherwise.

A model writes `path:12`, `path:12-20` or `path#L12-L20`; what it names must exist, or it is taken out of the text and
counted. The council above shows only what this module let through. It reads files through a function that its caller
brings and knows no engine.
"""

import re
from collections.abc import Callable, Iterable

from naestro.types import Value

Lines = Callable[[str], int | None]
"""How many lines the file at a path has; None where it is no readable file of the workspace."""

_CITATION = re.compile(
    r"""
    (?<![\w./:@-])                                  # begins a word, and is no part of an address
    (?P<path>[A-Za-z0-9_.][\w.+-]*(?:/[\w.+-]+)*)   # a relative path
    (?: :L?(?P<start>\d+)(?:[-–—]L?(?P<end>\d+))?   # path:12, path:12-20
      | \#L(?P<start2>\d+)(?:[-–—]L?(?P<end2>\d+))?)  # path#L12, path#L12-L20
    (?: :\d+)?                                      # a column, which is let go
    (?![\w]|:\d)
    """,
    re.VERBOSE,
)
_BARE = re.compile(r"(?<=\()L?(\d+)[-–—]L?(\d+)(?=\))")
_LOOKS_LIKE_A_FILE = re.compile(r"/|\.[A-Za-z]\w*$")
_EMPTIED = re.compile(r"[ \t]*(?:\(\s*[,;]?\s*\)|\[\s*[,;]?\s*\]|`\s*`|<\s*>)(?:\(\s*\))?")
_BEFORE_STOP = re.compile(r"[ \t]+(?=[.,;:!?](?:\s|$))")
_LIST_REST = re.compile(r"(?<=[(\[])\s*[,;]\s*|\s*[,;]\s*(?=[)\]])")
_LABEL = re.compile(r"^([ \t]*(?:[-*][ \t]*)?):[ \t]*", re.MULTILINE)
_GONE = "\x00"


class Citation(Value, frozen=True):
    """Lines of a file of the workspace, which exist."""

    path: str
    """Relative to the workspace's root, with `/`."""
    start: int
    """First line, from 1."""
    end: int
    """Last line, inclusive."""

    def __str__(self) -> str:
        """As it stands in an answer: `path:12-20`, or `path:12` for one line."""
        return f"{self.path}:{self.start}" + (f"-{self.end}" if self.end != self.start else "")


class Cited(Value, frozen=True):
    """A text whose citations were checked."""

    text: str
    """With each citation in its full form, and without those that do not exist."""
    citations: list[Citation]
    """In order of appearance, each once."""
    removed: list[str]
    """What was taken out, as the model wrote it."""


def check_citations(text: str, lines: Lines, known: Iterable[str] = ()) -> Cited:
    """`text` with checked citations.

    Small models drop folders; a name that ends exactly one of the `known` paths is taken for that path, and `(3-9)`
    for lines of the only one.
    """
    paths = list(known)
    if len(paths) == 1:
        text = _BARE.sub(lambda bare: _with_path(bare, paths[0], lines), text)
    kept: dict[Citation, None] = {}
    removed: list[str] = []

    def settle(match: re.Match[str]) -> str:
        citation = _resolve(match, lines, paths)
        if citation is not None:
            kept[citation] = None
            return str(citation)
        if not _is_meant_as_file(match["path"], lines, paths):
            return match[0]
        removed.append(match[0])
        return _GONE

    settled = _CITATION.sub(settle, text)
    return Cited(text=_tidy(settled) if removed else settled, citations=list(kept), removed=removed)


def _resolve(match: re.Match[str], lines: Lines, known: list[str]) -> Citation | None:
    start = int(match["start"] or match["start2"])
    end = int(match["end"] or match["end2"] or start)
    path = _full_path(match["path"], lines, known)
    if path is None or not 1 <= start <= end <= (lines(path) or 0):
        return None
    return Citation(path=path, start=start, end=end)


def _with_path(bare: re.Match[str], path: str, lines: Lines) -> str:
    exists = 1 <= int(bare[1]) <= int(bare[2]) <= (lines(path) or 0)
    return f"{path}:{bare[1]}-{bare[2]}" if exists else bare[0]


def _full_path(written: str, lines: Lines, known: list[str]) -> str | None:
    path = written.removeprefix("./")
    if lines(path) is not None:
        return path
    endings = [full for full in known if full.endswith(f"/{path}")]
    return endings[0] if len(endings) == 1 else None


def _is_meant_as_file(written: str, lines: Lines, known: list[str]) -> bool:
    """Whether it is a citation at all: `note:12` and `localhost:80` are none, `gone.py:12` is."""
    return bool(_LOOKS_LIKE_A_FILE.search(written)) or _full_path(written, lines, known) is not None


def _without_label(label: re.Match[str]) -> str:
    marker = label[1].rstrip()
    return f"{marker} " if marker else ""


def _tidy(text: str) -> str:
    """`text` without the brackets, commas and blanks that the removed citations leave behind."""
    text = re.sub(rf"{_GONE}(?:\s*[,;]\s*{_GONE})*", _GONE, text)
    text = re.sub(rf"\s*[,;]\s*{_GONE}(?=\s*[)\]])|{_GONE}\s*[,;]\s*(?=[^)\]\s])", "", text)
    text = text.replace(_GONE, "")
    text = _LABEL.sub(_without_label, _EMPTIED.sub("", _LIST_REST.sub("", text)))
    return _BEFORE_STOP.sub("", text).strip()
