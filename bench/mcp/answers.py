"""What `search_code` finds beside the searches of other servers, each asked by its own tool through MCP.

The questions are those of `bench.retrieval`, of repositories on which no weight was chosen: first sentences of
docstrings, the documentation blanked in the tree, and messages of commits where NAESTRO_BENCH_HISTORIES names a folder
with clones. Ours is asked once, as it is. Each other one is asked in several forms, and the one that finds most over
all questions of a set counts; where its matches have no order, the files with most of them come first in a further one.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.index.daemon import indexed
from bench.mcp.others import OURS, SERVER, Form, Other, Server, Starts, starts
from bench.retrieval.cases import Case
from bench.retrieval.metrics import NAMES, Scores, interval, means, scores
from bench.retrieval.running import HISTORIES, Asked, histories, sets, some
from bench.retrieval.sample import gain, value
from bench.retrieval.sources import SOURCES
from bench.retrieval.tables import joined
from bench.row import Row

SAMPLE = ("xarray", "dask", "scikit-learn", "sqlalchemy")
"""Of the half that is reported: those of middling size that have docstrings."""
SECONDS = 300
"""After which no further source is begun."""
CASES = 100
"""Of each source and set."""
CASES_OF_LINES = 25
"""The first of them, for servers that search for lines or file names: they are slow, and far behind."""
GIVE_UP_S = 900
FIGURES = NAMES[:3]
"""Those of files: pattern searches give lines, not spans."""
COUNTED = "files with most matches first"


def rows(found: Sequence[tuple[Other, Path]], settings: dict[str, str]) -> list[Row]:
    """Ours, and what it finds more than each other one, by set."""
    asked: list[Asked] = []
    began = time.monotonic()
    for source in sorted(
        (one for one in SOURCES if one.name in SAMPLE), key=lambda one: SAMPLE.index(one.name)
    ):
        if time.monotonic() - began > SECONDS:
            print(f"{source.name} is left out: {SECONDS} s have passed", file=sys.stderr)
            continue
        for kind, tree, cases in sets(source, "commits docstrings"):
            chosen = some(cases, CASES)
            with indexed(tree, lambda _: None) as place:
                place.index_s()
                others = starts(place, found, settings)
                asked += (
                    Asked(kind, source.name, name, judged)
                    for name, judged in _all(place.tree, others, chosen)
                )
    if not histories():
        print(f"mcp: the commits were not asked: {HISTORIES} names no folder with clones", file=sys.stderr)
    return [row for kind in dict.fromkeys(one.kind for one in asked) for row in rows_of(asked, kind)]


def _all(tree: Path, others: Starts, cases: Sequence[Case]) -> Iterator[tuple[str, list[Scores]]]:
    """The scores of ours and of each form of the others, named `server: form`."""
    yield from scored("search_code", (OURS,), None, lambda: Server(tree, SERVER), tree, cases)
    for name, (other, start) in others.items():
        some_cases = cases if other.is_ranking else cases[:CASES_OF_LINES]
        yield from scored(name, other.forms, other, start, tree, some_cases)


def scored(
    name: str,
    forms: Sequence[Form],
    other: Other | None,
    start: Callable[[], Server],
    tree: Path,
    cases: Sequence[Case],
) -> Iterator[tuple[str, list[Scores]]]:
    """The scores of each form of one server, named `server: form`; nothing, and told, where it does not work."""
    began = time.monotonic()
    try:
        with start() as server:
            server.give_up_after(GIVE_UP_S)
            other.ready(server, tree) if other else server.greet()
            for form in forms:
                found = [_matches(server, form, case.question, tree) for case in cases]
                yield f"{name}: {form.name}", _judged(found, cases)
                if form.is_unranked:
                    counted = [[path for path, _ in Counter(one).most_common()] for one in found]
                    yield f"{name}: {form.name}, {COUNTED}", _judged(counted, cases)
    except (OSError, EOFError, RuntimeError) as error:
        print(f"{name} is left out of the answers: {error}", file=sys.stderr)
    took_s = time.monotonic() - began
    print(
        f"{name}: {len(cases)} questions in {len(forms)} forms, {took_s:.0f} s", file=sys.stderr, flush=True
    )


def _matches(server: Server, form: Form, question: str, tree: Path) -> list[str]:
    return list(form.files(server.call(form.tool, **form.arguments(question, tree)), tree))


def _judged(answers: Sequence[Sequence[str]], cases: Sequence[Case]) -> list[Scores]:
    """Of the files of each answer, in their order; one that comes again counts once."""
    files = [[(path, 0, 0) for path in dict.fromkeys(one)] for one in answers]
    return [scores(one, case.targets) for one, case in zip(files, cases, strict=True)]


def rows_of(asked: Sequence[Asked], kind: str) -> list[Row]:
    """Of one set: ours, and each other one in its best form."""
    ours = f"search_code: {OURS.name}"
    own = joined(asked, kind, ours)[:, : len(FIGURES)]
    of = ", ".join(dict.fromkeys(one.source for one in asked if one.kind == kind))
    lines = [
        value(f"mcp: search_code, {kind}, {name}", mean, len(own), f"{kind} of {of}")
        for name, mean in zip(FIGURES, means(own), strict=True)
    ]
    names = dict.fromkeys(one.contender.partition(": ")[0] for one in asked if one.kind == kind)
    for server in (name for name in names if name != "search_code"):
        lines += _beside(asked, kind, ours, server)
    return lines


def _beside(asked: Sequence[Asked], kind: str, ours: str, server: str) -> list[Row]:
    """One other server in its best form, and what ours finds more on the same cases."""
    forms = dict.fromkeys(
        one.contender for one in asked if one.kind == kind and one.contender.startswith(f"{server}: ")
    )
    tables = {form: joined(asked, kind, form)[:, : len(FIGURES)] for form in forms}
    best = max(tables, key=lambda form: float(means(tables[form])[-1]))
    own = joined(asked, kind, ours, best)[:, : len(FIGURES)]
    form = best.partition(": ")[2]
    lines: list[Row] = []
    figures = zip(FIGURES, means(tables[best]), *interval(own, tables[best]), strict=True)
    for name, mean, more, low, high in figures:
        said = f"{kind}, {name}"
        lines += [
            value(f"mcp: {server}, {said}", mean, len(own), f"its best form: {form}"),
            gain(f"mcp: search_code, {said}, more than {server}", more, (low, high), len(own)),
        ]
    return lines
