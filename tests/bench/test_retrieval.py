"""What the retrieval benchmark judges by: metrics, questions, blanked documentation, definitions, halves."""

import ast
import json
import math
from pathlib import Path

import numpy as np
import pytest

from bench.retrieval.cases import COMMITS, Case, Target, read_commits
from bench.retrieval.contenders import LEFT_OUT, OFF, variants
from bench.retrieval.corpus import Corpus, chunks_of
from bench.retrieval.definitions import definitions, innermost
from bench.retrieval.docstrings import question_of, without_documentation
from bench.retrieval.history import QUESTION_CHARS_MAX, asked_by
from bench.retrieval.ingredients import judged
from bench.retrieval.ingredients import table as worth
from bench.retrieval.metrics import NAMES, interval, scores
from bench.retrieval.running import Asked
from bench.retrieval.sources import SOURCES
from bench.retrieval.tables import joined, table
from naestro.index.asking.weights import WEIGHTS

TARGETS = [Target("a.py", ((10, 20), (30, 40))), Target("b.py")]


def test_a_perfect_answer_has_ones() -> None:
    assert scores([("a.py", 1, 10), ("a.py", 40, 50), ("b.py", 1, 2)], TARGETS) == pytest.approx(
        (1, 1, 1, 1, 1, 1)
    )


def test_a_file_and_a_span_count_once_and_where_they_first_come() -> None:
    results = [("x.py", 1, 9), ("a.py", 21, 29), ("a.py", 15, 16), ("a.py", 15, 18)]
    found = dict(zip(NAMES, scores(results, TARGETS), strict=True))
    assert found["file recall"] == found["file MRR"] == found["span recall"] == 0.5
    assert found["span MRR"] == pytest.approx(1 / 3)
    assert found["span NDCG"] == pytest.approx((1 / math.log2(4)) / (1 + 1 / math.log2(3)))


def test_only_ten_results_are_judged() -> None:
    late = [*(("x.py", line, line) for line in range(10)), ("a.py", 1, 50)]
    assert scores(late, TARGETS) == (0, 0, 0, 0, 0, 0)
    assert scores([], TARGETS) == (0, 0, 0, 0, 0, 0)


def test_a_case_without_spans_says_nothing_of_spans() -> None:
    assert all(math.isnan(value) for value in scores([("b.py", 1, 2)], [Target("b.py")])[3:])


def test_an_interval_holds_the_difference_and_is_the_same_each_time() -> None:
    generator = np.random.default_rng(1)
    one = generator.random((80, 6))
    other = one - 0.1 + generator.normal(0, 0.05, (80, 6))
    mean, low, high = interval(one, other)
    assert np.all((low < mean) & (mean < high) & (low > 0))
    assert np.array_equal(interval(one, other)[1], low)


def test_a_message_is_asked_without_numbers_addresses_and_trailers() -> None:
    message = (
        "fix(runs): close the journal (#123)\n\n* lint\n* tests\n\n"
        "It stayed open, see https://example.org/1 for more.\n\nCo-authored-by: A <a@example.org>"
    )
    assert asked_by(message) == "close the journal It stayed open, see for more."
    assert asked_by("Fix GH-12 and :issue:`34`, issue #5") == "Fix and ,"
    assert len(asked_by("word " * 500)) <= QUESTION_CHARS_MAX


def test_documentation_is_blanked_line_for_line() -> None:
    source = b'"""Module."""\nclass A:\n    """One.\n\n    Two.\n    """\n\ndef f():\n    "gone"\n    return "kept"\n'
    blank = without_documentation("a.py", source)
    assert blank.count(b"\n") == source.count(b"\n")
    assert not any(word in blank for word in (b"Module", b"One", b"Two", b"gone"))
    assert b'"kept"' in blank
    ast.parse(blank)
    rust = without_documentation("a.rs", b"/// Says it.\nfn f() {} // kept\n")
    assert rust == b"\nfn f() {} // kept\n"
    script = without_documentation("a.js", b"/**\n * Says it.\n */\nfunction f() {}\n")
    assert script == b"\n\n\nfunction f() {}\n"
    assert without_documentation("a.md", b'"""kept"""') == b'"""kept"""'
    assert without_documentation("a.py", b'def (\n"""kept"""') == b'def (\n"""kept"""'


def test_the_question_is_the_first_sentence() -> None:
    assert question_of("Return the `name` of :class:`~a.B`. And more.") == "Return the name of a.B."
    assert question_of("/** Adds two\n * numbers.\n * @param a one\n */") == "Adds two numbers."
    assert question_of("/// Adds two numbers\n///\n/// More.") == "Adds two numbers"


