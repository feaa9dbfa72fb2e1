"""The definitions of a file as the benchmark counts them, by node types of the grammars alone.

Not by the index's own queries: what is measured does not choose what it is measured on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from semble_grammars import get_parser
from tree_sitter import Node

LANGUAGES = {
    ".py": "python",
    ".js": "javascript",
    ".cjs": "javascript",
    ".mjs": "javascript",
    ".rs": "rust",
}
"""Endings of the files that cases are made of."""
_TYPES = frozenset(
    (
        *(
            "function_definition",
            "class_definition",
            "function_declaration",
            "generator_function_declaration",
        ),
        *(
            "class_declaration",
            "method_definition",
            "function_item",
            "struct_item",
            "enum_item",
            "trait_item",
            "impl_item",
        ),
    )
)
_FUNCTIONS = frozenset(("arrow_function", "function_expression", "function"))


@dataclass(frozen=True, slots=True)
class Defined:
    """A function or a class."""

    name: str
    """With the names that it lies in."""
    start: int
    """First line, from 1; without decorators and comments above it."""
    end: int
    """Last line, inclusive."""
    is_function: bool


def definitions(path: str, data: bytes) -> list[Defined]:
    """What a file defines, outer before inner; empty for a language that is not among `LANGUAGES`."""
    language = LANGUAGES.get(PurePosixPath(path).suffix)
    return list(_walk(get_parser(language).parse(data).root_node, "")) if language else []


def innermost(found: list[Defined], start: int, end: int) -> Defined | None:
    """The smallest definition that holds the lines."""
    around = [one for one in found if one.start <= start and end <= one.end]
    return min(around, key=lambda one: one.end - one.start, default=None)


def _walk(node: Node, scope: str) -> Iterator[Defined]:
    stack = [(node, scope)]
    while stack:
        one, inside = stack.pop()
        name, body = _named(one)
        if name and body:
            inside = f"{inside}.{name}" if inside else name
            yield Defined(
                inside,
                one.start_point[0] + 1,
                body.end_point[0] + 1,
                "class" not in body.type
                and body.type not in ("impl_item", "struct_item", "enum_item", "trait_item"),
            )
        stack += [(child, inside) for child in reversed(one.named_children)]


def _named(node: Node) -> tuple[str, Node | None]:
    if node.type in _TYPES:
        name = node.child_by_field_name("name") or node.child_by_field_name("type")
        return _text(name), node
    if node.type in ("variable_declarator", "assignment_expression", "pair"):
        value = node.child_by_field_name("value") or node.child_by_field_name("right")
        if value and value.type in _FUNCTIONS:
            name = (
                node.child_by_field_name("name")
                or node.child_by_field_name("left")
                or node.child_by_field_name("key")
            )
            return _text(name), value
    return "", None


def _text(node: Node | None) -> str:
    return (node.text or b"").decode(errors="replace") if node else ""
