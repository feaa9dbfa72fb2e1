"""What a search found, for a reader: the code in colour with its line numbers, what matched marked.

In a terminal the code is drawn by its language; elsewhere the same comes as plain text. Of a long place the lines that
hold most of the question are shown. Above, `looking` prints it; below stands `index.terms`, which says what matches.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rich.console import RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from naestro.client.api import SearchReply
from naestro.index.found import Found
from naestro.index.text.terms import Terms, hits, terms_of
from naestro.terminal.text import counted, one_line, printable

LINES_SHOWN = 12
"""Lines of one result: five results fit on two screens."""
TAB_COLUMNS = 4
LINE_CHARS_MAX = 400
"""Of one line that is shown: minified code has no end."""
THEME = "ansi_dark"
"""The terminal's own colours, which fit its background."""
MATCH_STYLE = "bold underline"
"""Seen without colours too."""
_REST = re.compile(r"(?<=[A-Z])[A-Z]*|[a-z]*")


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive lines of a result."""

    start: int
    """The first one's number in the file."""
    lines: list[str]
    matched: dict[int, list[tuple[int, int]]]
    """Where the question's words stand, by line from 0 of these lines."""


def drawn(found: Sequence[Found], query: str, lines_shown: int = LINES_SHOWN) -> Iterator[RenderableType]:
    """The results for a terminal."""
    terms = terms_of(query)
    for one in found:
        yield _head(one)
        yield Padding(Text(one_line(one.why), style="dim"), (0, 0, 0, 2))
        for number, piece in enumerate(pieces(one, terms, lines_shown)):
            if number:
                yield Text("  ⋮", style="dim")
            yield _code(piece, one)
        yield Text()


def plain(found: Sequence[Found], query: str, lines_shown: int = LINES_SHOWN) -> Iterator[str]:
    """The results as lines of plain text."""
    terms = terms_of(query)
    for one in found:
        yield _head(one).plain
        yield f"  {one_line(one.why)}"
        for number, piece in enumerate(pieces(one, terms, lines_shown)):
            if number:
                yield "  ⋮"
            for offset, line in enumerate(piece.lines):
                yield f"{'>' if offset in piece.matched else ' '}{piece.start + offset:>5}  {line}".rstrip()
        yield ""


def notes(reply: SearchReply) -> Iterator[str]:
    """What a person should know about an answer, in sentences."""
    if reply.note:
        yield one_line(reply.note)
    if reply.detail:
        yield one_line(reply.detail)
    elif reply.unseen_files:
        named = ", ".join(one_line(path) for path in reply.unseen[:3])
        among = f", among them {named}" if named else ""
        verb = "is" if reply.unseen_files == 1 else "are"
        yield f"{counted(reply.unseen_files, 'file')} {verb} not in the index yet{among}."
    elif reply.is_indexing:
        yield "The index is being brought up to date."


def pieces(one: Found, terms: Terms, lines_shown: int) -> list[Piece]:
    """The lines of a result that are shown: all of a short one; of a long one its first, and the best window."""
    lines = [_shown_line(line) for line in one.text.removesuffix("\n").split("\n")]
    matched = {number: found for number, line in enumerate(lines) if (found := marks(terms, line))}
    if lines_shown < 1:
        return []
    if len(lines) <= lines_shown:
        return [_piece(one, lines, matched, 0, len(lines))]
    if lines_shown == 1:
        return [_piece(one, lines, matched, 0, 1)]
    start = _best_window(lines, terms, lines_shown - 1)
    end = min(len(lines), start + lines_shown - 1)
    if start <= 1:
        return [_piece(one, lines, matched, 0, end)]
    return [_piece(one, lines, matched, 0, 1), _piece(one, lines, matched, start, end)]


def marks(terms: Terms, line: str) -> list[tuple[int, int]]:
    """Where words of a question stand in a line, as `(start, end)`, a bent word whole."""
    found: list[tuple[int, int]] = []
    for start, word in hits(terms, line):
        rest = _REST.match(line, start + len(word))
        end = rest.end() if rest else start + len(word)
        found.append((start, end))
    return found


def _best_window(lines: Sequence[str], terms: Terms, size: int) -> int:
    """Where the lines begin that hold most different words, and most of them, with as much before as behind."""
    words = [{word for _, word in hits(terms, line)} for line in lines]

    def worth(start: int) -> tuple[int, int]:
        window = words[start : start + size]
        return len(set[str]().union(*window)), sum(map(bool, window))

    worths = [worth(start) for start in range(len(lines) - size + 1)]
    best = [start for start, found in enumerate(worths) if found == max(worths)]
    return best[len(best) // 2]


def _piece(
    one: Found, lines: Sequence[str], matched: dict[int, list[tuple[int, int]]], start: int, end: int
) -> Piece:
    # Empty lines at either end say nothing and would take the place of those that do.
    while end > start + 1 and not lines[end - 1]:
        end -= 1
    while end > start + 1 and not lines[start]:
        start += 1
    within = {number - start: found for number, found in matched.items() if start <= number < end}
    return Piece(one.start + start, list(lines[start:end]), within)


def _shown_line(line: str) -> str:
    text = printable(line.rstrip()).expandtabs(TAB_COLUMNS)
    return text if len(text) <= LINE_CHARS_MAX else text[: LINE_CHARS_MAX - 1] + "…"


def _head(one: Found) -> Text:
    place = f"{one_line(one.path)}:{one.start}-{one.end}"
    about = " ".join(filter(None, [one.kind, one_line(one.symbol)]))
    return Text.assemble((place, "bold cyan"), f"  {about}" if about else "", (f"  {one.score:.2f}", "dim"))


def _code(piece: Piece, one: Found) -> Syntax:
    code = Syntax(
        "\n".join(piece.lines),
        _lexer(one),
        theme=THEME,
        line_numbers=True,
        start_line=piece.start,
        highlight_lines={piece.start + number for number in piece.matched},
        background_color="default",
        word_wrap=True,
    )
    for number, found in piece.matched.items():
        for start, end in found:
            code.stylize_range(MATCH_STYLE, (number + 1, start), (number + 1, end))
    return code


def _lexer(one: Found) -> str:
    """The name by which the colouring knows a language; most have the index's own."""
    return _LEXERS.get(one.language, one.language) or PurePosixPath(one.path).suffix.lstrip(".") or "text"


_LEXERS = {"c_sharp": "csharp", "csharp": "csharp", "hcl": "terraform", "proto": "protobuf", "vue": "html"}