def test_definitions_are_found_by_the_grammar_alone() -> None:
    found = definitions("a.py", b"class A:\n    @x\n    def f(self):\n        return 1\n\ny = 1\n")
    assert [(one.name, one.start, one.end, one.is_function) for one in found] == [
        ("A", 1, 4, False),
        ("A.f", 3, 4, True),
    ]
    assert innermost(found, 4, 4) == found[1]
    assert innermost(found, 6, 6) is None
    script = definitions("a.js", b"const f = () => 1;\nclass B { go() {} }\n")
    assert {one.name for one in script} == {"f", "B", "B.go"}
    assert definitions("a.txt", b"def f(): pass") == []


def test_the_committed_cases_hold_no_words_of_others() -> None:
    known = {source.name for source in SOURCES if source.repository}
    for one in json.loads(COMMITS.read_text()):
        assert one.keys() == {"source", "commit", "targets"}
        assert one["source"] in known
        assert len(one["commit"]) == 40
        assert all(target.keys() == {"path", "spans"} for target in one["targets"])
    assert len(read_commits()) > 1000


def test_both_halves_have_repositories_of_both_sets() -> None:
    for half in ("choose", "report"):
        own = [source for source in SOURCES if source.half == half]
        assert sum(bool(source.repository) for source in own) >= 8
        assert sum(source.has_docstrings for source in own) >= 5
    assert len({source.name for source in SOURCES}) == len(SOURCES)


def test_each_ingredient_can_be_left_out() -> None:
    assert all(getattr(WEIGHTS, name) != OFF.get(name, 0.0) for name in LEFT_OUT)


def test_a_peer_is_compared_where_it_answered() -> None:
    good, bad = (1.0,) * 6, (0.5,) * 6
    found = [
        Asked("commits", "a", "shipped", [good, good]),
        Asked("commits", "b", "shipped", [bad]),
        Asked("commits", "a", "semble", [bad, good]),
    ]
    assert len(joined(found, "commits", "shipped")) == 3
    assert len(joined(found, "commits", "shipped", "semble")) == 2
    assert "| semble (2 cases) | 0.750 (+0.250" in table(found)


def test_a_part_that_was_left_out_for_the_first_cases_is_compared_on_those() -> None:
    good, bad = (1.0,) * 6, (0.5,) * 6
    found = [
        Asked("commits", "a", "shipped", [bad, good]),
        Asked("commits", "b", "shipped", [good, good]),
        Asked("commits", "a", "without path", [bad]),
        Asked("commits", "b", "without path", [bad]),
    ]
    assert joined(found, "commits", "shipped", "without path")[:, 0].tolist() == [0.5, 1.0]
    assert "| without path (2 cases) | 0.500 (+0.250" in table(found)


def test_a_repository_belongs_to_one_half_and_its_commits_to_it() -> None:
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    assert {commit.source for commit in read_commits()} <= {one.name for one in SOURCES if one.repository}


def test_what_an_ingredient_is_worth_is_starred_beyond_the_interval() -> None:
    good, bad = (1.0,) * 6, (0.5,) * 6
    found = [
        Asked(kind, "a", name, scored)
        for kind in ("commits", "docstrings")
        for name, scored in [
            ("shipped", [good, good, bad]),
            ("without path", [bad, bad, bad]),
            ("without data", [good, good, bad]),
            ("without tests", [bad, bad, (0.0,) * 6]),
        ]
    ]
    head, _, *told = worth(found).splitlines()
    lines = {line.split(" | ")[0]: line for line in told}
    assert head.endswith("commits (3) | docstrings (3) | mean of both |")
    assert lines["| without data"].count("+0.0000 (+0.0000 to +0.0000) |") == 3
    assert lines["| without path"].count("-0.3333 (") == 3
    assert [lines[f"| without {name}"].count("*") for name in ("data", "path", "tests")] == [0, 1, 3]


def test_every_variant_of_the_weights_differs_from_what_is_shipped() -> None:
    made = list(variants().values())
    assert len(set(made)) == len(made)
    assert WEIGHTS not in made


def test_a_variant_is_asked_of_candidates_from_memory(tmp_path: Path) -> None:
    (tmp_path / "retry.py").write_text("def retry_policy(request):\n    return request.wait\n")
    (tmp_path / "other.py").write_text("def draw(shape):\n    return shape.size\n")
    corpus = Corpus(chunks_of(tmp_path))
    corpus.look_for({"retri", "polici", "retry", "policy"})
    found = judged(corpus, Case("a", "retry policy", (Target("retry.py", ((1, 2),)),)))
    assert found.keys() == {"shipped", *variants()}
    assert found["shipped"] == (1, 1, 1, 1, 1, 1)
