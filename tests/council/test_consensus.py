"""When candidates are equal, and how votes are counted."""

from naestro.council.consensus import agree, answer_key, clusters, independent, key, leaders, tally
from tests.council.made import answer, change, vote


def test_answers_are_equal_without_case_blanks_and_punctuation() -> None:
    assert answer_key("- It adds (b.py:1)!\n") == answer_key("it ADDS  b.py 1")
    assert answer_key("it adds") != answer_key("it subtracts")


def test_changes_are_equal_when_they_leave_the_same_files() -> None:
    assert key(change("propose.1", "x\n")) == key(change("propose.2", "x\n"))
    assert key(change("propose.1", "x\n")) != key(change("propose.2", "y\n"))
    assert key(change("propose.1", None)) != key(change("propose.2", ""))


def test_an_answer_is_never_equal_to_a_change() -> None:
    assert not agree([answer("propose.1"), change("propose.2")])


def test_one_candidate_agrees_with_nobody() -> None:
    assert not agree([answer("propose.1")])
    assert agree([answer("propose.1", "a"), answer("propose.2", "A")])


def test_the_largest_group_comes_first_and_the_merged_candidate_does_not_count() -> None:
    groups = clusters(
        [answer("propose.1", "a"), answer("merged", "a"), answer("propose.2", "b"), answer("propose.3", "b")]
    )
    assert [[one.name for one in group] for group in groups] == [
        ["propose.2", "propose.3"],
        ["propose.1", "merged"],
    ]
    assert [independent(group) for group in groups] == [2, 1]


def test_votes_are_summed_by_weight_and_abstentions_leave_no_trace() -> None:
    votes = [vote("a"), vote("b", engine="two"), vote(None)]
    assert tally(votes, {"two": 0.25}) == {"a": 1.0, "b": 0.25}


def test_equal_scores_lead_together() -> None:
    assert leaders({"a": 0.1 + 0.2, "b": 0.3, "c": 0.2}) == ["a", "b"]
    assert leaders({}) == []
