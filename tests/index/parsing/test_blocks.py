"""Files in pieces that belong together, by the look of their lines."""

from hypothesis import given
from hypothesis import strategies as st

from naestro.index.parsing.blocks import Block, blocks_of

PYTHON = '''"""Head."""

import os

LIMIT_S = 3
"""Why."""


# A comment
# of two lines
@decorated
class A:
    """Doc."""

    async def f(self):
        return 1

def g(): ...
'''


def test_python_is_cut_at_its_definitions_with_what_leads_to_them() -> None:
    assert blocks_of("a.py", PYTHON.split("\n")) == [
        Block(1, 3, ""),
        Block(5, 6, "LIMIT_S"),
        Block(9, 13, "A"),
        Block(15, 16, "f"),
        Block(18, 18, "g"),
    ]


def test_other_languages_are_cut_in_the_same_way() -> None:
    lines = ["use std;", "", "/// Doc", "pub fn run() {", "}", "export default async function go(a) {", "}"]
    assert blocks_of("a.rs", lines) == [Block(1, 1, ""), Block(3, 5, "run"), Block(6, 7, "go")]
    assert blocks_of("a.go", ["package a", "func (s *Server) Serve() {", "}"])[1].title == "(s *Server) Serve"


def test_documents_are_cut_at_their_headings() -> None:
    lines = ["# Title", "text", "", "## Part", "def not_code(): x", "### Below", ""]
    assert blocks_of("a.md", lines) == [Block(1, 2, "Title"), Block(4, 5, "Part"), Block(6, 6, "Below")]


def test_a_file_that_begins_with_a_definition_has_no_head() -> None:
    assert blocks_of("a.py", ["def f():", "    pass"]) == [Block(1, 2, "f")]


def test_an_empty_file_has_no_blocks() -> None:
    assert blocks_of("a.py", []) == []
    assert blocks_of("a.py", ["", "  "]) == []


@given(
    st.lists(
        st.sampled_from(["", "x", "def f():", "# c", "@d", "class A:", "LIMIT = 1", "    y"]), max_size=20
    )
)
def test_blocks_hold_each_line_that_is_not_blank_once_and_in_order(lines: list[str]) -> None:
    held: list[int] = []
    for block in blocks_of("a.py", lines):
        held += range(block.start, block.end + 1)
    assert held == sorted(set(held))
    assert {n for n, line in enumerate(lines, 1) if line.strip()} <= set(held)
