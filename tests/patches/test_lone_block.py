"""A code block without a path: taken for the one file that was shown whole, and only where it says as much as that."""

import pytest

from naestro.council.lone_block import as_whole_file, shown_whole
from naestro.council.patch_grammar import lone_fence
from naestro.council.patches import has_patch, read_patch
from naestro.council.prefix import build_prefix
from naestro.errors import PatchEmpty, PatchMalformed
from naestro.index.spans import Span
from naestro.policy.text import TextFile
from naestro.policy.workspace import Workspace
from tests.patches.conftest import Write

SOURCE = '''"""Small statistics."""

import math


def mean(numbers):
    return sum(numbers) / len(numbers)


def spread(numbers):
    return max(numbers) - min(numbers)
'''
CHANGED = SOURCE.replace("return sum", "if not numbers:\n        return 0\n    return sum")


def fenced(code: str, before: str = "Here is the updated stats.py:\n", language: str = "python") -> str:
    return f"{before}\n```{language}\n{code}```\n\nIt gives 0 for an empty list.\n"


@pytest.fixture
def stats(workspace: Workspace, write: Write) -> TextFile:
    write("stats.py", SOURCE)
    return workspace.read("stats.py")


def test_the_whole_file_in_a_fence_without_a_path_is_taken_and_said(
    workspace: Workspace, stats: TextFile
) -> None:
    text = fenced(CHANGED)
    assert not has_patch(text)
    with pytest.raises(PatchMalformed, match="holds no patch"):
        read_patch(text, workspace.read)
    patch = read_patch(text, workspace.read, stats)
    assert [(change.path, change.after) for change in patch.changes] == [("stats.py", CHANGED)]
    assert patch.notes == ["stats.py: a code block without a path was taken for the whole file."]


@pytest.mark.parametrize(
    "code",
    [
        "def mean(numbers):\n    if not numbers:\n        return 0\n    return sum(numbers) / len(numbers)\n",
        CHANGED[: CHANGED.index("def spread")],
        SOURCE.replace("def spread", "# spread").replace("return max", "# return max"),
        "import stats\n\nprint(stats.mean([1, 2, 3]))\nprint(stats.mean([]))\n" * 4,
        "pip install statistics\n",
        "",
    ],
    ids=["one function", "the first half", "a function lost", "another program", "a command", "nothing"],
)
def test_what_says_less_than_the_file_is_not_taken(workspace: Workspace, stats: TextFile, code: str) -> None:
    with pytest.raises(PatchMalformed, match="holds no patch"):
        read_patch(fenced(code), workspace.read, stats)


@pytest.mark.parametrize(
    "text",
    [
        fenced(CHANGED) + fenced("print(1)\n"),
        f"```python\n{CHANGED}",
        fenced(CHANGED).replace("```\n\n", "````x\n"),
        "Only words.\n",
    ],
    ids=["two blocks", "cut off", "never closed", "no block"],
)
def test_only_a_lone_block_that_is_whole_counts(stats: TextFile, text: str) -> None:
    assert as_whole_file(text, stats) is None


def test_a_block_with_a_path_keeps_it(workspace: Workspace, stats: TextFile, write: Write) -> None:
    write("other.py", SOURCE)
    patch = read_patch(f"other.py\n```python\n{CHANGED}```\n", workspace.read, stats)
    assert [change.path for change in patch.changes] == ["other.py"]
    assert lone_fence("<<<<<<< SEARCH\n") is None


def test_lines_that_were_left_out_and_no_change_are_refused_as_ever(
    workspace: Workspace, stats: TextFile
) -> None:
    left_out = CHANGED.replace("    return max(numbers) - min(numbers)\n", "    # ... existing code ...\n")
    with pytest.raises(PatchMalformed, match="stands for lines that were left out"):
        read_patch(fenced(left_out), workspace.read, stats)
    with pytest.raises(PatchEmpty):
        read_patch(fenced(SOURCE), workspace.read, stats)


def test_the_frame_of_the_prompt_is_taken_off_where_it_was_copied_along(
    workspace: Workspace, write: Write
) -> None:
    long = SOURCE + "".join(f"\n\ndef more{n}(x):\n    return x + {n}\n" for n in range(9))
    write("stats.py", long)
    shown = build_prefix("task", [span("stats.py", long)]).body.partition("\n\n# Task")[0]
    assert "(stats.py:13-24)" in shown
    framed = shown.replace("return sum", "if not numbers:\n        return 0\n    return sum")
    after = long.replace("return sum", "if not numbers:\n        return 0\n    return sum")
    for copied in (framed, f"{framed}\n\n# Task\nMend mean.\n\n# Your part\nMake the change.", framed[7:]):
        patch = read_patch(fenced(f"{copied}\n", ""), workspace.read, workspace.read("stats.py"))
        assert patch.changes[0].after == after


def test_a_frame_of_another_file_is_no_part_of_one(stats: TextFile) -> None:
    assert as_whole_file(fenced(f"{CHANGED}(other.py:1-2)\n"), stats) is None


def test_other_languages_and_data_are_taken_too(workspace: Workspace, write: Write) -> None:
    before = '{\n  "name": "demo",\n  "port": 8080,\n  "debug": false\n}\n'
    write("config.json", before)
    after = before.replace("8080", "9090")
    patch = read_patch(fenced(after, language="json"), workspace.read, workspace.read("config.json"))
    assert patch.changes[0].after == after


def span(path: str, text: str, start: int = 1) -> Span:
    lines = text.removesuffix("\n").split("\n")
    return Span(path=path, start=start, end=start + len(lines) - 1, text="\n".join(lines), why="", score=1.0)


def test_a_file_is_shown_whole_when_it_is_as_it_still_is(
    workspace: Workspace, stats: TextFile, write: Write
) -> None:
    whole = span("stats.py", SOURCE)
    write("b.py", "a = 1\nb = 2\n")
    found = shown_whole(
        [whole, span("b.py", "a = 1"), span("gone.py", "x"), span("b.py", "b = 2", 2)], workspace.read
    )
    assert found is not None
    assert found.path == "stats.py"
    assert shown_whole([span("stats.py", SOURCE[:60])], workspace.read) is None
    assert shown_whole([whole, span("b.py", "a = 1\nb = 2\n")], workspace.read) is None
    assert shown_whole([], workspace.read) is None
    write("stats.py", SOURCE + "\n# more\n")
    assert shown_whole([whole], workspace.read) is None
