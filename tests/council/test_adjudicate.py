"""How a verdict is made of what is recorded."""

import pytest

from naestro.council.adjudicate import NO_OUTCOMES, Case, decide, overridden, winner_of
from naestro.council.record import Weights
from naestro.council.verdict import CERTAINTY_TEXT, Candidate, Certainty, RungNote, Verdict, Vote
from naestro.errors import RunStateError
from tests.council.made import answer, change, vote

A, B = answer("propose.1", "a"), answer("propose.2", "b", engine="two")


def case(
    left: list[Candidate],
    votes: list[Vote] | None = None,
    weights: Weights | None = None,
    consensus: str = "majority",
) -> Case:
    """A case whose candidates are all left."""
    return Case(consensus, left, left, [], votes or [], weights or Weights())  # pyright: ignore[reportArgumentType]


def test_every_word_of_certainty_is_explained() -> None:
    assert set(CERTAINTY_TEXT) == set(Certainty)


@pytest.mark.parametrize("certainty", [Certainty.AGREED, Certainty.MAJORITY])
def test_agreement_is_never_shown_as_proof(certainty: Certainty) -> None:
    assert "no proof" in CERTAINTY_TEXT[certainty]


def test_more_votes_win() -> None:
    verdict = decide(case([A, B], [vote("propose.2"), vote("propose.2"), vote("propose.1", judge="judge.3")]))
    assert (verdict.winner, verdict.certainty, verdict.is_tie) == ("propose.2", Certainty.JUDGED, False)
    assert verdict.method == "Of 3 judges: propose.2 got 2, propose.1 got 1."
    assert [(one.source, one.candidate) for one in verdict.dissent] == [("judge.3", "propose.1")]


def test_equal_votes_are_told_as_a_tie() -> None:
    verdict = decide(case([A, B], [vote("propose.2"), vote("propose.1")]))
    assert verdict.tied == ["propose.1", "propose.2"]
    assert (verdict.winner, verdict.certainty) == ("propose.1", Certainty.TIED)


def test_weighted_votes_say_that_no_outcome_is_recorded() -> None:
    verdict = decide(case([A, B], [vote("propose.2")], consensus="weighted"))
    assert verdict.method.endswith(NO_OUTCOMES)


def test_a_judge_with_a_better_record_weighs_more() -> None:
    weights = Weights(judge={"one": 0.3, "two": 0.8}, outcomes=5)
    votes = [
        vote("propose.1"),
        vote("propose.1", judge="judge.2"),
        vote("propose.2", engine="two", judge="judge.3"),
    ]
    verdict = decide(case([A, B], votes, weights, "weighted"))
    assert verdict.winner == "propose.2"
    assert verdict.weights == weights.judge
    assert NO_OUTCOMES not in verdict.method


def test_a_tie_is_broken_by_the_record_of_the_authors() -> None:
    weights = Weights(proposer={"one": 0.3, "two": 0.8}, outcomes=5)
    verdict = decide(case([A, B], [], weights, "weighted"))
    assert (verdict.winner, verdict.certainty, verdict.is_tie) == ("propose.2", Certainty.RECORD, False)


def test_equal_records_break_no_tie() -> None:
    verdict = decide(case([A, B], [], Weights(proposer={"one": 0.5, "two": 0.5}, outcomes=5), "weighted"))
    assert verdict.is_tie


def test_what_the_evidence_left_alone_is_checked() -> None:
    note = RungNote(rung="evidence", kept=["propose.2"], dropped={"propose.1": "it does not parse"})
    verdict = decide(Case("majority", [A, B], [B], [note], [], Weights()))
    assert (verdict.winner, verdict.certainty) == ("propose.2", Certainty.CHECKED)
    assert verdict.method == "The rung evidence decided. propose.1: it does not parse."


def test_a_single_candidate_was_compared_with_nothing() -> None:
    assert decide(case([A])).certainty is Certainty.ALONE


def test_equal_changes_agree() -> None:
    verdict = decide(case([change("propose.1"), change("propose.2", engine="two")]))
    assert verdict.certainty is Certainty.AGREED
    assert verdict.method == "2 of 2 proposals agree, from 2 engines."


def test_a_person_overrides_and_the_old_verdict_stays_as_dissent() -> None:
    before = decide(case([A, B], [vote("propose.2")]))
    after = overridden(before, "propose.1", "Ada")
    assert (after.winner, after.certainty, after.is_tie) == ("propose.1", Certainty.PERSON, False)
    assert after.method == "Ada chose propose.1; the council had chosen propose.2."
    assert after.dissent[-1].candidate == "propose.2"
    assert after.votes == before.votes


def test_a_verdict_for_nobody_is_refused() -> None:
    verdict = Verdict(winner="propose.9", certainty=Certainty.PERSON, method="", consensus="majority")
    with pytest.raises(RunStateError, match="there are: propose"):
        winner_of(verdict, [A, B])
