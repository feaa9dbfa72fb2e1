"""The order of candidates: by words, names, files, places, vectors; the reasons that are told."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pytest

from naestro.index.asking.rank import Ranked, rank
from naestro.index.asking.weights import WEIGHTS, Weights
from naestro.index.found import ONLY_MEANING
from naestro.index.parsing.parsed import Chunk
from naestro.index.storage.schema import Candidate
from naestro.index.text.chunk_terms import packed
from naestro.index.text.prepare import prepared, query_terms
from naestro.index.text.statistics import Statistics, TermCounts


@dataclass(frozen=True)
class Made:
    """A chunk with its prepared text and its vector."""

    chunk: Chunk
    prepared: str
    vector: Sequence[float] | None

    def near(self, vector: Sequence[float] | None) -> Candidate:
        """As the store brings it for a question with that vector."""
        terms = packed([self.prepared], [self.chunk.names], [self.chunk.path])[0]
        cosine = 0.0 if vector is None or self.vector is None else float(np.dot(self.vector, vector))
        return msgspec.structs.replace(
            Candidate.unscored(self.chunk.start, self.chunk, terms), vector_score=cosine
        )


def candidate(
    path: str, text: str, name: str = "", start: int = 1, vector: Sequence[float] | None = None
) -> Made:
    last = name.rpartition(".")[2]
    names = [last] if last else []
    one = Chunk(
        path=path,
        start=start,
        end=start,
        language="python",
        kind="function",
        text=text,
        symbol=name,
        names=names,
    )
    return Made(one, prepared(one), vector)


def ranked_of(
    question: str,
    made: Sequence[Made],
    vector: Sequence[float] | None = None,
    weights: Weights = WEIGHTS,
) -> list[Ranked]:
    statistics = Statistics(TermCounts.of([one.prepared for one in made]))
    return rank(question, [one.near(vector) for one in made], statistics, 10, weights)


def order(
    question: str,
    candidates: Sequence[Made],
    vector: Sequence[float] | None = None,
    weights: Weights = WEIGHTS,
) -> list[str]:
    ranked = ranked_of(question, candidates, vector, weights)
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    return [f"{one.candidate.path}:{one.candidate.start}" for one in ranked]


def test_nothing_found_is_nothing_ranked() -> None:
    assert rank("retry", [], Statistics(), 10) == []


def test_a_question_without_words_still_has_an_order() -> None:
    assert order("?", [candidate("b.py", "x"), candidate("a.py", "y")]) == ["a.py:1", "b.py:1"]


def test_rare_words_weigh_more_than_common_ones() -> None:
    common = [candidate(f"{letter}.py", "value other thing") for letter in "cdefgh"]
    found = order("value zebra", [candidate("a.py", "value value"), candidate("b.py", "zebra"), *common])
    assert found[0] == "b.py:1"


def test_a_definition_comes_before_its_uses() -> None:
    uses = [candidate(f"use{number}.py", "retry_policy() retry_policy()", "main") for number in range(3)]
    assert (
        order("where is the retry policy", [*uses, candidate("z.py", "return 3", "retry_policy")])[0]
        == "z.py:1"
    )


def test_a_name_alone_finds_its_definition_first() -> None:
    other = candidate("a.py", "append append append Journal Journal", "Journal.close")
    assert order("Journal.append", [other, candidate("z.py", "pass", "Journal.append")])[0] == "z.py:1"


@pytest.mark.parametrize("question", ["check_zebra", "check_zebra()", "`check_zebra`", "Case.check_zebra"])
@pytest.mark.parametrize("text", ["def check_zebra(): pass", "run(check_zebra)"])
def test_a_name_that_stands_in_a_test_alone_comes_before_what_is_close_in_meaning(
    question: str, text: str
) -> None:
    only = candidate("tests/test_a.py", text, vector=[0.1, 0])
    near = [candidate(f"src/{name}.py", "check", vector=[0.9, 0], start=n) for n, name in enumerate("abcdef")]
    assert order(question, [*near, only], vector=[1, 0])[0] == "tests/test_a.py:1"


def test_tests_and_documents_are_set_back_unless_they_are_asked_for() -> None:
    found = [candidate(path, "retry the request") for path in ("docs/a.md", "src/a.py", "tests/test_a.py")]
    assert order("retry request", found)[0] == "src/a.py:1"
    assert order("tests that retry the request", found)[0] == "tests/test_a.py:1"
    assert order("documentation on retry of the request", found)[0] == "docs/a.md:1"


def test_a_file_that_is_named_comes_first() -> None:
    found = [candidate("src/a.py", "retry retry retry"), candidate("tests/odd.py", "pass")]
    assert order("retry in tests/odd.py", found)[0] == "tests/odd.py:1"


def test_chunks_of_one_file_support_one_another() -> None:
    alone = candidate("b.py", "retry request")
    together = [candidate("c.py", "retry request", start=1), candidate("c.py", "retry limit", start=9)]
    assert order("retry request limit", [alone, *together])[0].startswith("c.py")
    assert order("retry request", [alone, together[0]])[0] == "b.py:1"


def test_further_chunks_of_a_file_give_way_to_other_files() -> None:
    many = [candidate("a.py", "retry retry", start=start) for start in range(1, 12)]
    both = [*many, candidate("b.py", "retry other words to say")]
    assert "b.py:1" in order("retry", both, weights=replace(WEIGHTS, file=0))
    assert "b.py:1" not in order("retry", both, weights=replace(WEIGHTS, file=0, repeated=1))


def test_a_vector_decides_between_equal_words() -> None:
    found = [
        candidate("a.py", "retry", vector=[0, 1]),
        candidate("b.py", "retry", vector=[1, 0]),
        candidate("c.py", "retry"),
    ]
    assert order("retry", found, vector=[1, 0])[0] == "b.py:1"
    assert order("retry", found)[0] == "a.py:1"
    assert order("retry", found[2:], vector=[1, 0]) == ["c.py:1"]


def test_meaning_alone_has_no_best_of_one() -> None:
    found = [candidate("a.py", "zebra", vector=[0.3, 0]), candidate("tests/b.py", "zebra", vector=[0.9, 0])]
    ranked = ranked_of("retry", found, [1, 0])
    assert [one.why for one in ranked] == [ONLY_MEANING] * 2
    assert ranked[0].score == pytest.approx(WEIGHTS.vector * 0.3)
    assert [one.candidate.path for one in ranked] == ["a.py", "tests/b.py"]


def test_the_reasons_are_told_in_words() -> None:
    one = candidate("src/odd.py", "decide", "retry_policy")
    near = candidate("src/near.py", "zebra", vector=[1, 0])
    ranked = ranked_of("`retry_policy` decides in odd.py", [one, near], [1, 0])
    why = {found.candidate.path: found.why for found in ranked}
    assert why["src/odd.py"].startswith("named in the question; defines retry_policy; says retry_policy")
    assert why["src/near.py"] == "is close in meaning"


def test_three_hundred_candidates_are_ranked_at_interactive_speed() -> None:
    text = " ".join(f"word{number % 90} other_{number % 70}" for number in range(250))
    made = [
        candidate(f"f{n % 60}.py", text, f"Thing.name_{n}", start=n, vector=[n / 300]) for n in range(300)
    ]
    found = [one.near([1.0]) for one in made]
    question = "where does word1 meet word2 and other_3, name_7 or word9 word10?"
    statistics = Statistics(TermCounts.of([one.prepared for one in made]))
    times: list[float] = []
    for _ in range(5):
        began = time.thread_time()
        assert len(rank(question, found, statistics, 10)) == 10
        times.append(time.thread_time() - began)
    assert min(times) < 0.02
    assert len(query_terms(question)) > 8
