"""`python -m bench.retrieval.mine FOLDER`: make `commits.json` anew from clones that lie in FOLDER.

A commit is taken if it came after the pinned version, is no merge, changed one to five source files, each of which
is in the pinned tree, and if its message says something: four words that tell, and none of those that announce
housekeeping. What a commit changed is looked up by qualified name, from the lines that it took away or wrote between,
in the pinned tree, so that the tree that is searched never holds the change. Of each history the first `TAKEN_MAX`
that fit are taken, spread evenly over the commits nearest to the version.
"""

import random
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.retrieval.cases import Commit, Target, write_commits
from bench.retrieval.definitions import LANGUAGES, definitions, innermost
from bench.retrieval.history import History, asked_by
from bench.retrieval.sources import SOURCES, Source
from naestro.index.asking.places import place_of
from naestro.index.text.prepare import query_terms

TAKEN_MAX = 100
"""Commits of one history."""
LOOKED_AT_MAX = 1_200
"""Commits after the version: the further away, the less its tree is what was changed."""
TOLD_AT_ONCE = 100
"""Commits that git is asked for in one call."""
FILES_MAX = 5
SPANS_MAX = 8
"""Definitions that one commit may have changed; more is a sweep."""
TELLING_MIN = 4
SEED = 5
HOUSEKEEPING = re.compile(
    r"\b(?:bump|release|merge|revert|typos?|lint|linter|ruff|flake8|mypy|pylint|black|isort|pre-commit|pyupgrade|"
    r"format|formatting|typing|type hints?|annotations?|changelog|version|docs?|docstrings?|documentation|spelling|"
    r"copyright|cleanup|clean up|dependabot|backport|refactor|rename|ci)\b",
    re.IGNORECASE,
)
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? ")


def main() -> int:
    """Mine all histories that are in the folder; 0 if there was one."""
    histories = Path(sys.argv[1])
    found: list[Commit] = []
    for source in SOURCES:
        history = History.of(histories, source.repository) if source.repository else None
        if history:
            mined = mine(source, history)
            print(f"{source.name}: {len(mined)} commits, {source.half}", file=sys.stderr, flush=True)
            found += mined
    write_commits(found)
    return 0 if found else 1


def mine(source: Source, history: History) -> list[Commit]:
    """The commits of one history, in its order."""
    day = history.git("log", "-1", "--format=%cI", source.tag).decode().strip()
    listed = history.git("rev-list", "--no-merges", "--reverse", f"--since={day}", "HEAD").decode().split()
    near = listed[:LOOKED_AT_MAX]
    random.Random(SEED).shuffle(near)
    root, taken = source.path(), list[Commit]()
    for said in _told(history, near):
        case = _case(source.name, root, history, said)
        if case:
            taken.append(case)
        if len(taken) == TAKEN_MAX:
            break
    return sorted(taken, key=lambda one: one.commit)


@dataclass(frozen=True, slots=True)
class _Told:
    """What git tells of one commit."""

    commit: str
    message: str
    changes: list[tuple[str, str]]
    """Status and path of each changed file."""


def _told(history: History, commits: Sequence[str]) -> Iterator[_Told]:
    """Messages and changed files of `commits`, in their order; some at a time, since git takes long to start."""
    for at in range(0, len(commits), TOLD_AT_ONCE):
        some = commits[at : at + TOLD_AT_ONCE]
        text = history.git(
            "log", "--no-walk=unsorted", "--name-status", "--no-renames", "--format=%x01%H%n%B%x02", *some
        )
        for one in text.decode(errors="replace").split("\x01")[1:]:
            head, _, names = one.partition("\x02")
            commit, _, message = head.partition("\n")
            split = (line.partition("\t") for line in names.splitlines() if line)
            yield _Told(commit, message, [(status, path) for status, _, path in split])


def _case(name: str, root: Path, history: History, said: _Told) -> Commit | None:
    subject = said.message.strip().partition("\n")[0]
    if HOUSEKEEPING.search(subject) or len(query_terms(asked_by(said.message))) < TELLING_MIN:
        return None
    changed = list(_changed(said.changes))
    if not 1 <= len(changed) <= FILES_MAX or any(not (root / path).is_file() for path in changed):
        return None
    targets = [Target(path, tuple(_spans(root, history, said.commit, path))) for path in sorted(changed)]
    if sum(len(target.spans) for target in targets) > SPANS_MAX:
        return None
    return Commit(name, said.commit, tuple(targets))


def _changed(changes: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The source files that a commit changed; tests, documents and the like are not what is asked for."""
    for status, path in changes:
        if PurePosixPath(path).suffix in LANGUAGES and place_of(path) == "":
            yield path if status == "M" else f"{path} is new"


def _spans(root: Path, history: History, commit: str, path: str) -> Iterator[tuple[int, int]]:
    """Where, in the pinned tree, the definitions are that the commit changed."""
    try:
        before = history.git("show", f"{commit}^:{path}")
    except subprocess.CalledProcessError:
        return
    was = definitions(path, before)
    names: dict[str, None] = {}
    for line in (
        history.git("diff", "-U0", f"{commit}^", commit, "--", path).decode(errors="replace").splitlines()
    ):
        if hunk := _HUNK.match(line):
            start, length = int(hunk[1]), int(hunk[2] or 1)
            one = innermost(was, start, start + max(length - 1, 0))
            if one:
                names[one.name] = None
    pinned = {one.name: one for one in reversed(definitions(path, (root / path).read_bytes()))}
    yield from ((pinned[name].start, pinned[name].end) for name in names if name in pinned)


if __name__ == "__main__":
    raise SystemExit(main())
