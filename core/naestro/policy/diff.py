"""Differences between two texts, line by line: which lines stay, and the unified diff that a person reads.

`text` uses it to keep the ending of each line that stays, `changes` to show a patch. It knows no files: a line is
whatever stands before a newline, a carriage return included, so that `git apply` meets the very bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

CONTEXT_LINES = 3
"""Unchanged lines around each change: what `diff -u` and git show."""

COMPARED_MAX = 4_000_000
"""Lines before times lines after beyond which the middle is one change: difflib takes quadratic time."""

NO_NEWLINE = "\\ No newline at end of file"

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}

Block = tuple[bool, int, int, int, int]
"""`(is_equal, start_before, end_before, start_after, end_after)`, half-open and counted from 0."""


def split_lines(text: str) -> list[str]:
    r"""The lines of `text`, each with its `\n`; the last one without where the text ends so."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def compare(before: Sequence[str], after: Sequence[str]) -> list[Block]:
    """The blocks, in order and without gaps, in which two lists of lines are equal or differ."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    ends = len(before) - tail, len(after) - tail
    blocks = [
        (True, 0, head, 0, head),
        *_middle(before[head : ends[0]], after[head : ends[1]], head),
        (True, ends[0], len(before), ends[1], len(after)),
    ]
    return [block for block in blocks if block[1] < block[2] or block[3] < block[4]]


def moved_lines(before: Sequence[str], after: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """Where lines `start` to `end` of `before` (from 1, inclusive) stand in `after`; an empty range where they went."""
    blocks = compare(before, after)
    first = next(
        (j + (start - 1 - i if is_equal else 0) for is_equal, i, i_end, j, _ in blocks if start <= i_end),
        len(after),
    )
    last = next(
        (j + end - i if is_equal else j_end for is_equal, i, i_end, j, j_end in blocks if end <= i_end),
        len(after),
    )
    return first + 1, last


def _middle(before: Sequence[str], after: Sequence[str], offset: int) -> Iterator[Block]:
    if len(before) * len(after) > COMPARED_MAX:
        yield False, offset, offset + len(before), offset, offset + len(after)
        return
    for tag, i, i_end, j, j_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        yield tag == "equal", offset + i, offset + i_end, offset + j, offset + j_end


def file_diff(path: str, before: str | None, after: str | None, mode: int = 0o644) -> str:
    """The unified diff of one file in git's form; None means that there is no file.

    Applied by `git apply` it gives `after` exactly, where the file is UTF-8. Ends with a newline.
    """
    kind = "100755" if mode & 0o100 else "100644"
    head = [f"diff --git {quote('a/' + path)} {quote('b/' + path)}"]
    if before is None:
        head.append(f"new file mode {kind}")
    if after is None:
        head.append(f"deleted file mode {kind}")
    body = list(_hunks(split_lines(before or ""), split_lines(after or "")))
    if body:
        head.append(f"--- {_named('a/', path, before)}")
        head.append(f"+++ {_named('b/', path, after)}")
    return "\n".join([*head, *body]) + "\n"


def quote(name: str) -> str:
    """`name` as git writes it in a header: quoted where it holds a quote, a backslash or a control character."""
    if not any(character in '"\\' or character < " " or character == "\x7f" for character in name):
        return name
    return (
        '"'
        + "".join(_ESCAPES.get(c) or (f"\\{ord(c):03o}" if c < " " or c == "\x7f" else c) for c in name)
        + '"'
    )


def _named(side: str, path: str, text: str | None) -> str:
    if text is None:
        return "/dev/null"
    name = quote(side + path)
    # A tab ends a name that holds a space, as git and GNU diff write it.
    return f"{name}\t" if " " in name and not name.startswith('"') else name


def _hunks(before: list[str], after: list[str]) -> Iterator[str]:
    for group in _groups(compare(before, after)):
        first, last = group[0], group[-1]
        old = _range(first[1], last[2])
        new = _range(first[3], last[4])
        yield f"@@ -{old} +{new} @@"
        for block in group:
            yield from _block_lines(block, before, after)


def _groups(blocks: list[Block]) -> Iterator[list[Block]]:
    """The blocks of each hunk, the equal ones cut to the context."""
    group: list[Block] = []
    for index, (is_equal, i, i_end, j, j_end) in enumerate(blocks):
        if not is_equal:
            group.append((False, i, i_end, j, j_end))
            continue
        is_last = index == len(blocks) - 1
        if group and (is_last or i_end - i > 2 * CONTEXT_LINES):
            kept = min(CONTEXT_LINES, i_end - i)
            yield [*group, (True, i, i + kept, j, j + kept)]
            group = []
        if not is_last:
            kept = min(2 * CONTEXT_LINES if group else CONTEXT_LINES, i_end - i)
            group.append((True, i_end - kept, i_end, j_end - kept, j_end))
    if group:
        yield group


def _range(start: int, end: int) -> str:
    """A hunk's lines as `diff -u` counts them: from 1, and an empty range names the line before it."""
    count = end - start
    return f"{start + 1}" if count == 1 else f"{start + 1 if count else start},{count}"


def _block_lines(block: Block, before: list[str], after: list[str]) -> Iterator[str]:
    is_equal, i, i_end, j, j_end = block
    if is_equal:
        yield from _marked(" ", before[i:i_end])
    else:
        yield from _marked("-", before[i:i_end])
        yield from _marked("+", after[j:j_end])


def _marked(sign: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield sign + line.removesuffix("\n")
        if not line.endswith("\n"):
            yield NO_NEWLINE
