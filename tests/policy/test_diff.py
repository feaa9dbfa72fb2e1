"""The unified diff: git reads it as what it says, byte for byte."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naestro.policy import diff
from naestro.policy.diff import compare, file_diff, quote, split_lines

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "x\r", "  a"]), max_size=14)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


def git_apply(folder: Path, patch: str) -> None:
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"], input=patch.encode(), cwd=folder, check=True, timeout=30
    )


def test_a_changed_line_is_shown_with_its_surroundings() -> None:
    before = "".join(f"{n}\n" for n in range(1, 11))
    assert file_diff("a.py", before, before.replace("5\n", "five\n")) == (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n"
        "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
    )


def test_changes_far_apart_stand_in_hunks_of_their_own_and_near_ones_share_one() -> None:
    before = "".join(f"{n}\n" for n in range(30))
    after = before.replace("5\n", "", 1).replace("\n12\n", "\n12\n12b\n").replace("29\n", "end\n")
    shown = file_diff("a", before, after)
    assert [line for line in shown.splitlines() if line.startswith("@@")] == [
        "@@ -3,7 +3,6 @@",
        "@@ -11,6 +10,7 @@",
        "@@ -27,4 +27,4 @@",
    ]


def test_a_missing_final_newline_is_marked_on_the_side_that_misses_it() -> None:
    shown = file_diff("a", "x\n", "x")
    assert shown.endswith("-x\n+x\n\\ No newline at end of file\n")


def test_new_empty_and_removed_files_have_git_s_headers() -> None:
    assert file_diff("a", None, "") == "diff --git a/a b/a\nnew file mode 100644\n"
    assert file_diff("a", "x\n", None, 0o755).splitlines()[1:4] == [
        "deleted file mode 100755",
        "--- a/a",
        "+++ /dev/null",
    ]


def test_odd_names_are_quoted_as_git_quotes_them() -> None:
    assert quote("plain name.py") == "plain name.py"
    assert quote('a"\\\t\n\x01\x7f') == '"a\\"\\\\\\t\\n\\001\\177"'


def test_a_middle_too_large_to_compare_is_one_change() -> None:
    before = [f"{n}\n" for n in range(diff.COMPARED_MAX // 1000)]
    after = [f"{n}\n" for n in range(len(before), len(before) + 1001)]
    assert compare(before, after) == [(False, 0, len(before), 0, 1001)]


@pytest.mark.parametrize("name", ["plain.py", "with space.py", 'quote".py', "größe.py", "sub/x.txt"])
def test_git_applies_the_diff_of_a_file_of_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    git_apply(tmp_path, file_diff(name, None, "one\n"))
    assert path.read_bytes() == b"one\n"
    git_apply(tmp_path, file_diff(name, "one\n", "two"))
    assert path.read_bytes() == b"two"
    git_apply(tmp_path, file_diff(name, "two", None))
    assert not path.exists()


@given(TEXTS, TEXTS)
def test_the_blocks_make_the_new_text_from_the_old(before: str, after: str) -> None:
    old, new = split_lines(before), split_lines(after)
    built: list[str] = []
    for is_equal, i, i_end, j, j_end in compare(old, new):
        assert not is_equal or old[i:i_end] == new[j:j_end]
        built += old[i:i_end] if is_equal else new[j:j_end]
    assert built == new


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TEXTS, after=TEXTS)
def test_git_makes_the_very_bytes_of_any_pair_of_texts(tmp_path: Path, before: str, after: str) -> None:
    if before == after:
        return
    path = tmp_path / "a.txt"
    path.write_bytes(before.encode())
    git_apply(tmp_path, file_diff("a.txt", before, after))
    assert path.read_bytes() == after.encode()
