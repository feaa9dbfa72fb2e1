"""The sub-packages of the code index import one another in one direction only."""

from tests.architecture.source import imported_names, modules

LAYERS = (
    {"scheduling"},
    {"open_index"},
    {"workspace_index", "grounding"},
    {"asking", "indexing"},
    {"taking"},
    {"storage", "files", "embed"},
    {"text", "only"},
    {"parsing"},
    {"found", "spans", "place"},
)
"""From the top; what stands in one layer does not import its neighbours either."""
INDEX = "naestro.index."


def _part(name: str) -> str:
    """The module or sub-package of the index that a dotted name lies in; empty outside of it."""
    return name.removeprefix(INDEX).partition(".")[0] if name.startswith(INDEX) else ""


def _upwards(imports: list[tuple[str, str]]) -> list[str]:
    """Of imports, as what imports and what is imported, those that do not point downwards."""
    depth = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    return [
        f"{above} imports {below}"
        for above, below in imports
        if _part(above) and _part(below) and _part(above) != _part(below)
        if depth[_part(above)] >= depth[_part(below)]
    ]


def _imports() -> list[tuple[str, str]]:
    return [
        (module.name, name)
        for module in modules("core/naestro/index")
        for _, name in imported_names(module)
        if _part(name)
    ]


def test_an_import_within_the_index_points_downwards() -> None:
    assert _upwards(_imports()) == []


def test_every_part_of_the_index_has_its_layer() -> None:
    parts = {_part(module.name) for module in modules("core/naestro/index")} - {""}
    assert parts == set().union(*LAYERS)


def test_an_import_that_points_upwards_or_aside_is_found() -> None:
    imports = [
        (f"{INDEX}storage.store", f"{INDEX}taking.taken"),
        (f"{INDEX}storage.store", f"{INDEX}files.walk"),
        (f"{INDEX}storage.store", f"{INDEX}storage.table"),
        (f"{INDEX}taking.taken", f"{INDEX}storage.store"),
    ]
    assert _upwards(imports) == [f"{above} imports {below}" for above, below in imports[:2]]
