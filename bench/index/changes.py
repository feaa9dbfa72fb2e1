"""How soon a change is found: one edited file, and a branch that changes hundreds."""

import random
import string
import time
from collections.abc import Iterator
from pathlib import Path

from bench.index.daemon import Asking, Indexed, commit, git
from bench.index.questions import SEED

EDITS = 30
SWITCHED_FILES = 500
SWITCHES = 4
"""There and back, twice."""
ASKED_FILES = 25
"""Of the switched files, those that are asked for."""
BRANCH = "other"
SIZE_MAX = 200_000
"""Of a file that is edited, in bytes: as people write them."""


def make_branch(tree: Path) -> None:
    """A branch on which each of `SWITCHED_FILES` files has one more function; `main` stays checked out."""
    git(tree, "switch", "-q", "-c", BRANCH)
    for path, word in switched(tree):
        append(tree / path, word)
    commit(tree)
    git(tree, "switch", "-q", "main")


def switched(tree: Path) -> list[tuple[str, str]]:
    """The files that differ, relative, each with the word that stands in it on the branch alone."""
    chance = random.Random(SEED)
    return [(path, word(chance)) for path in chance.sample(sources(tree), SWITCHED_FILES)]


def edits_ms(place: Indexed, asking: Asking) -> list[float]:
    """Milliseconds from a saved file until a search finds what was written, for each of `EDITS` files."""
    chance = random.Random(SEED + 1)
    times: list[float] = []
    for path in chance.sample(sources(place.tree), EDITS):
        new = word(chance)
        began = time.perf_counter()
        append(place.tree / path, new)
        asking.until(lambda path=path, new=new: asking.finds(new, path))
        times.append((time.perf_counter() - began) * 1000)
        asking.until_quiet()
    return times


def switches_s(place: Indexed, asking: Asking) -> Iterator[float]:
    """Seconds from `git switch` until all that is asked for is found, or no longer found, and nothing is unseen.

    The first goes to files that nobody has seen before, the others to such that were there once.
    """
    asked = switched(place.tree)[:: SWITCHED_FILES // ASKED_FILES]
    for number in range(SWITCHES):
        is_there = number % 2 == 0
        began = time.perf_counter()
        git(place.tree, "switch", "-q", BRANCH if is_there else "main")
        for path, new in asked:
            asking.until(lambda path=path, new=new, is_there=is_there: asking.finds(new, path) == is_there)
        asking.until(asking.has_seen_all)
        yield time.perf_counter() - began
        asking.until_quiet()


def sources(tree: Path) -> list[str]:
    """The Python files of ordinary size, relative, in a fixed order."""
    found = (path for path in tree.rglob("*.py") if 500 < path.stat().st_size < SIZE_MAX)
    return sorted(path.relative_to(tree).as_posix() for path in found)


def append(path: Path, new: str) -> None:
    """Save a file with one more function at its end, of that name."""
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\n\ndef {new}(number):\n    return number + 1\n", encoding="utf-8")


def word(chance: random.Random) -> str:
    """A word that stands nowhere else."""
    return "zq" + "".join(chance.choices(string.ascii_lowercase, k=10))
