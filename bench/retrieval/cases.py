"""The cases of the benchmark: a question and what answers it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

COMMITS = Path(__file__).parent / "commits.json"
"""Commits and what they changed, mined by `bench.retrieval.mine`; the messages are not in it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A file that answers, and the definitions in it that do."""

    path: str
    spans: tuple[tuple[int, int], ...] = ()
    """First and last lines in the pinned tree, from 1; empty where no definition of it was changed."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit after the pinned version."""

    source: str
    commit: str
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its answers."""

    source: str
    question: str
    targets: tuple[Target, ...]


def read_commits() -> list[Commit]:
    """The mined commits."""
    return [
        Commit(one["source"], one["commit"], tuple(_target(target) for target in one["targets"]))
        for one in json.loads(COMMITS.read_text())
    ]


def write_commits(commits: Iterable[Commit]) -> None:
    """Keep mined commits, one a line."""
    lines = [json.dumps(asdict(one), separators=(",", ":")) for one in commits]
    COMMITS.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def _target(data: dict) -> Target:
    return Target(data["path"], tuple((start, end) for start, end in data["spans"]))
