"""One file taken apart: its chunks, and the names that it defines, uses and imports.

The way from bytes to a `ParsedFile` is one function here; each stage is a module beside it. Pure, and total: any
bytes give a result in bounded time, at worst paragraphs. It opens no file and knows no index.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from naestro.index.parsing.chunk import Cutter, Lines, Piece, text_of_lines
from naestro.index.parsing.definitions import all_spots, definition_of, spots_of
from naestro.index.parsing.grammar import Grammar, captures, grammar, is_lacking, root_of
from naestro.index.parsing.languages import PROSE, language_of
from naestro.index.parsing.names import references_of
from naestro.index.parsing.parsed import Chunk, Definition, Import, ParsedFile
from naestro.index.parsing.prose import prose_pieces, sections_of
from naestro.index.parsing.scripts import SCRIPTS, with_scripts
from naestro.policy.text import BinaryContent, decode

if TYPE_CHECKING:
    from tree_sitter import Node

_SPACE = re.compile(r"\s+")
NAMELESS = frozenset(
    {
        "json",
        "jsonc",
        "json5",
        "yaml",
        "toml",
        "ini",
        "properties",
        "html",
        "css",
        "scss",
        "xml",
        "vue",
        "svelte",
    }
)
"""Languages in which a word is no use of a definition: no references are collected."""


def parse_file(path: str, data: bytes | str, language: str = "") -> ParsedFile:
    r"""Take the file at `path` (relative, with `/`) apart.

    `data` is what it holds: bytes as on disk, or the text of a buffer. Lines are those of `TextFile.lines`: ended by
    `\n` or `\r\n` only. The chunks hold every line that is not blank, once, in order. `language` is found out when it
    is not given. References come from the tree: names in comments and strings are none.
    """
    text = text_of(path, data)
    name = language or language_of(path, text[:4096].encode())
    lines = Lines(lines_of(text))
    known = None if name in PROSE or "\0" in text else grammar(name)
    raw = text.encode()
    root = root_of(known, raw) if known else None
    if known is None or root is None:
        return _prose(path, name, lines)
    return _code(path, known, lines, raw, root)


def text_of(path: str, data: bytes | str) -> str:
    r"""The text as `TextFile` has it; what is no text is read as Latin-1, and what UTF-8 cannot say is replaced."""
    if isinstance(data, bytes) and data.isascii() and b"\r" not in data:
        return data.decode("ascii")
    if isinstance(data, str):
        text = data.removeprefix("\ufeff").replace("\r\n", "\n")
    else:
        try:
            text = decode(path, data, 0).text
        except BinaryContent:
            text = data.decode("latin-1").replace("\r\n", "\n")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def lines_of(text: str) -> list[str]:
    """The lines without their endings."""
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else lines


def _prose(path: str, language: str, lines: Lines) -> ParsedFile:
    """A text by its sections; a file that no grammar could read by its paragraphs."""
    sections = sections_of(lines.lines, language)
    definitions = [
        Definition(
            name=section.title,
            qualified=section.path,
            kind="section",
            start=section.first + 1,
            end=section.last + 1,
            signature=section.title,
        )
        for section in sections
        if section.title
    ]
    pieces = prose_pieces(lines, sections)
    return ParsedFile(
        path=path,
        language=language,
        chunks=_chunks(path, language, lines, pieces, definitions),
        definitions=definitions,
        has_errors=language not in PROSE and grammar(language) is not None,
        lacks=language if is_lacking(language) else "",
    )


def _code(path: str, known: Grammar, lines: Lines, raw: bytes, root: "Node") -> ParsedFile:
    found, used, users, said = with_scripts(captures(known, root, raw), known, raw)
    spots = spots_of(found, raw)
    every = [spot for spot in all_spots(spots) if spot.first < len(lines.lines)]
    attribute_rows = _rows(found.get("attribute", ()), lines)
    leading_rows = attribute_rows | _rows(found.get("comment", ()), lines)
    made = {id(spot): definition_of(spot, raw, attribute_rows) for spot in every}
    cutter = Cutter(lines, leading_rows, root, {at: one.signature for at, one in made.items()})
    pieces = cutter.pieces(spots)
    definitions = [made[id(spot)] for spot in every if spot.kind != "scope"]
    return ParsedFile(
        path=path,
        language=known.name,
        chunks=_chunks(path, known.name, lines, pieces, definitions),
        definitions=definitions,
        references=_references(used, users, said),
        imports=_imports(found.get("import", ()), raw),
        has_errors=root.has_error,
        lacks=SCRIPTS if "script" in found and is_lacking(SCRIPTS) else "",
    )


def _references(found: Mapping[str, Sequence["Node"]], known: Grammar, raw: bytes) -> dict[str, list[int]]:
    if known.query is None or known.name in NAMELESS:
        return {}
    hidden = [node for capture in ("comment", "hidden", "name") for node in found.get(capture, ())]
    return references_of(raw, hidden, known.words, known.name)


def _rows(nodes: Iterable["Node"], lines: Lines) -> frozenset[int]:
    """Rows that such nodes begin and fill."""
    rows: set[int] = set()
    for node in nodes:
        (first, column), (last, end) = node.start_point, node.end_point
        if end == 0 and last > first:
            last -= 1
        if column == 0 or not lines.lines[first][:column].strip():
            rows.update(range(first, last + 1))
    return frozenset(rows)


def _imports(nodes: Iterable["Node"], raw: bytes) -> list[Import]:
    found = {(node.start_point[0] + 1, raw[node.start_byte : node.end_byte]) for node in nodes}
    named = ((line, text.decode("utf-8", "replace")) for line, text in sorted(found))
    modules = ((line, _SPACE.sub(" ", text).removeprefix("import ").strip("\"'`<> ")) for line, text in named)
    return [Import(module=module, line=line) for line, module in modules if module]


def _chunks(
    path: str, language: str, lines: Lines, pieces: Sequence[Piece], definitions: Sequence[Definition]
) -> list[Chunk]:
    """The pieces as values, each with the names that begin in it."""
    in_order = sorted(definitions, key=lambda one: one.start)
    chunks: list[Chunk] = []
    at = 0
    for piece in pieces:
        names: dict[str, None] = {}
        while at < len(in_order) and in_order[at].start <= piece.last + 1:
            names[in_order[at].name] = None
            at += 1
        chunks.append(
            Chunk(
                path=path,
                start=piece.first + 1,
                end=piece.last + 1,
                language=language,
                kind=piece.kind,
                text=text_of_lines(lines.lines[piece.first : piece.last + 1]),
                symbol=piece.symbol,
                names=list(names),
                scope="\n".join(piece.scope),
            )
        )
    return chunks
