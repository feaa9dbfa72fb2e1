"""The part of the coverage gate that names the files which must be covered whole."""

from tools.coverage_floor import gaps

REPORT = {
    "files": {
        "core/naestro/runs/store.py": {
            "summary": {"percent_covered": 97.5},
            "missing_lines": [12],
            "missing_branches": [[11, 12]],
        },
        "core/naestro/runs/lock.py": {
            "summary": {"percent_covered": 100.0},
            "missing_lines": [],
            "missing_branches": [],
        },
        "core/naestro/cli.py": {
            "summary": {"percent_covered": 50.0},
            "missing_lines": [1],
            "missing_branches": [],
        },
    }
}


def test_a_gap_in_a_part_that_must_be_covered_whole_is_told_with_its_lines() -> None:
    (gap,) = gaps(REPORT, ["core/naestro/runs/"])
    assert gap.startswith("core/naestro/runs/store.py: 97.50 %")
    assert gap.endswith("lines [12], branches [[11, 12]]")


def test_other_parts_may_have_gaps() -> None:
    assert gaps(REPORT, ["core/naestro/policy/"]) == []
