"""What the architecture tests read: every Python file of the repository, parsed once.

Below it stands only the standard library. It knows no rule: each rule is one test in this folder.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "core"
PACKAGE = CORE / "naestro"
TREES = ("core", "naestro_acp", "naestro_mcp", "tests", "tools", "bench")
SAMPLES = ROOT / "tests" / "index" / "samples"
"""Files in many languages that the index is tested with: they are data, whatever their ending."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file."""

    path: Path
    """Relative to the repository's root."""
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The dotted name under which a file of the core is imported."""
        parts = list(self.path.with_suffix("").parts)
        if parts[0] == "core":
            del parts[0]
        if parts[-1] == "__init__":
            del parts[-1]
        return ".".join(parts)

    @property
    def is_core(self) -> bool:
        """Whether the file is part of what a person installs."""
        return self.path.parts[0] == "core"


@cache
def modules(*trees: str) -> tuple[Module, ...]:
    """All Python files under `trees` (all of them without any), in order of their paths."""
    found: list[Module] = []
    for tree in trees or TREES:
        for path in sorted((ROOT / tree).rglob("*.py")):
            if path.is_relative_to(SAMPLES):
                continue
            text = path.read_text(encoding="utf-8")
            found.append(Module(path.relative_to(ROOT), text, ast.parse(text, str(path))))
    return tuple(found)


def nodes(module: Module, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    """Each node of `module` that is of one of `kinds`."""
    return (node for node in ast.walk(module.tree) if isinstance(node, kinds))


def functions(module: Module) -> Iterator[Function]:
    """Each function and method of `module`, nested ones included."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            yield node


def classes(module: Module) -> Iterator[ast.ClassDef]:
    """Each class of `module`, nested ones included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            yield node


def imported_names(module: Module) -> Iterator[tuple[int, str]]:
    """Each import of `module` as its line and the full dotted name, `from a import b` as `a.b`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of attributes on a plain name, else the empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def line_count(node: Function) -> int:
    """Lines from `def` to the end of the body, decorators not counted."""
    return (node.end_lineno or node.lineno) - node.lineno + 1
