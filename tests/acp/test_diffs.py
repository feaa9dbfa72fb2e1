"""Unified diffs as diff content: whole texts where they are known, hunks where not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naestro.policy.diff import file_diff
from naestro_acp.diffs import diff_contents, diff_locations, parse_diff, text_before

BEFORE = "".join(f"{number}\n" for number in range(40))
AFTER = BEFORE.replace("3\n", "three\n", 1).replace("30\n", "")
lines = st.lists(st.sampled_from(["a", "b", "-- x", "++ y", "", "\\ No newline"]), max_size=12)
texts = st.builds(lambda parts, end: "\n".join(parts) + end, lines, st.sampled_from(["", "\n"]))


@given(before=texts, after=texts)
def test_taking_the_hunks_back_gives_the_text_before(before: str, after: str) -> None:
    files = parse_diff(file_diff("x y/z.py", before, after) + file_diff('q"t\t.py', None, f"{after}k"))
    assert [file.path for file in files] == ["x y/z.py", 'q"t\t.py']
    assert text_before(after, files[0].hunks) == before
    assert files[1].is_new


def test_a_known_file_is_shown_whole_and_an_unknown_one_by_its_hunks() -> None:
    files = parse_diff(file_diff("a.py", BEFORE, AFTER))
    (whole,) = diff_contents("/w", files, {"a.py": AFTER})
    assert (whole.path, whole.old_text, whole.new_text) == ("/w/a.py", BEFORE, AFTER)
    parts = diff_contents("/w", files, {})
    assert [(one.old_text or "").count("\n") for one in parts] == [7, 7]
    assert diff_contents("/w", files, {"a.py": "something else"}) == parts
    assert [(one.path, one.line) for one in diff_locations("/w", files)] == [("/w/a.py", 1)]


def test_a_new_file_has_no_text_before_and_a_removed_one_none_after() -> None:
    diff = (
        file_diff("new.py", None, "x\n") + file_diff("old.py", "y\n", None) + file_diff("empty.py", None, "")
    )
    new, old, empty = diff_contents("/w", parse_diff(diff), {"new.py": "x\n", "old.py": None})
    assert (new.old_text, new.new_text) == (None, "x\n")
    assert (old.old_text, old.new_text) == ("y\n", "")
    assert (empty.old_text, empty.new_text) == (None, "")
    assert [one.line for one in diff_locations("/w", parse_diff(diff))] == [1, 1, None]


@pytest.mark.parametrize("text", ["", "no diff at all\n@@ -1 +1 @@\n-a\n+b"])
def test_what_is_no_diff_has_no_files(text: str) -> None:
    assert parse_diff(text) == []
