"""Limits on the size of files, functions, classes and constructors: what a reader can hold in mind."""

import ast
from collections.abc import Iterator

from tests.architecture.source import CORE, Function, classes, functions, line_count, modules

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60
CLASS_METHODS_MAX = 20
CONSTRUCTOR_PARAMETERS_MAX = 6
NESTING_MAX = 3

BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)
"""What counts as a level; a `with` opens something and is no further way through the function."""


def test_no_file_is_longer_than_600_lines() -> None:
    long = [
        f"{module.path}: {count} lines"
        for module in modules()
        if (count := len(module.text.splitlines())) > FILE_LINES_MAX
    ]
    assert long == []


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{module.path}:{function.lineno} {function.name}: {line_count(function)} lines"
        for module in modules()
        for function in functions(module)
        if line_count(function) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_no_class_has_more_than_20_methods() -> None:
    large = [
        f"{module.path}:{node.lineno} {node.name}: {count} methods"
        for module in modules()
        for node in classes(module)
        if (count := sum(isinstance(item, Function) for item in node.body)) > CLASS_METHODS_MAX
    ]
    assert large == []


def _parameter_count(function: Function) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return len(named) - 1


def test_no_constructor_takes_more_than_6_parameters() -> None:
    wide = [
        f"{module.path}:{function.lineno} {node.name}: {_parameter_count(function)} parameters"
        for module in modules()
        for node in classes(module)
        for function in node.body
        if isinstance(function, Function)
        and function.name == "__init__"
        and _parameter_count(function) > CONSTRUCTOR_PARAMETERS_MAX
    ]
    assert wide == []


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """Each child, and whether it opens one more level: an `elif` continues its `if` at the same level."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, Function | ast.ClassDef):
                continue
            is_elif = isinstance(node, ast.If) and field == "orelse" and isinstance(child, ast.If)
            yield child, isinstance(child, BLOCKS) and not (is_elif and len(value) == 1)


def _nesting(node: ast.AST) -> int:
    """How many blocks deep the deepest statement of `node` stands."""
    return max((_nesting(child) + opens for child, opens in _children(node)), default=0)


def test_no_function_of_the_core_nests_deeper_than_3_blocks() -> None:
    deep = [
        f"{module.path}:{function.lineno} {function.name}: {depth} blocks deep"
        for module in modules("core")
        for function in functions(module)
        if (depth := _nesting(function)) > NESTING_MAX
    ]
    assert deep == []


def test_the_source_root_holds_no_python_file_of_its_own() -> None:
    assert list(CORE.glob("*.py")) == []


def test_every_module_says_why_it_exists() -> None:
    silent = [
        str(module.path) for module in modules() if module.text.strip() and not ast.get_docstring(module.tree)
    ]
    assert silent == []
