"""The grammar of patches: what models write, read strictly where it matters and kindly where it does not."""

import pytest

from naestro.council.patch_grammar import Block, WholeFile, path_of, scan
from naestro.council.patches import has_patch
from naestro.council.roles import instruction
from naestro.errors import PatchMalformed

BODY = "<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n"


def block(text: str) -> Block:
    parts = scan(text)
    assert len(parts) == 1
    assert isinstance(parts[0], Block)
    return parts[0]


def test_the_form_that_prompts_show_is_the_form_that_is_read() -> None:
    assert block(instruction("change_form", path="src/main.py")).path == "src/main.py"


@pytest.mark.parametrize(
    "text",
    [
        "a/b.py\n" + BODY,
        "a/b.py\n\n" + BODY,
        "`a/b.py`\n" + BODY,
        "# a/b.py\n" + BODY,
        "### `a/b.py`:\n" + BODY,
        "**a/b.py**\n" + BODY,
        "- File: a/b.py\n" + BODY,
        "1. path: `a/b.py`\n" + BODY,
        "// a/b.py\n" + BODY,
        "a/b.py:3-7\n" + BODY,
        "'a/b.py'\n" + BODY,
        "a/b.py\n```python\n" + BODY + "```\n",
        "a/b.py\n~~~\n" + BODY + "~~~\n",
        "```python\na/b.py\n" + BODY + "```\n",
        "```\n# a/b.py\n\n" + BODY + "```",
        "```python path=a/b.py\n" + BODY + "```\n",
        "```a/b.py\n" + BODY + "```\n",
        "Some words first.\n\na/b.py\n" + BODY + "\nand last.",
        "```\na/b.py\n```\n" + BODY,
        "a/b.py\r\n" + BODY.replace("\n", "\r\n"),
        "a/b.py\n"
        + BODY.replace("SEARCH", "SEARCH  ").replace("=======", "======= ").replace("REPLACE", "REPLACE\t"),
        "a/b.py\n<<<<<<<SEARCH\nold\n=======\nnew\n>>>>>>>REPLACE",
        "a/b.py\n<<<<<<< search\nold\n======\nnew\n>>>>>>>> replace",
        "a/b.py\n<<<<<<< SEARCH>\nold\n=======\nnew\n>>>>>>> REPLACE>",
    ],
)
def test_harmless_variations_of_a_block_are_read(text: str) -> None:
    found = block(text)
    assert (found.path, found.search, found.replace) == ("a/b.py", ["old"], ["new"])


def test_blocks_of_one_file_may_name_it_once() -> None:
    parts = scan("a.py\n```\n" + BODY + "```\nand then:\n```\n" + BODY + "```\n\n" + BODY + "b.py\n" + BODY)
    assert [part.path for part in parts] == ["a.py", "a.py", "a.py", "b.py"]


def test_a_path_in_quotes_may_hold_spaces() -> None:
    assert block("`my file.py`\n" + BODY).path == "my file.py"


def test_a_marker_of_another_length_is_text() -> None:
    text = "a.md\n<<<<<<<< SEARCH\nTitle\n=======\n>>>>>>> REPLACE\n========\nNew\n<<<<<<< SEARCH\n>>>>>>>> REPLACE"
    found = block(text)
    assert found.search == ["Title", "=======", ">>>>>>> REPLACE"]
    assert found.replace == ["New", "<<<<<<< SEARCH"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BODY, "Line 1 .* no path"),
        ("these are words\n" + BODY, "Line 2 .* no path"),
        ("a.py\n<<<<<<< SEARCH\nold\n=======\nnew\n", "not ended"),
        ("a.py\n<<<<<<< SEARCH\nold\n", "not ended"),
        ("a.py\n<<<<<<< SEARCH\nold\n>>>>>>> REPLACE", "no ======="),
        ("a.py\n<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE", "more than one ======="),
        ("a.py\n<<<<<<< SEARCH\na\n=======\nb\nb.py\n" + BODY, "Line 7 .* before the one above is ended"),
        ("a.py\n>>>>>>> REPLACE\n", "Line 2 .* was not begun"),
        ("a.py\n```python\nx = 1\n", "fence is not closed"),
    ],
)
def test_what_can_be_read_in_two_ways_or_was_cut_off_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(PatchMalformed, match=reason):
        scan(text)
    assert has_patch(text)


@pytest.mark.parametrize(
    "text",
    [
        "a/b.py\n```python\nx = 1\n```\n",
        "**`a/b.py`**:\n\n```\nx = 1\n```",
        "```python path=a/b.py\nx = 1\n```",
        '```python file="a/b.py"\nx = 1\n```',
        "```a/b.py\nx = 1\n```",
        "```python:a/b.py\nx = 1\n```",
        "~~~~ title='a/b.py'\nx = 1\n~~~~~\n",
        "  ```python path=a/b.py\nx = 1\n  ```",
        "The whole file:\n```python\n# a/b.py\nx = 1\n```",
        "```js\n// File: a/b.py\nx = 1\n```",
        "```html\n<!-- a/b.py -->\nx = 1\n```",
    ],
)
def test_a_fence_below_a_path_or_with_one_is_a_whole_file(text: str) -> None:
    (part,) = scan(text)
    assert isinstance(part, WholeFile)
    assert (part.path, part.lines) == ("a/b.py", ["x = 1"])


def test_files_without_an_ending_are_known_by_name() -> None:
    assert [part.path for part in scan("Makefile\n```\nall:\n```\nDockerfile\n```\nFROM x\n```\n")] == [
        "Makefile",
        "Dockerfile",
    ]


def test_fences_inside_a_whole_file_are_its_text() -> None:
    text = "doc.md\n```md\n# A\n```python\nx\n```\nend\n```\nafter"
    (part,) = scan(text)
    assert isinstance(part, WholeFile)
    assert part.lines == ["# A", "```python", "x", "```", "end"]
    (longer,) = scan("doc.md\n````\n```\nx\n```\n````\n")
    assert isinstance(longer, WholeFile)
    assert longer.lines == ["```", "x", "```"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Only words, and `core/a.py:3-7`.",
        "For instance:\n```python\nx = 1\n```",
        "```\nx = 1\n```",
        "Example\n```\nx\n```",
        "```python\nnever closed",
        "```python\n# a comment\nx = 1\n```",
        "```python\n# word\n```",
        "```\n```",
        "Title\n=======\ntext",
    ],
)
def test_prose_and_code_without_a_path_are_no_patch(text: str) -> None:
    assert scan(text) == []
    assert not has_patch(text)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("", None),
        ("two words", None),
        ("=======", None),
        ("``", None),
        ("` `", None),
        ("**", None),
        ("New file: src/a.ts", "src/a.ts"),
        ("the file: a", "a"),
    ],
)
def test_a_line_is_a_path_or_it_is_not(line: str, path: str | None) -> None:
    assert path_of(line) == path
