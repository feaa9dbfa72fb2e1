"""A question, answered from the table of chunks and from what an editor has open: candidates, scored, the best shown.

Unsaved buffers are taken apart in memory and scored like the rest; what the table has of their files is masked.
`workspace_index` holds one `Search` and asks it, `grounding` asks through that; below lie `store` (candidates), `rank`
(their order) and `overlay`. It knows neither manifest nor front end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from naestro.index.asking.overlay import OpenChunk, OpenFiles, admitted
from naestro.index.embed.embedder import Embedder, EmbedText
from naestro.index.found import Found
from naestro.index.only import EVERYTHING, Only
from naestro.policy.workspace import Workspace

if TYPE_CHECKING:
    from naestro.index.asking.rank import Ranked
    from naestro.index.embed.choose import Reranker
    from naestro.index.embed.embedder import Vectors
    from naestro.index.storage.schema import Candidate
    from naestro.index.storage.store import Store

CANDIDATES: Final = 200
"""Chunks that are asked of the table by words; half as many by vector."""
RERANKED: Final = 100
"""Chunks that a reranker reads: it takes a hundredth of a second for each."""
RERANK_WEIGHT: Final = 0.5
"""Of the reranker's score for the best chunk, against 1 for the best one by everything else."""
QUESTION_CHARS_MAX: Final = 4000
"""Characters of a question that are looked at: a longer one is a pasted file."""
OPEN_NEAREST: Final = 16
"""Chunks of buffers that count by their vectors, though they say no word of the question."""
RESULTS_MAX: Final = 200
"""Results of one search."""


class Search:
    """Answers questions over one workspace's table; from any thread."""

    def __init__(
        self, workspace: Workspace, embedder: Embedder | None, reranker: "Reranker | None" = None
    ) -> None:
        """For `workspace`, whose table was made with `embedder`; None where it has no vectors."""
        self._workspace = workspace
        self._embedder = embedder
        self._reranker = reranker
        self._open_files = OpenFiles(embedder)

    def find(
        self,
        store: "Store",
        question: str,
        limit: int,
        buffers: Mapping[str, str | None] = {},
        only: Only = EVERYTHING,
    ) -> list[Found]:
        """The best `limit` chunks for `question`, the best first, of what `only` admits.

        `buffers` are what an editor has open, texts by path; None for a file that is gone there. Raises `IndexFault`
        where the table cannot be read.
        """
        from naestro.index.asking.question import asked
        from naestro.index.asking.rank import rank

        text = question[:QUESTION_CHARS_MAX]
        limit = max(1, min(limit, RESULTS_MAX))
        terms = asked(text).terms
        vector = self._embedder.query(text) if self._embedder and terms else None
        opened = admitted(self._workspace, buffers) if buffers else {}
        unsaved = _telling(self._unsaved(opened, only), terms, vector)
        candidates = store.candidates(terms, vector, max(CANDIDATES, limit), opened, only)
        candidates += [one for one, _ in unsaved]
        ranked = rank(text, candidates, store.statistics, max(limit, RERANKED) if self._reranker else limit)
        texts = {one.id: lines for one, lines in unsaved}
        on_disk = [one.candidate.id for one in ranked if one.candidate.id not in texts]
        texts.update(store.texts(on_disk))
        ranked = [one for one in ranked if one.candidate.id in texts]
        if self._reranker:
            ranked = _reranked(self._reranker, text, ranked, texts)
        return [_found(one, texts[one.candidate.id]) for one in ranked[:limit]]

    def _unsaved(self, opened: Mapping[str, str], only: Only) -> list[OpenChunk]:
        """The chunks of the texts `opened` that `only` admits."""
        chunks = self._open_files.chunks({path: opened[path] for path in opened if only.may_admit(path)})
        return [one for one in chunks if only.admits(one.chunk.path, one.chunk.language)]


def _telling(
    unsaved: Sequence[OpenChunk], terms: Sequence[str], vector: "Vectors | None"
) -> "list[tuple[Candidate, str]]":
    """The chunks of buffers that say a word of the question, and the few that are nearest to it; with their lines."""
    from msgspec import structs

    from naestro.index.text.chunk_terms import saying

    if not unsaved:
        return []
    says = saying(terms, [one.candidate.terms for one in unsaved])
    near = [_cosine(one, vector) for one in unsaved]
    others = [at for at, cosine in enumerate(near) if cosine > 0 and not says[at]]
    others = sorted(others, key=near.__getitem__, reverse=True)[:OPEN_NEAREST]
    telling = [at for at, is_said in enumerate(says) if is_said] + others
    chosen = [(near[at], unsaved[at]) for at in telling]
    return [(structs.replace(one.candidate, vector_score=cosine), one.chunk.text) for cosine, one in chosen]


def _cosine(one: OpenChunk, vector: "Vectors | None") -> float:
    return 0.0 if one.vector is None or vector is None else float(one.vector @ vector)


def _reranked(
    reranker: "Reranker", question: str, ranked: "Sequence[Ranked]", texts: Mapping[int, str]
) -> "list[Ranked]":
    """The order by both scores, each 1 for its best."""
    if not ranked:
        return []
    seen = reranker.scores(question, [_embed_text(one.candidate, texts[one.candidate.id]) for one in ranked])
    best, best_seen = max(one.score for one in ranked) or 1.0, max(*seen, 1e-9)
    both = [
        replace(one, score=one.score / best + RERANK_WEIGHT * max(score, 0.0) / best_seen)
        for one, score in zip(ranked, seen, strict=True)
    ]
    return sorted(both, key=lambda one: (-one.score, one.candidate.path, one.candidate.start))


def _embed_text(one: "Candidate", text: str) -> EmbedText:
    return EmbedText(one.path, one.symbol, one.names, text)


def _found(one: "Ranked", text: str) -> Found:
    chunk = one.candidate
    return Found(
        path=chunk.path,
        start=chunk.start,
        end=chunk.end,
        score=round(one.score, 4),
        why=one.why,
        text=text,
        symbol=chunk.symbol,
        kind=chunk.kind,
        language=chunk.language,
    )
