"""The words of chunks and questions: identifiers whole and in parts, names and paths counted, stems."""

import time
from collections import Counter

import pytest

from naestro.index.parsing.parsed import Chunk
from naestro.index.text.prepare import (
    NAME_TIMES,
    PATH_TIMES,
    TERM_CHARS_MAX,
    TERM_COUNT_MAX,
    prepared,
    query_terms,
    terms_in,
)
from naestro.index.text.stems import stem


def chunk(text: str, **more: object) -> Chunk:
    given = {"path": "", "start": 1, "end": 1, "language": "python", "kind": "function", "text": text, **more}
    return Chunk(**given)


@pytest.mark.parametrize(
    ("word", "terms"),
    [
        ("retry_policy", {"retry", "policy", "retrypolicy"}),
        ("RetryPolicy", {"retry", "policy", "retrypolicy"}),
        ("HTTPServer2", {"http", "server", "httpserver2"}),
        ("parseHTML", {"pars", "html", "parsehtml"}),
        ("__init__", {"init"}),
        ("self", set()),
        ("x", set()),
        ("C", {"c"}),
        ("A", set()),
        ("7", set()),
        ("日本", {"日本"}),
        ("größe", {"größe"}),
        ("_", set()),
    ],
)
def test_an_identifier_counts_whole_and_by_its_parts(word: str, terms: set[str]) -> None:
    assert terms <= set(terms_in(word))
    assert not terms or terms_in(word)
    if not terms:
        assert terms_in(word) == ()


def test_a_word_as_long_as_a_hash_says_nothing() -> None:
    assert terms_in("a" * TERM_CHARS_MAX)
    assert terms_in("a" * (TERM_CHARS_MAX + 1)) == ()


def test_names_symbol_scope_and_path_are_counted_beside_the_text() -> None:
    one = chunk("zebra", path="src/journal.py", symbol="Book.append", names=["append"], scope="class Book:")
    counts = Counter(prepared(one).split())
    assert counts["append"] == NAME_TIMES + 1
    assert counts["book"] == 2
    assert counts["journal"] == PATH_TIMES
    assert counts["src"] == counts["zebra"] == counts["class"] == 1
    assert "py" not in counts


def test_equal_terms_stand_side_by_side_and_not_too_often() -> None:
    terms = prepared(chunk("alpha beta " * 50)).split()
    assert terms == ["alpha"] * TERM_COUNT_MAX + ["beta"] * TERM_COUNT_MAX


def test_an_empty_chunk_has_no_terms() -> None:
    assert prepared(chunk("")) == ""
    assert prepared(chunk("( ) { } == \0 \udcff")) == ""


def test_a_question_keeps_what_it_asks_for() -> None:
    assert query_terms("Where is the retry policy decided?") == ["retry", "policy"]
    assert query_terms("how does it work") == ["work"]
    assert query_terms("the retries of RetryPolicy, retried") == ["retry", "policy", "retrypolicy"]
    assert query_terms("?! \n") == []


def test_a_question_keeps_a_language_of_one_letter_and_what_stands_before_code() -> None:
    assert query_terms("generate C code") == ["generat", "c", "cod"]
    assert query_terms("where is the code that lists files") == ["fil"]
    assert query_terms("the error codes of a linked list") == ["error", "cod", "link", "list"]
    assert query_terms("list the code") == ["list", "cod"], "a question that holds nothing else keeps them"


def test_a_question_with_hyphens_is_asked_in_one_word_too() -> None:
    assert {"sha256", "sha", "256"} <= set(query_terms("the SHA-256 of a file"))
    assert {"reindex", "index"} <= set(query_terms("re-index everything"))


@pytest.mark.parametrize(
    "forms",
    [
        "policy policies",
        "decide decides decided deciding",
        "retry retries retried retrying",
        "cancel cancels cancelled cancelling",
        "match matches matched matching",
        "class classes",
        "index indexes indexed indexing",
        "run runs running",
        "parse parses parsed parsing",
        "pass passes passed passing",
    ],
)
def test_the_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({stem(word) for word in forms.split()}) == 1


@pytest.mark.parametrize(
    "word", ["status", "analysis", "bus", "ring", "bed", "string", "класс", "is", "ties"]
)
def test_what_only_looks_bent_keeps_its_sense(word: str) -> None:
    assert len(stem(word)) >= min(len(word), 3)


def test_different_words_stay_apart() -> None:
    words = [
        "string",
        "strict",
        "status",
        "state",
        "process",
        "processor",
        "import",
        "important",
        "bed",
        "bee",
    ]
    assert len({stem(word) for word in words}) == len(words)


def test_a_million_characters_are_prepared_within_seconds() -> None:
    text = "".join(f"value_{number} = some_function(other_value, {number})\n" for number in range(20_000))
    began = time.thread_time()
    assert prepared(chunk(text))
    assert time.thread_time() - began < 5
