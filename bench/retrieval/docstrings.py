"""Documentation and the function that it documents: cases, and trees in which no documentation is left.

The question is the first sentence; the tree that is searched has every docstring and documentation comment blanked, its
lines kept, for all contenders alike. A sentence is no question if its words are those of the name (`Return the name` of
`name`), if it has fewer than four words that tell something, or if another function has the same one.
"""

import ast
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.retrieval.cases import Case, Target
from bench.retrieval.definitions import LANGUAGES, definitions
from bench.retrieval.sources import Source
from naestro.config import cache
from naestro.index.asking.places import place_of
from naestro.index.text.prepare import query_terms, terms_in
from naestro.policy.workspace import Workspace

TAKEN_MAX = 100
"""Cases of one package."""
TELLING_MIN = 4
QUESTION_CHARS_MAX = 300
SEED = 5
SIZE_MAX = 1024 * 1024
"""Bytes; a longer file is in no index."""
_SENTENCE = re.compile(r"(?<=[.!?])\s|\n\s*\n|\n\s*(?=[@:>*-]|\.\.)")
_BLOCK = re.compile(r"/\*\*.*?\*/", re.DOTALL)
_LINE = re.compile(r"^[ \t]*//[/!].*$", re.MULTILINE)
_MARKS = re.compile(r"^[ \t]*(?:/\*\*|\*/|\*|///|//!)?[ \t]?|\*/[ \t]*$", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?([^`<]+)(?:<[^`]*>)?`")


@dataclass(frozen=True, slots=True)
class Documented:
    """A function with what was said of it."""

    path: str
    name: str
    start: int
    end: int
    text: str


def cases(source: Source) -> list[Case]:
    """The cases of one package, the same each time."""
    root = source.path()
    found = [one for path in _files(root) for one in _documented(path, (root / path).read_bytes())]
    questions = [(question_of(one.text), one) for one in found]
    said = Counter(question for question, _ in questions)
    fit = [
        (question, one) for question, one in questions if said[question] == 1 and _asks(question, one.name)
    ]
    chosen = random.Random(SEED).sample(fit, min(TAKEN_MAX, len(fit)))
    return [
        Case(source.name, question, (Target(one.path, ((one.start, one.end),)),)) for question, one in chosen
    ]


def blanked(source: Source) -> Path:
    """The package's tree without documentation; made once."""
    home = cache() / "bench" / "retrieval" / f"{source.name}-{source.version}-{source.sha256[:12]}-blanked"
    if home.exists():
        return home
    root = source.path()
    fresh = home.with_name(f"{home.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for path in Workspace(root).files():
        data = (root / path).read_bytes()
        if len(data) > SIZE_MAX:
            continue
        (fresh / path).parent.mkdir(parents=True, exist_ok=True)
        (fresh / path).write_bytes(without_documentation(path, data))
    fresh.rename(home)
    return home


def without_documentation(path: str, data: bytes) -> bytes:
    """The file with its docstrings and documentation comments blanked, line for line."""
    language = LANGUAGES.get(PurePosixPath(path).suffix, "")
    if not language:
        return data
    text = data.decode("utf-8", "surrogateescape")
    if language == "python":
        return _without_docstrings(text).encode("utf-8", "surrogateescape")
    pattern = _LINE if language == "rust" else _BLOCK
    text = pattern.sub(lambda found: "\n" * found[0].count("\n"), text)
    return text.encode("utf-8", "surrogateescape")


def question_of(text: str) -> str:
    """The first sentence of a documentation."""
    plain = _ROLE.sub(r"\1", _MARKS.sub("", text).strip())
    return " ".join(_SENTENCE.split(plain, maxsplit=1)[0].replace("`", "").split())[:QUESTION_CHARS_MAX]


def _asks(question: str, name: str) -> bool:
    terms = set(query_terms(question))
    own = {term for part in re.findall(r"\w+", name) for term in terms_in(part)}
    return len(terms) >= TELLING_MIN and len(terms - own) >= TELLING_MIN // 2


def _files(root: Path) -> Iterator[str]:
    for path in sorted(Workspace(root).files()):
        is_source = PurePosixPath(path).suffix in LANGUAGES and place_of(path) == ""
        if is_source and (root / path).stat().st_size <= SIZE_MAX:
            yield path


def _documented(path: str, data: bytes) -> Iterator[Documented]:
    if path.endswith(".py"):
        yield from _by_docstring(path, data)
    else:
        yield from _by_comment(path, data)


def _by_docstring(path: str, data: bytes) -> Iterator[Documented]:
    try:
        module = ast.parse(data)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node)):
            yield Documented(path, node.name, node.lineno, node.end_lineno or node.lineno, text)


def _by_comment(path: str, data: bytes) -> Iterator[Documented]:
    """Functions with a documentation comment that ends in the line above them, attributes between."""
    lines = data.decode("utf-8", "replace").split("\n")
    for one in definitions(path, data):
        if not one.is_function:
            continue
        at = one.start - 2
        while at >= 0 and lines[at].strip().startswith("#["):
            at -= 1
        end = at
        is_block = at >= 0 and lines[at].strip().endswith("*/")
        while at >= 0 and _is_comment(lines[at], is_block=is_block):
            at -= 1
            if is_block and lines[at + 1].strip().startswith("/*"):
                break
        if end > at:
            yield Documented(
                path, one.name.rpartition(".")[2], one.start, one.end, "\n".join(lines[at + 1 : end + 1])
            )


def _is_comment(line: str, *, is_block: bool) -> bool:
    text = line.strip()
    return text.startswith(("*", "/**")) or text.endswith("*/") if is_block else text.startswith("///")


def _without_docstrings(text: str) -> str:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    lines = text.split("\n")
    for node in ast.walk(module):
        is_scope = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if is_scope and ast.get_docstring(node, clean=False) is not None:
            _blank(lines, node.body[0])
    return "\n".join(lines)


def _blank(lines: list[str], node: ast.stmt) -> None:
    """Put an empty string where a docstring stands; columns count in bytes."""
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    before = (
        lines[first].encode("utf-8", "surrogateescape")[: node.col_offset].decode("utf-8", "surrogateescape")
    )
    after = (
        lines[last]
        .encode("utf-8", "surrogateescape")[node.end_col_offset :]
        .decode("utf-8", "surrogateescape")
    )
    lines[first : last + 1] = [""] * (last - first + 1)
    if first == last:
        lines[first] = f'{before}""{after}'
    else:
        lines[first], lines[last] = f'{before}""', after
