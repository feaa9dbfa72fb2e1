"""Who is measured: the shipped search through the real index, each part of it alone, each part left out, and the peers.

All answer the same questions on the same tree. What is left out is left out of the ranking of the same candidates that
the store brings; for the vectors the store is asked without them too.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from bench.index.model import semble_model
from bench.index.peers import NoPeers, installed
from bench.retrieval.corpus import Corpus, chunks_of
from bench.retrieval.metrics import RESULTS, Place
from naestro.config import Settings
from naestro.errors import ModelMissing
from naestro.index.asking.question import asked
from naestro.index.asking.rank import rank
from naestro.index.asking.search import CANDIDATES
from naestro.index.asking.weights import WEIGHTS, Weights
from naestro.index.embed.choose import embedder
from naestro.index.storage.schema import Candidate
from naestro.index.workspace_index import WorkspaceIndex
from naestro.policy.workspace import Workspace

PEER_S = 900
SENTENCE_CHUNKS_MAX = 1_500
"""MiniLM reads some sixty chunks a second."""
OFF = {
    "repeated": 1.0,
    "tests": 1.0,
    "documents": 1.0,
    "examples": 1.0,
    "foreign": 1.0,
    "data": 1.0,
    "length": 0.0,
}
"""What a weight is where its ingredient is left out; 0 for all others."""
LEFT_OUT = tuple(one.name for one in fields(Weights) if one.name not in ("saturation", "file_fading"))
"""The weights that stand for an ingredient."""
SIMPLER = {
    "saturation 1.2": {"saturation": 1.2},
    "file_fading 1": {"file_fading": 1.0},
    "file_fading 0": {"file_fading": 0.0},
}
"""What would be no choice: LanceDB's own number, a file's best chunks as they are, its best chunk alone."""
Answers = list[list[Place]]
"""The places for each question."""


def variants() -> dict[str, Weights]:
    """The weights with each ingredient left out, and with each of the others as if nobody had chosen it."""
    left_out = {f"without {name}": replace(WEIGHTS, **{name: OFF.get(name, 0.0)}) for name in LEFT_OUT}
    return left_out | {name: replace(WEIGHTS, **simpler) for name, simpler in SIMPLER.items()}


def ours(tree: Path, questions: Sequence[str], *, ablated: int) -> dict[str, Answers]:
    """The shipped search and its parts; ingredients are left out for the first `ablated` questions alone."""
    with (
        tempfile.TemporaryDirectory(prefix="naestro-bench-") as kept,
        WorkspaceIndex(Workspace(tree), Settings(), Path(kept)) as index,
    ):
        last = index.refresh()
        if last.phase != "done":
            raise RuntimeError(f"{tree.name} cannot be indexed: {last.detail}")
        answers: dict[str, Answers] = {"shipped": []}
        for at, question in enumerate(questions):
            found = index.search(question, RESULTS).results
            answers["shipped"].append([(one.path, one.start, one.end) for one in found])
            for name, places in _parts(index, question, with_ablations=at < ablated).items():
                answers.setdefault(name, []).append(places)
        return answers


def _parts(index: WorkspaceIndex, question: str, *, with_ablations: bool) -> dict[str, list[Place]]:
    store, embed = index.store, embedder(Settings())
    terms, vector = asked(question).terms, embed.query(question) if embed else None
    by_words = store.candidates(terms, None, CANDIDATES)
    both = store.candidates(terms, vector, CANDIDATES)
    found = {
        "full text alone": _first(by_words, [one.fts_score for one in by_words]),
        "vectors alone": _first(both, [one.vector_score for one in both]),
        "without vectors": _ranked(index, question, by_words, WEIGHTS),
    }
    if with_ablations:
        for name, weights in variants().items():
            found[name] = _ranked(index, question, both, weights)
    return found


def _ranked(
    index: WorkspaceIndex, question: str, candidates: list[Candidate], weights: Weights
) -> list[Place]:
    found = rank(question, candidates, index.store.statistics, RESULTS, weights)
    return [(one.candidate.path, one.candidate.start, one.candidate.end) for one in found]


def _first(candidates: Sequence[Candidate], scores: Sequence[float]) -> list[Place]:
    order = sorted(
        range(len(candidates)), key=lambda at: (-scores[at], candidates[at].path, candidates[at].start)
    )
    best = [candidates[at] for at in order[:RESULTS] if scores[at] > 0]
    return [(one.path, one.start, one.end) for one in best]


def peers(tree: Path, questions: Sequence[str]) -> dict[str, Answers]:
    """semble, and bm25s over our chunks; one that cannot be installed or fails on this tree is named and left out."""
    chunks = [(one.path, one.start, one.end, one.text) for one in chunks_of(tree)]
    given = {
        "semble": ("semble", {"folder": str(tree), "questions": list(questions)}),
        "plain BM25": ("bm25s", {"chunks": chunks, "questions": list(questions)}),
    }
    answers: dict[str, Answers] = {}
    for name, (program, what) in given.items():
        try:
            answers[name] = _asked(program, what)
        except (NoPeers, RuntimeError) as error:
            print(f"{name} is left out of {tree.name}: {error}", file=sys.stderr)
    return answers


def sentences(tree: Path, questions: Sequence[str]) -> dict[str, Answers]:
    """MiniLM's vectors alone; only of a small tree, and where it was fetched."""
    from naestro.index.embed.minilm import minilm

    chunks = chunks_of(tree)
    if len(chunks) > SENTENCE_CHUNKS_MAX:
        return {}
    try:
        model = minilm()
    except ModelMissing as error:
        print(f"MiniLM is left out: {error}", file=sys.stderr)
        return {}
    corpus = Corpus(chunks, embedder=model)
    found = [corpus.candidates((), model.query(question)) for question in questions]
    return {"MiniLM alone": [_first(some, [one.vector_score for one in some]) for some in found]}


def _asked(name: str, given: dict) -> Answers:
    program = Path(__file__).with_name("peer_program.py")
    with tempfile.TemporaryDirectory(prefix="naestro-bench-") as kept:
        own = {
            "SEMBLE_CACHE_LOCATION": kept,
            "HF_HUB_OFFLINE": "1",
            "HOME": kept,
            "SEMBLE_MODEL_NAME": str(semble_model()),
        }
        done = subprocess.run(
            [str(installed() / "bin" / "python"), str(program), name],
            input=json.dumps(given),
            env={**os.environ, **own, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=PEER_S,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed: {done.stderr.strip().splitlines()[-1:]}")
    return [[(path, start, end) for path, start, end in places] for places in json.loads(done.stdout)]
