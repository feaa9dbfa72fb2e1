"""Names as questions: what a person types who knows what it is called.

A name is asked as it stands, with its class if it has one; right is where it is defined. Only names that the sources of
a package define once are taken. They are easy; they show that what serves sentences does no harm here, and what the
parts of the ranking are worth that only names and files call for.
"""

import random
from collections import Counter
from pathlib import PurePosixPath

from bench.retrieval.cases import Case, Target
from bench.retrieval.definitions import LANGUAGES, definitions
from bench.retrieval.sources import Source
from naestro.index.asking.places import place_of
from naestro.policy.workspace import Workspace

TAKEN_MAX = 50
NAME_CHARS_MIN = 4
SEED = 5


def cases(source: Source) -> list[Case]:
    """Names of one package; every other one with the file it stands in, as `name in file.py`."""
    root = source.path()
    paths = [
        path
        for path in sorted(Workspace(root).files())
        if PurePosixPath(path).suffix in LANGUAGES and place_of(path) == ""
    ]
    found = [(path, one) for path in paths for one in definitions(path, (root / path).read_bytes())]
    times = Counter(one.name.rpartition(".")[2] for _, one in found)
    names = [
        (path, one)
        for path, one in found
        if times[bare := one.name.rpartition(".")[2]] == 1
        and len(bare) >= NAME_CHARS_MIN
        and bare.isidentifier()
    ]
    chosen = random.Random(SEED).sample(names, min(TAKEN_MAX, len(names)))
    return [
        Case(
            source.name,
            one.name if at % 2 else f"{one.name.rpartition('.')[2]} in {PurePosixPath(path).name}",
            (Target(path, ((one.start, one.end),)),),
        )
        for at, (path, one) in enumerate(chosen)
    ]
