"""The graph of a workspace's files: who uses whose names, and how much each file and definition is leant on.

An edge leads from a file that uses a name to each file that may define it; PageRank over the edges (Brin and Page,
1998) says what the rest of the code rests on, or what lies near the files that a question is about. `map` above shows
the best; the names come from the manifest. Pure functions over values: equal files give equal numbers.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from naestro.index.asking.places import place_of
from naestro.index.files.manifest_names import FileNames

if TYPE_CHECKING:
    import numpy as np

DAMPING: Final = 0.85
"""The share of a file's weight that goes on to what it uses."""
ROUNDS_MAX: Final = 60
"""0.85 to the power of 60 is a ten-thousandth: more rounds change no order that anybody sees."""
PRECISION: Final = 1e-7
"""Sum of all changes in one round after which it ends."""
DEFINERS_MAX: Final = 12
"""Files that define a name; a name that more have says nothing of which one is meant."""
PRIVATE_FACTOR: Final = 0.1
"""For names with `_` before them: used elsewhere, they are mostly other ones of the same name."""
PLAIN_FACTOR: Final = 0.05
"""For one word in one case, `items` or `FAILED`: mostly a variable, or a member of something else."""
UNUSED_KINDS: Final = frozenset({"section", "field", "key", "element", "rule", "media", "keyframes"})
"""What other files name in no way that could be told from a common word."""
UNIMPORTED_FACTOR: Final = 0.5
"""For a name of a file that is not imported: perhaps another one of the same name."""
STRAY_FACTOR: Final = 0.05
"""Likewise where the user imports what it uses: files of this workspace, or anything in a language of `_IMPORTING`."""
FULL_WEIGHT: Final = 1.0
"""Of a file's edges together, below which it does not give all of its weight on: one stray name is no vote."""
IMPORT_WEIGHT: Final = 1.0
"""Of an edge to an imported file, whatever is used of it."""
TOP_PARTS: Final = 2
"""Parts of the path of a module at the top, as in `src/store`."""
OTHER_PLACE_WEIGHT: Final = 0.1
"""For tests, documents and foreign files: walks begin there less often, and code seldom means what they define."""
FOCUS_SHARE: Final = 0.9
"""Of the walks that begin in the files that a question is about."""

_FAMILIES: Final = {
    **dict.fromkeys(("javascript", "typescript", "tsx"), "javascript"),
    **dict.fromkeys(("c", "cpp"), "c"),
    **dict.fromkeys(("java", "kotlin", "scala"), "java"),
}
"""Languages whose files use one another's names; every other one keeps to itself."""
_IMPORTING: Final = frozenset({"python", "javascript"})
"""Languages in which no file uses a name of another one that it does not import."""

_PLAIN = re.compile(r"(?:[a-z]+|[A-Z]+)[0-9]*")
_PARTS = re.compile(r"[./\\:]+")
_ROOTS = frozenset({"__init__", "index", "mod", "lib", "main"})
"""Files that stand for the folder that they lie in."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Who uses what: one edge for each name that a file uses of another."""

    files: list[FileNames]
    sources: "np.ndarray"
    """(n_edges,) int64: positions in `files`."""
    targets: "np.ndarray"
    """(n_edges,) int64: positions in `files`."""
    names: list[str]
    """(n_edges,): what is used; empty where the file as a whole is imported."""
    weights: "np.ndarray"
    """(n_edges,) float64."""


def graph_of(files: Iterable[FileNames]) -> Graph:
    """The graph of `files`, in their order."""
    import numpy as np

    listed = list(files)
    edges = list(_edges(listed))
    return Graph(
        files=listed,
        sources=np.array([edge[0] for edge in edges], np.int64),
        targets=np.array([edge[1] for edge in edges], np.int64),
        names=[edge[2] for edge in edges],
        weights=np.array([edge[3] for edge in edges], np.float64),
    )


def ranks(graph: Graph, focus: Mapping[str, float] = {}) -> "np.ndarray":
    """How much each file is leant on: (n_files,) float64, of sum 1; `focus` says by path where walks begin."""
    import numpy as np

    count = len(graph.files)
    begin = _beginnings(graph.files, focus)
    if not count:
        return begin
    shares = _shares(graph)
    kept_back = 1 - np.bincount(graph.sources, shares, count)
    rank = begin
    for _ in range(ROUNDS_MAX):
        given = np.bincount(graph.targets, rank[graph.sources] * shares, count)
        new = DAMPING * (given + (rank @ kept_back) * begin) + (1 - DAMPING) * begin
        change = float(np.abs(new - rank).sum())
        rank = new
        if change < PRECISION:
            break
    return rank


def leant_on(graph: Graph, rank: "np.ndarray") -> dict[tuple[int, str], float]:
    """How much of each file's weight goes to which name of which file (its position): what a definition is worth."""
    flows = rank[graph.sources] * _shares(graph)
    worth: Counter[tuple[int, str]] = Counter()
    for target, name, flow in zip(graph.targets.tolist(), graph.names, flows.tolist(), strict=True):
        worth[target, name] += flow
    return dict(worth)


def _shares(graph: Graph) -> "np.ndarray":
    """What part of its source's weight each edge takes on: (n_edges,) float64, at most 1 in all for a source."""
    import numpy as np

    leaving = np.bincount(graph.sources, graph.weights, len(graph.files))
    return graph.weights / np.maximum(leaving, FULL_WEIGHT)[graph.sources]


