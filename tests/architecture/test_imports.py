"""Which imports and calls stand where: the rules that need the whole tree, and those that ruff cannot say."""

import ast

from tests.architecture.source import Module, dotted, imported_names, modules, nodes

ENVIRONMENT_READERS = (
    "core/naestro/config.py",
    "core/naestro/relay/places.py",
    "core/naestro/relay/start.py",
)
"""The settings; and the relay, which cannot afford to load them."""
COMMAND_LINE = ("core/naestro/cli.py", "core/naestro/terminal/", "core/naestro/__main__.py")
VAGUE_NAMES = ("Manager", "Helper", "Helpers", "Util", "Utils", "Mixin")


def _is_below(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _importing(tree: str, *packages: str) -> list[str]:
    return [
        f"{module.path}:{line} {name}"
        for module in modules(*([tree] if tree else []))
        for line, name in imported_names(module)
        if _is_below(name, *packages)
    ]


def test_nothing_imports_a_second_copy_of_the_package() -> None:
    assert _importing("", "core") == []


def test_the_core_speaks_anyio_and_never_asyncio() -> None:
    assert _importing("core", "asyncio") == []


def test_no_mock_stands_in_for_our_own_code() -> None:
    assert _importing("", "unittest.mock", "mock", "pytest_mock") == []


def test_no_test_replaces_an_attribute_of_our_code() -> None:
    replaced = [
        f"{module.path}:{node.lineno}"
        for module in modules("tests")
        for node in nodes(module, ast.Attribute)
        if isinstance(node, ast.Attribute) and dotted(node) == "monkeypatch.setattr"
    ]
    assert replaced == []


def _reads_environment(module: Module) -> list[str]:
    used = [
        f"{module.path}:{node.lineno} {dotted(node)}"
        for node in nodes(module, ast.Attribute)
        if isinstance(node, ast.Attribute)
        and dotted(node) in {"os.environ", "os.environb", "os.getenv", "os.putenv"}
    ]
    imported = [
        f"{module.path}:{line} {name}"
        for line, name in imported_names(module)
        if name in {"os.environ", "os.environb", "os.getenv", "os.putenv"}
    ]
    return used + imported


def test_only_the_settings_and_the_relay_read_the_environment() -> None:
    readers = [
        found
        for module in modules("core")
        if str(module.path) not in ENVIRONMENT_READERS
        for found in _reads_environment(module)
    ]
    assert readers == []


def test_only_the_command_line_prints() -> None:
    printing = [
        f"{module.path}:{node.lineno}"
        for module in modules("core")
        if not str(module.path).startswith(COMMAND_LINE)
        for node in nodes(module, ast.Call)
        if isinstance(node, ast.Call) and dotted(node.func) == "print"
    ]
    assert printing == []


def test_no_import_is_relative() -> None:
    relative = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        for node in nodes(module, ast.ImportFrom)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_no_class_has_a_name_that_says_nothing() -> None:
    vague = [
        f"{module.path}:{node.lineno} {node.name}"
        for module in modules()
        for node in nodes(module, ast.ClassDef)
        if isinstance(node, ast.ClassDef) and node.name.endswith(VAGUE_NAMES)
    ]
    assert vague == []


def _graph() -> dict[str, set[str]]:
    """Each module of the core with the modules of the core that it imports, anywhere in its text."""
    names = {module.name for module in modules("core")}
    graph: dict[str, set[str]] = {}
    for module in modules("core"):
        targets: set[str] = set()
        for _, name in imported_names(module):
            found = name if name in names else name.rpartition(".")[0]
            if found in names and found != module.name:
                targets.add(found)
        graph[module.name] = targets
    return graph


def _cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Each group of modules that reach one another (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in sorted(graph[name]):
            if target not in order:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], order[target])
        if low[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found


def test_modules_do_not_import_one_another_in_a_circle() -> None:
    assert _cycles(_graph()) == []


def test_a_circle_of_imports_is_found() -> None:
    assert _cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
