"""Terms as numbers: each is counted whole, by what says it, in its chunk alone, as texts were."""

import random

import numpy as np
import pytest

from naestro.index.parsing.parsed import Chunk
from naestro.index.text.chunk_terms import ChunkTerms, held, packed
from naestro.index.text.prepare import prepared, query_terms


def chunk(path: str, text: str, *names: str) -> Chunk:
    return Chunk(path=path, start=1, end=1, language="python", kind="function", text=text, names=[*names])


def terms_of(*chunks: Chunk) -> list[ChunkTerms]:
    return packed(
        [prepared(one) for one in chunks], [one.names for one in chunks], [one.path for one in chunks]
    )


def test_terms_are_counted_whole() -> None:
    one = chunk("a.py", "retry retry retrying retries_left policy_maker")
    found = held(["retry", "policy", "polic", "retriesleft"], terms_of(one))
    assert found.counts.tolist() == [[4, 1, 0, 1]]


def test_what_names_and_paths_hold_is_told_apart() -> None:
    one = chunk("lib/retry_policy.py", "alpha", "Journal.append", "decide_later")
    other = chunk("py.py", "append")
    found = held(["append", "later", "retry", "py", "lib"], terms_of(one, other))
    assert found.named.tolist() == [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert found.placed.tolist() == [[0, 0, 1, 0, 1], [0, 0, 0, 1, 0]]
    assert found.counts[:, 3].tolist() == [0, 2]


def test_many_chunks_hold_what_each_holds_alone() -> None:
    chance = random.Random(1)
    words = [f"word{number}" for number in range(60)] + ["", "a", "Größe", "x" * 80, "do_it", "DoIt"]
    chunks = [
        chunk(
            f"{chance.choice(words)}/{chance.choice(words)}.py",
            " ".join(chance.choices(words, k=chance.randrange(40))),
            *chance.choices(words, k=chance.randrange(3)),
        )
        for _ in range(50)
    ]
    chunks[7] = chunk("", "")
    asked = query_terms(" ".join(words))
    together = held(asked, terms_of(*chunks))
    for row, one in enumerate(chunks):
        alone = held(asked, terms_of(one))
        text = prepared(one).split()
        assert together.counts[row].tolist() == alone.counts[0].tolist() == [*map(text.count, asked)]
        assert together.named[row].tolist() == alone.named[0].tolist()
        assert together.placed[row].tolist() == alone.placed[0].tolist()
        assert together.lengths[row] == alone.lengths[0] == max(1, len(text))


def test_a_term_that_shares_the_upper_half_of_its_hash_is_another_one() -> None:
    (one,) = packed(["alpha"], [[]], [""])
    lower = np.frombuffer(one.lower, np.uint16) ^ np.uint16(1 << 6)
    assert held(["alpha"], [one]).counts.tolist() == [[1]]
    assert held(["alpha"], [ChunkTerms(one.upper, lower.tobytes())]).counts.tolist() == [[0]]


@pytest.mark.parametrize(("times", "counted"), [(1, 1), (12, 12), (40, 15)])
def test_a_term_is_counted_as_often_as_matters(times: int, counted: int) -> None:
    assert held(["alpha"], packed([" ".join(["alpha"] * times)], [[]], [""])).counts.tolist() == [[counted]]


def test_nothing_asked_and_nothing_to_look_in_are_no_fault() -> None:
    assert held([], terms_of(chunk("a.py", "x"))).counts.shape == (1, 0)
    assert held(["alpha"], []).counts.shape == (0, 1)
    assert packed([], [], []) == []
