"""The ladder: rung by rung, and never back."""

import pytest

from naestro.council.execute import Evidence
from naestro.council.ladder import (
    blocked_by,
    climb,
    failed_evidence,
    other_kind,
    outside_largest_cluster,
    show_evidence,
    ungrounded,
    why_out,
)
from naestro.council.verdict import Finding
from tests.council.made import answer, change

BROKEN = Evidence(check="parses", is_passed=False, detail="bad syntax", path="a.py", line=3)


def test_a_lower_rung_is_not_asked_once_one_candidate_is_left() -> None:
    candidates = [change("propose.1", fails=BROKEN, is_out=True), change("propose.2")]
    asked: list[int] = []
    left, notes = climb(
        candidates, [("evidence", failed_evidence), ("next", lambda one: asked.append(len(one)) or {})]
    )
    assert [one.name for one in left] == ["propose.2"]
    assert [(note.rung, note.dropped) for note in notes] == [
        ("evidence", {"propose.1": "parses failed at a.py:3: bad syntax"})
    ]
    assert asked == []


def test_a_rung_that_would_leave_nobody_decides_nothing() -> None:
    candidates = [answer("propose.1", cites=False), answer("propose.2", cites=False)]
    left, notes = climb(candidates, [("citations", ungrounded)])
    assert len(left) == 2
    assert notes[0].dropped == {}


def test_an_answer_that_cites_nothing_falls_behind() -> None:
    assert ungrounded([answer("propose.1"), answer("propose.2", cites=False)]) == {
        "propose.2": "it cites no line that exists"
    }


def test_a_candidate_that_is_out_for_no_told_reason_says_that() -> None:
    assert why_out(change("propose.1", is_out=True)) == "it failed its checks"


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (BROKEN, "parses failed at a.py:3: bad syntax"),
        (Evidence(check="lint", is_passed=True, detail="clean", path="a.py"), "lint passed at a.py: clean"),
        (Evidence(check="applies", is_passed=True, detail="one file"), "applies passed: one file"),
    ],
)
def test_evidence_is_told_in_one_line(evidence: Evidence, said: str) -> None:
    assert show_evidence(evidence) == said


def test_the_kind_of_most_stays_and_a_change_where_it_is_even() -> None:
    both = [answer("propose.1"), change("propose.2")]
    assert other_kind(both).keys() == {"propose.1"}
    assert other_kind([*both, answer("propose.3")]).keys() == {"propose.2"}


@pytest.mark.parametrize(
    ("severity", "standing", "is_blocked"),
    [
        ("blocker", "verified", True),
        ("blocker", "checked", False),
        ("blocker", "opinion", False),
        ("major", "verified", False),
    ],
)
def test_only_a_blocker_that_evidence_proves_beats_a_majority(
    severity: str, standing: str, is_blocked: bool
) -> None:
    finding = Finding(
        critic="critique.1",
        candidate="propose.1",
        severity=severity,  # pyright: ignore[reportArgumentType]
        path="a.py",
        line=3,
        claim="breaks",
        standing=standing,  # pyright: ignore[reportArgumentType]
    )
    rung = blocked_by([finding])
    assert (rung([change("propose.1"), change("propose.2")]) != {}) is is_blocked
    assert rung([change("propose.2")]) == {}


def test_the_largest_group_of_equal_proposals_wins() -> None:
    same = [
        answer("propose.1", "a"),
        answer("propose.2", "a"),
        answer("propose.3", "b"),
        answer("merged", "b"),
    ]
    assert outside_largest_cluster({})(same) == {
        "propose.3": "2 proposals agree on something else",
        "merged": "2 proposals agree on something else",
    }


@pytest.mark.parametrize(
    "candidates",
    [
        [answer("propose.1", "a"), answer("propose.2", "b")],
        [
            answer("propose.1", "a"),
            answer("propose.2", "a"),
            answer("propose.3", "b"),
            answer("propose.4", "b"),
        ],
        [answer("propose.1", "a"), answer("merged", "a"), answer("propose.2", "b")],
    ],
)
def test_without_a_group_larger_than_all_others_nothing_is_decided(candidates: list) -> None:
    assert outside_largest_cluster({})(candidates) == {}


def test_weights_decide_which_group_is_larger() -> None:
    candidates = [
        answer("propose.1", "a", engine="weak"),
        answer("propose.2", "a", engine="weak"),
        answer("propose.3", "b", engine="strong"),
    ]
    assert outside_largest_cluster({"weak": 0.2, "strong": 0.9})(candidates) == {}
    assert outside_largest_cluster({"weak": 0.6, "strong": 0.9})(candidates).keys() == {"propose.3"}
