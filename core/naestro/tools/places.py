"""How lines of the workspace are shown to a model: in pieces, each under a place that it can copy.

The council's prompts and the results of tools show code alike, so that what a tool found is cited as what was found
before. Above stand both; below, the index's spans.
"""

from collections.abc import Iterator, Sequence

from naestro.index.spans import Span

PIECE_LINES = 12
"""Lines of code under one place. A place for each line would cost a quarter more tokens, and the models that were
tried (0.5B and 1.5B) then wrote numbers that they had not read; with a place to copy they cite it in every point."""


def show_spans(spans: Sequence[Span]) -> str:
    """Spans in pieces, each under its place in the form of a citation: what a small model can copy, it can cite."""
    return "\n\n".join(piece for span in spans for piece in _pieces(span))


def _pieces(span: Span) -> Iterator[str]:
    lines = span.text.split("\n")
    for first in range(0, len(lines), PIECE_LINES):
        piece = lines[first : first + PIECE_LINES]
        start = span.start + first
        if any(line.strip() for line in piece):
            yield f"({span.path}:{start}-{start + len(piece) - 1})\n" + "\n".join(piece).rstrip()
