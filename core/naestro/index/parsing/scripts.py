"""The scripts in a page or a component: what a grammar of pages captured as `script`, read by TypeScript's.

Between `grammar` and `parse`. All else is blanked, byte for byte, so that what is found stands where it stood.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from naestro.index.parsing.grammar import Grammar, captures, grammar, root_of

if TYPE_CHECKING:
    from tree_sitter import Node

SCRIPTS = "typescript"
"""The language whose grammar reads them: it reads JavaScript, too."""
_BLANK = bytes(10 if byte == 10 else 32 for byte in range(256))
"""Every byte but the line's end as a space."""

Found = Mapping[str, Sequence["Node"]]


def with_scripts(found: Found, known: Grammar, data: bytes) -> tuple[Found, Found, Grammar, bytes]:
    """All captures; then what the names that are used come from: captures, grammar and bytes of the scripts only.

    Both are what was given where there are no scripts.
    """
    inner = grammar(SCRIPTS) if found.get("script") else None
    script = _only(data, found.get("script", ()))
    root = root_of(inner, script) if inner else None
    if inner is None or root is None:
        return found, found, known, data
    inside = captures(inner, root, script)
    both = {name: [*found.get(name, ()), *inside.get(name, ())] for name in {*found, *inside}}
    return both, inside, inner, script


def _only(data: bytes, nodes: Iterable["Node"]) -> bytes:
    kept: list[bytes] = []
    at = 0
    for start, end in sorted((node.start_byte, node.end_byte) for node in nodes):
        kept += [data[at:start].translate(_BLANK), data[start:end]]
        at = end
    return b"".join([*kept, data[at:].translate(_BLANK)])
