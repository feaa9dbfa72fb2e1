"""The part of the coverage gate that names the files which must be covered whole."""

from tools.coverage_floor import gaps

REPORT = {
    "files": {
        "core/naestro/runs/store.py": {"summary": {"percent_covered": 97.5}},
        "core/naestro/runs/lock.py": {"summary": {"percent_covered": 100.0}},
        "core/naestro/cli.py": {"summary": {"percent_covered": 50.0}},
    }
}


def test_a_gap_in_a_part_that_must_be_covered_whole_is_told() -> None:
    assert gaps(REPORT, ["core/naestro/runs/"]) == [
        "core/naestro/runs/store.py: 97.50 %, but this part must be covered whole"
    ]


def test_other_parts_may_have_gaps() -> None:
    assert gaps(REPORT, ["core/naestro/policy/"]) == []