def _beginnings(files: Sequence[FileNames], focus: Mapping[str, float]) -> "np.ndarray":
    import numpy as np

    base = np.array([OTHER_PLACE_WEIGHT if place_of(file.path) else 1.0 for file in files], np.float64)
    wanted = np.array([focus.get(file.path, 0.0) for file in files], np.float64)
    base /= max(base.sum(), 1e-12)
    if not wanted.any():
        return base
    return FOCUS_SHARE * wanted / wanted.sum() + (1 - FOCUS_SHARE) * base


def _edges(files: Sequence[FileNames]) -> Iterator[tuple[int, int, str, float]]:
    """Each edge as source, target, name, weight."""
    meanings = _Meanings(files)
    modules = _Modules(files)
    for source, file in enumerate(files):
        imported = modules.imported_by(file)
        yield from ((source, target, "", IMPORT_WEIGHT) for target in sorted(imported - {source}))
        for name, lines in file.references.items():
            targets, weight = meanings.of(name, source, imported)
            times = math.sqrt(len(lines))
            yield from (
                (source, target, name, times * weight * meanings.trust(source, target)) for target in targets
            )


class _Meanings:
    """Which definitions a name may mean."""

    def __init__(self, files: Sequence[FileNames]) -> None:
        self._definers = _definers(files)
        self._vague = _vague(files)
        users = Counter(name for file in files for name in file.references if name in self._definers)
        self._worth = {name: _worth(name, len(files), count) for name, count in users.items()}
        self._is_code = [not place_of(file.path) for file in files]
        self._families = [_FAMILIES.get(file.language, file.language) for file in files]
        self._is_importing = [
            bool(file.imports) and family in _IMPORTING
            for file, family in zip(files, self._families, strict=True)
        ]

    def of(self, name: str, source: int, imported: Set[int]) -> tuple[Sequence[int], float]:
        """The files that `name` may mean in the file at `source`, and the weight of one use for each."""
        family = self._families[source]
        targets = [one for one in self._definers.get(name, ()) if self._families[one] == family]
        if not targets or source in targets:
            return (), 0.0  # a name of another library, or its own
        weight = self._worth[name]
        meant = [target for target in targets if target in imported]
        is_stray = bool(imported) or self._is_importing[source]
        is_said = name not in self._vague and not (is_stray and _PLAIN.fullmatch(name))
        if not meant and is_said:
            meant, weight = targets, weight * (STRAY_FACTOR if is_stray else UNIMPORTED_FACTOR)
        return (meant, weight / len(meant)) if 0 < len(meant) <= DEFINERS_MAX else ((), 0.0)

    def trust(self, source: int, target: int) -> float:
        """How likely code means what lies in a test or a document."""
        return 1.0 if self._is_code[target] or not self._is_code[source] else OTHER_PLACE_WEIGHT


def _definers(files: Sequence[FileNames]) -> dict[str, list[int]]:
    """The files that define each name."""
    found: dict[str, dict[int, None]] = {}
    for position, file in enumerate(files):
        for one in file.definitions:
            if one.kind not in UNUSED_KINDS and not (one.name.startswith("__") and one.name.endswith("__")):
                found.setdefault(one.name, {})[position] = None
    return {name: list(positions) for name, positions in found.items()}


def _vague(files: Sequence[FileNames]) -> set[str]:
    """Plain words that are methods and nothing else: `append` may be that of any object."""
    kinds: dict[str, set[str]] = {}
    for file in files:
        for one in file.definitions:
            if _PLAIN.fullmatch(one.name):
                kinds.setdefault(one.name, set()).add(one.kind)
    return {name for name, held in kinds.items() if held <= {"method", *UNUSED_KINDS}}


def _worth(name: str, files: int, users: int) -> float:
    """How much one use of a name says: the fewer files use it the more."""
    factor = PRIVATE_FACTOR if name.startswith("_") else PLAIN_FACTOR if _PLAIN.fullmatch(name) else 1.0
    return factor * math.log1p(files / users)


class _Modules:
    """Which file an import means, by the end of its path."""

    def __init__(self, files: Sequence[FileNames]) -> None:
        self._by_last: dict[str, list[tuple[list[str], int]]] = {}
        for position, file in enumerate(files):
            parts = _module_parts(file.path)
            self._by_last.setdefault(parts[-1], []).append((parts, position))
        self._known: dict[tuple[str, str], int | None] = {}

    def imported_by(self, file: FileNames) -> set[int]:
        """Positions of the files that `file` imports, where that is plain."""
        folder = file.path.rpartition("/")[0]
        found: set[int] = set()
        for module in {one.module for one in file.imports}:
            key = (module, folder)
            if key not in self._known:
                self._known[key] = self._meant(module, [*filter(None, folder.split("/"))])
            position = self._known[key]
            if position is not None:
                found.add(position)
        return found

    def _meant(self, module: str, here: Sequence[str]) -> int | None:
        """The file that `module` means in the folder `here`, given by its parts."""
        parts = [part for part in _PARTS.split(module) if part]
        while parts:
            ending = [pair for pair in self._by_last.get(parts[-1], ()) if pair[0][-len(parts) :] == parts]
            if len(parts) == 1:  # `re` is the language's own, unless it lies beside, or at the top
                ending = [pair for pair in ending if pair[0][:-1] == here or len(pair[0]) <= TOP_PARTS]
            if ending:
                return min(ending, key=lambda pair: (-_in_common(pair[0], here), len(pair[0]), pair[1]))[1]
            parts.pop()  # the last part may be a name in the module, or the ending of a file
        return None


def _module_parts(path: str) -> list[str]:
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    parts = [*filter(None, folder.split("/"))]
    return parts if stem in _ROOTS and parts else [*parts, stem]


def _in_common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders two paths share from the root."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
