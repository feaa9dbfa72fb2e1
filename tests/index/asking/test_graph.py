"""The graph of files: who is leant on, by what, and from where a walk begins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naestro.index.asking.graph import Graph, graph_of, leant_on, ranks
from naestro.index.files.manifest_names import FileNames
from naestro.index.parsing.parsed import Definition
from tests.index.indexed import names_of

FILES = {
    "app/errors.py": "class AppError(Exception):\n    pass\n",
    "app/store.py": "from app.errors import AppError\n\n\nclass Store:\n    def keep(self):\n        raise AppError\n",
    "app/service.py": (
        "from app.errors import AppError\nfrom app.store import Store\n\n\ndef serve():\n"
        "    try:\n        Store().keep()\n    except AppError:\n        pass\n"
    ),
    "tests/test_store.py": (
        "from app.store import Store\n\n\nclass AppError: ...\n\n\ndef test_keep():\n    Store().keep()\n"
    ),
}


def edges(graph: Graph) -> set[tuple[str, str, str]]:
    """The edges with their paths."""
    paths = [file.path for file in graph.files]
    pairs = zip(graph.sources.tolist(), graph.targets.tolist(), graph.names, strict=True)
    return {(paths[source], paths[target], name) for source, target, name in pairs}


def test_an_edge_leads_from_the_user_to_the_definer() -> None:
    found = edges(graph_of(names_of(FILES)))
    assert ("app/service.py", "app/store.py", "Store") in found
    assert ("app/service.py", "app/errors.py", "AppError") in found
    assert ("app/service.py", "app/store.py", "") in found, "an import is an edge of its own"
    assert not any(source == target for source, target, _ in found)
    assert ("tests/test_store.py", "app/errors.py", "AppError") not in found, "it has its own"


def test_what_is_imported_is_meant_where_a_name_is_defined_twice() -> None:
    files = {
        "a/tools.py": "def make_parser(): ...\n",
        "b/tools.py": "def make_parser(): ...\n",
        "b/use.py": "from b.tools import make_parser\n\nmake_parser()\n",
        "free.py": "make_parser()\n",
    }
    found = edges(graph_of(names_of(files)))
    assert ("b/use.py", "b/tools.py", "make_parser") in found
    assert ("b/use.py", "a/tools.py", "make_parser") not in found
    assert {target for source, target, _ in found if source == "free.py"} == {"a/tools.py", "b/tools.py"}


@pytest.mark.parametrize(
    ("path", "text", "target"),
    [
        ("pkg/use.py", "from .near import thing_here\n", "pkg/near.py"),
        ("pkg/use.py", "import pkg.deep\n", "pkg/deep/__init__.py"),
        ("pkg/use.py", "from pkg.deep import thing_here\n", "pkg/deep/__init__.py"),
        ("web/use.ts", "import { a } from './near'\n", "web/near.ts"),
        ("web/use.ts", "import { a } from '../pkg/near.js'\n", "pkg/near.py"),
        ("src/use.c", '#include "deep/head.h"\n', "src/deep/head.h"),
        ("pkg/use.py", "import re\n", None),
        ("pkg/use.py", "import numpy.linalg\n", None),
    ],
)
def test_an_import_means_the_nearest_file_of_that_path(path: str, text: str, target: str | None) -> None:
    files = {
        "pkg/near.py": "",
        "pkg/deep/__init__.py": "",
        "pkg/deep/re.py": "",
        "other/near.py": "",
        "other/linalg.py": "",
        "web/near.ts": "",
        "src/deep/head.h": "",
        path: text,
    }
    found = {pair[1] for pair in edges(graph_of(names_of(files))) if pair[0] == path and not pair[2]}
    assert found == ({target} if target else set())


def test_what_the_rest_rests_on_ranks_first_and_tests_last() -> None:
    graph = graph_of(names_of(FILES))
    rank = dict(zip([file.path for file in graph.files], ranks(graph).tolist(), strict=True))
    assert sorted(rank, key=lambda path: -rank[path]) == [
        "app/errors.py",
        "app/store.py",
        "app/service.py",
        "tests/test_store.py",
    ]
    worth = leant_on(graph, ranks(graph))
    errors = [file.path for file in graph.files].index("app/errors.py")
    assert worth[errors, "AppError"] == max(worth.values())


def test_a_focus_draws_the_weight_to_what_lies_near_it() -> None:
    files = {
        **FILES,
        "lone.py": "def alone_here(): ...\n",
        "near.py": "from lone import alone_here\nalone_here()\n",
    }
    graph = graph_of(names_of(files))
    paths = [file.path for file in graph.files]
    plain, focused = ranks(graph), ranks(graph, {"near.py": 2.0, "gone.py": 5.0})
    best = sorted(paths, key=lambda path: -focused[paths.index(path)])[:2]
    assert set(best) == {"near.py", "lone.py"}
    assert plain[paths.index("near.py")] < focused[paths.index("near.py")]


def test_rare_names_say_more_than_common_private_and_plain_ones() -> None:
    files = {
        "rare.py": "class RareThing: ...\n",
        "common.py": "class CommonThing: ...\n",
        "private.py": "def _private_thing(): ...\n",
        "plain.py": "def items(): ...\n",
        "methods.py": "class Holder:\n    def append(self): ...\n    field = 1\n    def __init__(self): ...\n",
        "use.py": "RareThing, CommonThing, _private_thing, items, x.append, field, __init__\n",
        **{f"more{n}.py": "CommonThing\n" for n in range(6)},
    }
    graph = graph_of(names_of(files))
    use = [file.path for file in graph.files].index("use.py")
    weights = {
        name: weight
        for source, name, weight in zip(
            graph.sources.tolist(), graph.names, graph.weights.tolist(), strict=True
        )
        if source == use
    }
    order = sorted(weights, key=lambda name: -weights[name])
    assert order[:2] == ["RareThing", "CommonThing"]
    assert set(order) == {"RareThing", "CommonThing", "_private_thing", "items"}


def test_a_name_means_a_file_of_its_language_alone() -> None:
    files = {
        "Path.scala": "class TreePath(val name: String)\n",
        "web.ts": "export class PanelView {}\n",
        "use.js": "new PanelView()\n",
        "use.py": "TreePath()\nPanelView()\n",
    }
    assert edges(graph_of(names_of(files))) == {("use.js", "web.ts", "PanelView")}


def test_who_imports_what_it_uses_means_nothing_else_by_a_name() -> None:
    files = {
        **FILES,
        "tests/test_odd.py": "RETRY = 1\nclass OddCase: ...\n",
        "app/more.py": "from app.store import Store\n\nRETRY, OddCase, Store\n",
        "app/free.py": "RETRY, OddCase, Store\n",
        "app/alone.py": "import json\n\nRETRY, OddCase\n",
    }
    graph = graph_of(names_of(files))
    assert ("app/alone.py", "tests/test_odd.py", "RETRY") not in edges(graph)
    assert ("app/more.py", "tests/test_odd.py", "RETRY") not in edges(graph)
    assert ("app/free.py", "tests/test_odd.py", "RETRY") in edges(graph)
    paths = [file.path for file in graph.files]
    odd = {
        paths[source]: weight
        for source, name, weight in zip(
            graph.sources.tolist(), graph.names, graph.weights.tolist(), strict=True
        )
        if name == "OddCase"
    }
    assert odd["app/more.py"] < odd["app/free.py"] / 5


def test_a_stray_name_hands_on_no_more_than_it_says() -> None:
    files = {
        "a.py": "class OneThing: ...\n",
        "b.py": "OneThing\n",
        "c.py": "from a import OneThing\n",
        **{f"more{n}.py": "" for n in range(6)},
        "odd.py": "def items(): ...\n",
        "user.py": "items\n",
    }
    graph = graph_of(names_of(files))
    rank = dict(zip([file.path for file in graph.files], ranks(graph).tolist(), strict=True))
    assert rank["a.py"] > 2 * rank["odd.py"]
    assert rank["odd.py"] < 1.2 * rank["more0.py"], "one plain word is no vote"


def test_repeated_uses_count_by_their_root() -> None:
    files = {"a.py": "class OneThing: ...\n", "b.py": "OneThing\n" * 9, "c.py": "OneThing\n"}
    graph = graph_of(names_of(files))
    assert graph.weights.tolist()[0] == pytest.approx(3 * graph.weights.tolist()[1])


def test_a_name_that_half_the_files_define_leads_nowhere() -> None:
    files = {f"f{n}.py": "class SameName: ...\n" for n in range(20)}
    assert edges(graph_of(names_of({**files, "use.py": "SameName()\n"}))) == set()


def test_no_files_have_no_ranks() -> None:
    graph = graph_of([])
    assert ranks(graph).tolist() == []
    assert leant_on(graph, ranks(graph)) == {}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from("ABCDEFG")), st.dictionaries(st.sampled_from("ABCDEFG"), st.just([1]))
        ),
        max_size=8,
    )
)
def test_ranks_are_shares_of_one_whatever_uses_whatever(
    files: list[tuple[set[str], dict[str, list[int]]]],
) -> None:
    listed = [
        FileNames(
            f"{n}.py",
            "python",
            [Definition(f"Name{name}", f"Name{name}", "class", 1, 1, "") for name in sorted(defined)],
            {f"Name{name}": lines for name, lines in sorted(used.items())},
            [],
        )
        for n, (defined, used) in enumerate(files)
    ]
    graph = graph_of(listed)
    rank = ranks(graph)
    assert rank.sum() == pytest.approx(1.0 if files else 0.0, abs=1e-6)
    assert (rank >= 0).all()
    assert ranks(graph_of(listed)).tolist() == rank.tolist()
    assert sum(leant_on(graph, rank).values()) <= 1.0 + 1e-6
