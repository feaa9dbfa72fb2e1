"""Questions about a code base that nobody here wrote: the first sentences of its docstrings, always the same ones."""

import ast
import random
from collections.abc import Iterator
from pathlib import Path

SEED = 20_260_101
LETTERS_MIN, LETTERS_MAX = 25, 120
A_FILE = 3
"""Questions from one file at most."""


def questions(folder: Path, count: int) -> list[str]:
    """`count` of them from the Python files below `folder`, tests aside."""
    chance = random.Random(SEED)
    paths = sorted(path for path in folder.rglob("*.py") if "tests" not in path.parts)
    chance.shuffle(paths)
    found: list[str] = []
    for path in paths:
        here = sorted(set(_sentences(path)))
        found += chance.sample(here, min(len(here), A_FILE))
        if len(found) >= count:
            return found[:count]
    return found


def _sentences(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (said := ast.get_docstring(node)):
            sentence = " ".join(said.partition("\n\n")[0].partition(". ")[0].split())
            if LETTERS_MIN <= len(sentence) <= LETTERS_MAX:
                yield sentence
