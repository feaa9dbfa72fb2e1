"""The last large trees: what is parsed with the help of one is what is parsed without."""

import random
from collections.abc import Callable

import pytest
from tree_sitter import Parser, Tree

from naestro.index.parsing.grammar import captures, grammar
from naestro.index.parsing.parse import parse_file
from naestro.index.parsing.trees import BYTES_MAX, BYTES_MIN, KEPT, Trees, _changed

FUNCTION = '''def name{n}(first, second):
    """Say what {n} is."""
    for each in first:
        second[each] = call{n}(each, "text {n}")
    return second


'''
SOURCE = "".join(FUNCTION.format(n=n) for n in range(300))
Edit = Callable[[list[str], int], None]


def tree_of(text: str) -> Tree:
    known = grammar("python")
    assert known is not None
    return Parser(known.language).parse(text.encode())


def test_a_text_that_is_edited_over_and_over_is_taken_apart_as_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = random.Random(7)
    edits: list[Edit] = [
        lambda lines, at: lines.insert(at, "    added = 1"),
        lambda lines, at: lines.insert(at, "class Ädded: pass"),
        lambda lines, at: lines.__delitem__(at),
        lambda lines, at: lines.__setitem__(at, f"{lines[at]}  # said"),
        lambda lines, at: lines.__setitem__(at, f"    {lines[at]}"),
    ]
    lines = SOURCE.split("\n")
    for _ in range(40):
        drawn.choice(edits)(lines, drawn.randrange(len(lines)))
        text = "\n".join(lines)
        said = parse_file("a.py", text)
        with monkeypatch.context() as without:
            without.setattr("naestro.index.parsing.grammar._trees", Trees())
            assert parse_file("a.py", text) == said
        if said.has_errors:
            lines = SOURCE.split("\n")


def test_a_tree_like_the_text_is_given_once_and_told_of_the_edit() -> None:
    trees = Trees()
    old = SOURCE.encode()
    trees.keep("python", old, tree_of(SOURCE))
    assert trees.like("python", b"x" * len(old)) is None
    assert trees.like("java", old) is None
    new = SOURCE.replace("name150(", "other150(").encode()
    tree = trees.like("python", new)
    assert tree is not None
    assert tree.root_node.has_changes
    assert tree.root_node.end_byte == len(new)
    assert trees.like("python", new) is None


def test_small_large_and_faulty_texts_are_not_kept() -> None:
    trees = Trees()
    for text in (SOURCE[: BYTES_MIN // 2], SOURCE * (1 + BYTES_MAX // len(SOURCE)), f"{SOURCE}\ndef ("):
        trees.keep("python", text.encode(), tree_of(text))
        assert trees.like("python", text.encode()) is None


def test_only_the_last_trees_are_kept() -> None:
    trees = Trees()
    texts = [f"{SOURCE}# {n}" * (n + 1) for n in range(KEPT + 1)]
    for text in texts:
        trees.keep("python", text.encode(), tree_of(text))
    assert [trees.like("python", text.encode()) is None for text in texts] == [True, *[False] * KEPT]


def test_nodes_that_are_looked_at_stay_as_they_are_while_another_edit_is_parsed() -> None:
    known = grammar("python")
    assert known is not None
    trees = Trees()
    tree = tree_of(SOURCE)
    trees.keep("python", SOURCE.encode(), tree)
    root = tree.root_node
    assert trees.like("python", SOURCE.replace("name0", "longer_name0").encode()) is not None
    assert root.end_byte == len(SOURCE)
    assert len(captures(known, root, SOURCE.encode())["definition.function"]) == 300


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (b"a\nb\nc\n" * 50, b"a\nb\nc\n" * 50, (300, 0)),
        (b"a\n" * 50, b"a\n" * 50 + b"b\n", (100, 0)),
        (b"a\n" * 50, b"b\n" + b"a\n" * 50, (0, 98)),
        (b"a\n" * 50 + b"b", b"a\n" * 50 + b"c", (100, 0)),
        (b"a\n" * 50, b"b\n" * 50, None),
        (b"", b"", (0, 0)),
    ],
)
def test_what_is_the_same_at_both_ends_is_found_by_lines(
    old: bytes, new: bytes, same: tuple[int, int] | None
) -> None:
    assert _changed(old, new) == same
