"""The filters of the table: rows of some paths, and what a search is kept to.

SQL as LanceDB reads it, whatever the paths hold. `store` and `queries` lie above; it asks nothing itself.
"""

from collections.abc import Collection, Iterator

from naestro.index.only import Only, expression, is_pattern
from naestro.index.storage.schema import sayable


def of_paths(paths: Collection[str]) -> str:
    """The filter that lets rows of `paths` through, whatever these hold."""
    return f"path IN ({', '.join(map(quoted, paths))})"


def kept_to(only: Only) -> str:
    """The filter that lets through what `only` admits; empty where everything counts."""
    return " AND ".join(_clauses(only))


def quoted(text: str) -> str:
    """`text` as a string literal of a filter, whatever it holds: SQL's only escape is the doubled quote."""
    return "'" + sayable(text).replace("'", "''") + "'"


def _clauses(only: Only) -> Iterator[str]:
    if only.language:
        yield f"language = {quoted(only.language)}"
    if only.path:
        # What lies below `a/b` stands, in the order of the index on paths, from `a/b/` to `a/b0`.
        below = f"path >= {quoted(f'{only.path}/')} AND path < {quoted(f'{only.path}0')}"
        matching = f" OR regexp_like(path, {quoted(expression(only.path))})" if is_pattern(only.path) else ""
        yield f"(path = {quoted(only.path)} OR ({below}){matching})"
