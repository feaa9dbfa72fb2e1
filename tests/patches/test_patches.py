"""From a model's text to changes: composed in order, inside the workspace, and never more than was meant."""

import pytest

from naestro.council.patches import parse_patch, read_patch
from naestro.errors import (
    NaestroError,
    OutsideWorkspace,
    PatchConflict,
    PatchEmpty,
    PatchMalformed,
    UnreadableFile,
)
from naestro.policy.changes import execute, plan
from naestro.policy.workspace import Workspace
from tests.patches.conftest import Write


def blocks(path: str, *pairs: tuple[str, str]) -> str:
    """Blocks of one file; search and replacement without their last newline."""
    text = f"{path}\n"
    for old, new in pairs:
        search, replace = (f"{part}\n" if part else "" for part in (old, new))
        text += f"<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"
    return text


def after(workspace: Workspace, text: str) -> dict[str, str | None]:
    """Each changed path and its new text."""
    return {change.path: change.after for change in parse_patch(text, workspace.read)}


def test_blocks_on_one_file_build_on_one_another_in_order(workspace: Workspace, write: Write) -> None:
    write("a.py", "one\ntwo\nthree\n")
    text = blocks("a.py", ("two", "2\n2b"), ("2b\nthree", "3"))
    assert after(workspace, text) == {"a.py": "one\n2\n3\n"}


def test_files_keep_their_order_and_each_its_hash(workspace: Workspace, write: Write) -> None:
    write("a.py", "a\n")
    write("b.py", "b\n")
    text = blocks("b.py", ("b", "B")) + blocks("a.py", ("a", "A")) + blocks("./b.py", ("B", "BB"))
    changes = parse_patch(text, workspace.read)
    assert [(change.path, change.after) for change in changes] == [("b.py", "BB\n"), ("a.py", "A\n")]
    assert changes[0].before_sha256 == workspace.read("b.py").sha256


def test_lines_can_be_removed_down_to_an_empty_file(workspace: Workspace, write: Write) -> None:
    write("a.py", "a\nb\n")
    assert after(workspace, blocks("a.py", ("a", ""))) == {"a.py": "b\n"}
    assert after(workspace, blocks("a.py", ("a\nb", ""))) == {"a.py": ""}


def test_a_missing_final_newline_stays_missing(workspace: Workspace, write: Write) -> None:
    write("a.py", "a\nb")
    assert after(workspace, blocks("a.py", ("b", "c"))) == {"a.py": "a\nc"}
    assert after(workspace, "a.py\n```\nx\n```") == {"a.py": "x"}


def test_an_empty_search_makes_a_new_file(workspace: Workspace, write: Write) -> None:
    write("empty.py", "")
    write("blank.py", "\n")
    assert after(workspace, blocks("new/a.py", ("", "x = 1"))) == {"new/a.py": "x = 1\n"}
    assert after(workspace, "new.py\n<<<<<<< SEARCH\n\n=======\nx\n>>>>>>> REPLACE") == {"new.py": "x\n"}
    assert after(workspace, blocks("empty.py", ("", "x"))) == {"empty.py": "x\n"}
    assert after(workspace, blocks("blank.py", ("", "x"))) == {"blank.py": "x\n"}


def test_a_new_file_can_be_changed_by_the_next_block(workspace: Workspace) -> None:
    assert after(workspace, blocks("new.py", ("", "a\nb"), ("a", "A"))) == {"new.py": "A\nb\n"}


def test_a_new_file_needs_a_name_that_is_one(workspace: Workspace) -> None:
    with pytest.raises(PatchMalformed, match="a file of no name: 'Change'"):
        parse_patch("Change:\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE", workspace.read)


def test_a_search_in_a_file_that_does_not_exist_is_a_conflict(workspace: Workspace) -> None:
    with pytest.raises(PatchConflict, match=r"no file gone\.py"):
        parse_patch(blocks("gone.py", ("a", "b")), workspace.read)


def test_an_empty_search_in_a_file_with_text_is_refused(workspace: Workspace, write: Write) -> None:
    write("a.py", "a\n")
    with pytest.raises(PatchMalformed, match="the SEARCH of line 2 is empty"):
        parse_patch(blocks("a.py", ("", "b")), workspace.read)


def test_a_whole_file_replaces_or_makes_one(workspace: Workspace, write: Write) -> None:
    write("a.py", "a\n")
    text = "a.py\n```python\nb\nc\n```\n\n```python path=new.py\nx\n```\nempty.py\n```\n```\n"
    assert after(workspace, text) == {"a.py": "b\nc\n", "new.py": "x\n", "empty.py": ""}


