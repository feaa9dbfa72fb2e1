"""A model's text that is one code block without a path: whether it is the one file that the model was shown.

Small models that are asked to change a file often write it whole, in a fence, and no path: where one file was shown
from its first line to its last, that can only be meant for it. It is taken only where the block says as much as the
file did, so that half a file is never lost without a word. `candidates` above asks; `patches` makes the change, with
its own refusals (lines left out, an excerpt). Nothing is read or written here.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

from naestro.council.patch_grammar import WholeFile, lone_fence
from naestro.errors import WorkspaceError
from naestro.index.spans import Span
from naestro.policy.text import TextFile

KEPT_SHARE_MIN = 0.5
"""Of the file's lines, how many the block has to keep: a change that a small model makes in one go keeps most."""
LENGTH_SHARE_MIN = 0.8
"""Of the file's length: a block that is shorter is likely a part of it."""

_DEFINED = re.compile(
    r"^\s*(?:[a-z]+(?:\(\w+\))?\s+)*(?:def|class|function|func|fn|struct|enum|trait|interface|type|module)\s+(\w+)"
)
"""A line that defines a name in most languages."""


_PLACE = re.compile(r"\((?P<path>\S+):(?P<start>\d+)-\d+\)")
_MARK = re.compile(r"<<<code [0-9a-f]{8}|[0-9a-f]{8} code>>>")
"""What the prompt puts above, between and below the lines of a file."""


def shown_whole(spans: Sequence[Span], read: Callable[[str], TextFile]) -> TextFile | None:
    """The one file that `spans` show whole and as it still is; None where none or several are."""
    files = (_whole(span, read) for span in spans if span.start == 1)
    found = [file for file in files if file is not None]
    return found[0] if len(found) == 1 else None


def _whole(span: Span, read: Callable[[str], TextFile]) -> TextFile | None:
    try:
        file = read(span.path)
    except WorkspaceError:
        return None
    return file if span.text == "\n".join(file.lines) and file.text.strip() else None


def as_whole_file(text: str, file: TextFile) -> WholeFile | None:
    """What `text` makes of `file`, where it is one block that can only be meant for it; None where it may be not."""
    block = lone_fence(text)
    if block is None:
        return None
    lines = _without_frame(block.lines, file)
    is_clean = not any(
        _PLACE.fullmatch(line) or _MARK.fullmatch(line) for line in set(lines) - set(file.lines)
    )
    return WholeFile(file.path, lines, block.line) if is_clean and _says_as_much(lines, file.lines) else None


def _without_frame(lines: Sequence[str], file: TextFile) -> list[str]:
    """`lines` without what the prompt put around the file (`council.prefix`), which models copy along, and go on from.

    The places stand between pieces, whose last blank lines the prompt left out: these come back.
    """
    marks = [at for at, line in enumerate(lines) if _MARK.fullmatch(line)]
    start = next((at + 1 for at in marks if lines[at].startswith("<")), 0)
    end = next((at for at in marks if at >= start), len(lines))
    kept: list[str] = []
    for line in lines[start:end]:
        place = _PLACE.fullmatch(line)
        if place and place["path"] == file.path and line not in file.lines:
            while kept and not kept[-1].strip():
                kept.pop()
            kept += [""] * _blank_before(file.lines, int(place["start"]))
        else:
            kept.append(line)
    return kept


def _blank_before(lines: Sequence[str], start: int) -> int:
    """How many blank lines stand right above line `start`, from 1."""
    return next((count for count, line in enumerate(reversed(lines[: start - 1])) if line.strip()), 0)


def _says_as_much(new: Sequence[str], old: Sequence[str]) -> bool:
    """Whether `new` keeps most lines of `old`, is about as long, and defines as many names."""
    before, after = (Counter(line.strip() for line in lines if line.strip()) for lines in (old, new))
    kept = (before & after).total() / max(1, before.total())
    length = after.total() / max(1, before.total())
    return kept >= KEPT_SHARE_MIN and length >= LENGTH_SHARE_MIN and len(_names(new)) >= len(_names(old))


def _names(lines: Sequence[str]) -> set[str]:
    return {found[1] for line in lines if (found := _DEFINED.match(line))}