def test_an_excerpt_of_a_file_is_a_quotation_and_no_patch(workspace: Workspace, write: Write) -> None:
    write("a.py", "one\ntwo\nthree\n")
    write("b.py", "b\n")
    quoted = "`a.py`\n```python\ntwo\nthree\n```\n"
    with pytest.raises(PatchEmpty):
        parse_patch(quoted, workspace.read)
    patch = read_patch(quoted + blocks("b.py", ("b", "c")), workspace.read)
    assert [change.path for change in patch.changes] == ["b.py"]
    assert patch.notes == ["a.py: an excerpt of the file was passed over."]


@pytest.mark.parametrize(
    "line",
    [
        "# ... rest of the code",
        "    // ...",
        "...existing code unchanged",
        "# … the remaining methods",
        "/* ... */",
        "...",
        "<!-- ... -->",
    ],
)
def test_a_file_with_parts_left_out_is_refused(workspace: Workspace, write: Write, line: str) -> None:
    write("a.py", "one\ntwo\nthree\n")
    with pytest.raises(PatchMalformed, match="left out"):
        parse_patch(f"a.py\n```\nchanged\n{line}\n```", workspace.read)


def test_an_ellipsis_that_is_code_or_was_there_before_is_kept(workspace: Workspace, write: Write) -> None:
    write("a.py", "# ... rest\nold\n")
    assert after(workspace, "a.py\n```\n# ... rest\nclass A:\n    ...\n```") == {
        "a.py": "# ... rest\nclass A:\n    ...\n"
    }


def test_a_part_of_a_long_file_does_not_take_the_place_of_the_whole(
    workspace: Workspace, write: Write
) -> None:
    write("a.py", "".join(f"line {n}\n" for n in range(12)))
    with pytest.raises(PatchMalformed, match="most of the file is missing"):
        parse_patch("a.py\n```\nline 3\nchanged\nline 5\n```", workspace.read)


def test_a_file_may_be_shortened_or_written_anew(workspace: Workspace, write: Write) -> None:
    lines = [f"line {n}" for n in range(12)]
    write("a.py", "\n".join(lines) + "\n")
    for new in (["changed", *lines[:6]], ["new"] * 8, ["line 1", "changed"] * 3 + lines[:5]):
        assert after(workspace, "\n".join(["a.py", "```", *new, "```"])) == {"a.py": "\n".join(new) + "\n"}
    write("short.py", "a\nb\nc\n")
    assert after(workspace, "short.py\n```\nx\n```") == {"short.py": "x\n"}


def test_a_patch_that_changes_nothing_is_no_proposal(workspace: Workspace, write: Write) -> None:
    write("a.py", "a\n")
    for text in (blocks("a.py", ("a", "a")), "a.py\n```\na\n```", blocks("a.py", ("a", "b"), ("b", "a"))):
        with pytest.raises(PatchEmpty, match="changes nothing"):
            parse_patch(text, workspace.read)


def test_a_text_without_a_patch_is_malformed(workspace: Workspace) -> None:
    with pytest.raises(PatchMalformed, match="holds no patch"):
        parse_patch("I would change nothing.", workspace.read)


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_characters_that_no_text_file_holds_are_refused(workspace: Workspace, character: str) -> None:
    with pytest.raises(PatchMalformed, match="is no text"):
        parse_patch(blocks("new.py", ("", character)), workspace.read)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("../a.py", OutsideWorkspace),
        ("/etc/passwd", OutsideWorkspace),
        (".env", UnreadableFile),
        (".git/hooks/pre-commit", UnreadableFile),
        ("out/a.py", UnreadableFile),
    ],
)
def test_no_patch_reaches_over_the_border(
    workspace: Workspace, write: Write, path: str, error: type[NaestroError]
) -> None:
    write(".gitignore", "out/\n")
    for text in (blocks(path, ("", "x")), f"```x path={path}\nx\n```"):
        with pytest.raises(error):
            parse_patch(text, workspace.read)


def test_two_names_of_one_file_are_one_file(workspace: Workspace, write: Write) -> None:
    write("real.py", "a\nb\n")
    (workspace.root / "link.py").symlink_to("real.py")
    text = blocks("link.py", ("a", "A")) + blocks("real.py", ("b", "B"))
    assert after(workspace, text) == {"real.py": "A\nB\n"}


def test_what_was_forgiven_is_noted_with_its_place(workspace: Workspace, write: Write) -> None:
    write("a.py", "def f():\n    return 1\n")
    patch = read_patch(blocks("a.py", ("return 1", "return 2")), workspace.read)
    assert patch.notes == ["a.py:2: found but for indentation."]


def test_a_patch_with_newlines_only_fits_a_file_with_carriage_returns(
    workspace: Workspace, write: Write
) -> None:
    write("a.py", b"\xef\xbb\xbfone\r\ntwo\r\nthree\n")
    execute(plan(workspace, parse_patch(blocks("a.py", ("two", "2\n2b")), workspace.read)))
    assert (workspace.root / "a.py").read_bytes() == b"\xef\xbb\xbfone\r\n2\r\n2b\r\nthree\n"
