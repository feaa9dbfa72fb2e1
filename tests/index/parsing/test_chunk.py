"""Lines dealt out to chunks: sizes, borders, names and scopes."""

from hypothesis import given
from hypothesis import strategies as st

from naestro.index.parsing.chunk import CHUNK_CHARS_MAX, MERGED_CHARS_MAX, Lines, cut_rows
from naestro.index.parsing.parse import parse_file
from naestro.index.parsing.parsed import Chunk

SHORT = "    def short_{0}(self):\n        return {0}\n\n"
LONG = "    def long(self):\n{0}        return 1\n\n"


def chunks_of(text: str, path: str = "a.py") -> list[Chunk]:
    return parse_file(path, text).chunks


def body(lines: int, indent: int = 8) -> str:
    return "".join(f"{' ' * indent}value_{at} = compute(value_{at - 1})\n" for at in range(lines))


def test_a_short_class_is_one_chunk_with_the_names_of_its_members() -> None:
    (chunk,) = chunks_of("class A:\n" + SHORT.format(1) + SHORT.format(2))
    assert (chunk.kind, chunk.symbol, chunk.names) == ("class", "A", ["A", "short_1", "short_2"])


def test_a_long_class_is_its_head_and_its_methods() -> None:
    head = 'class A(Base):\n    """What it is."""\n\n' + body(30, 4)
    text = head + "".join(f"    def m_{at}(self):\n{body(30)}\n" for at in range(3))
    chunks = chunks_of(text)
    assert [(one.kind, one.symbol) for one in chunks] == [
        ("class", "A"),
        ("method", "A.m_0"),
        ("method", "A.m_1"),
        ("method", "A.m_2"),
    ]
    assert [one.scope for one in chunks] == ["", *["class A(Base):"] * 3]
    assert chunks[0].text == head.rstrip()


def test_decorators_and_the_comment_above_belong_to_a_definition() -> None:
    text = f"def f():\n{body(30, 4)}\n# What g does,\n# at length.\n@decorated(\n    1,\n)\ndef g():\n{body(30, 4)}"
    _, chunk = chunks_of(text)
    assert chunk.text.startswith("# What g does,\n")
    assert (chunk.symbol, chunk.kind) == ("g", "function")


def test_a_comment_behind_a_statement_does_not_belong_to_the_next_definition() -> None:
    first, second = chunks_of(f"def f():\n{body(30, 4)}x = 1  # of x\ndef g():\n{body(30, 4)}")
    assert first.text.endswith("# of x") or second.text.startswith("x = 1")
    assert second.symbol == "g" or second.names[-1] == "g"


def test_short_neighbours_are_one_chunk() -> None:
    chunks = chunks_of("".join(f"def f_{at}():\n    return {at}\n\n\n" for at in range(100)))
    assert {one.kind for one in chunks} == {"group"}
    assert all(len(one.text) <= MERGED_CHARS_MAX for one in chunks)
    assert sum(len(one.names) for one in chunks) == 100
    assert len(chunks) < 5


def test_imports_and_one_definition_are_called_like_the_definition() -> None:
    (chunk,) = chunks_of("import a\n\n\ndef f():\n    return a\n")
    assert (chunk.kind, chunk.symbol, chunk.start, chunk.end) == ("function", "f", 1, 5)


def test_members_of_different_classes_are_not_one_chunk() -> None:
    text = "".join(
        f"class C{at}:\n" + SHORT.format(1) + LONG.format(body(70)) + SHORT.format(2) for at in range(2)
    )
    for chunk in chunks_of(text):
        assert not {"C0", "C1"} <= {name.split(".")[0] for name in [chunk.symbol, *chunk.names]}
    assert chunks_of(text)[-1].symbol == "C1.short_2"


def test_a_long_function_is_cut_between_its_statements() -> None:
    statement = f"    if condition:\n{body(12)}"
    chunks = chunks_of("def f(condition):\n" + statement * 12)
    assert len(chunks) > 2
    assert {(one.kind, one.symbol) for one in chunks} == {("part", "f")}
    assert all(one.text.startswith(("def f", "    if condition:")) for one in chunks)
    assert [one.names for one in chunks] == [["f"], *[[]] * (len(chunks) - 1)]


def test_a_long_method_of_a_long_class_tells_what_it_lies_in() -> None:
    chunks = chunks_of("class A:\n" + SHORT.format(1) + LONG.format(body(150)))
    parts = [one for one in chunks if one.kind == "part"]
    assert {(one.symbol, one.scope) for one in parts} == {("A.long", "class A:")}


def test_a_long_string_is_cut_at_its_blank_lines() -> None:
    paragraph = "word " * 100 + "\n\n"
    chunks = chunks_of(f'"""Doc.\n\n{paragraph * 20}"""\n')
    assert len(chunks) > 3
    assert all(not one.text.startswith("\n") for one in chunks)
    assert all(len(one.text) <= CHUNK_CHARS_MAX for one in chunks)


def test_definitions_on_one_line_share_a_chunk() -> None:
    text = "".join(f"class C{at} {{ m() {{ {'x;' * 100} }} }} " for at in range(30))
    (chunk,) = chunks_of(text, "a.js")
    assert (chunk.start, chunk.end) == (1, 1)
    assert {"C0", "C29", "m"} <= set(chunk.names)


def test_deeply_nested_classes_are_cut_in_bounded_depth() -> None:
    text = "".join(f"{' ' * at}class C{at}:\n" for at in range(90)) + " " * 90 + "x = 1\n"
    chunks = chunks_of(text * 2)
    assert chunks[0].start == 1
    assert chunks[-1].end == 182


def test_data_is_cut_at_its_entries() -> None:
    text = "{\n" + ",\n".join(f'  "key_{at}": "{"v" * 100}"' for at in range(100)) + "\n}\n"
    chunks = chunks_of(text, "a.json")
    assert all(len(one.text) <= CHUNK_CHARS_MAX for one in chunks)
    assert [name for one in chunks for name in one.names] == [f"key_{at}" for at in range(100)]


def test_a_file_of_statements_is_cut_between_them() -> None:
    chunks = chunks_of("".join(f"call({at},\n     {at})\n" for at in range(400)))
    assert all(one.text.startswith("call(") for one in chunks)
    assert all(CHUNK_CHARS_MAX // 4 < len(one.text) <= CHUNK_CHARS_MAX for one in chunks)


@given(st.lists(st.integers(0, 3000), max_size=60), st.sets(st.integers(0, 60)))
def test_parts_hold_all_lines_and_only_one_that_is_too_long_makes_a_part_too_long(
    lengths: list[int], borders: set[int]
) -> None:
    lines = Lines(["x" * length for length in lengths])
    parts = cut_rows(lines, 0, len(lengths) - 1, dict.fromkeys(borders, 1))
    rows = [row for first, last in parts for row in range(first, last + 1)]
    assert rows == sorted(set(rows))
    assert {row for row, length in enumerate(lengths) if length} <= set(rows)
    for first, last in parts:
        assert lines.size(first, last) <= CHUNK_CHARS_MAX + 1 or first == last


@given(st.lists(st.sampled_from([SHORT, LONG.format(body(40)), LONG.format(body(120)), "\n"]), max_size=12))
def test_chunks_of_a_class_are_within_the_limit(members: list[str]) -> None:
    text = "class A:\n    x = 1\n" + "".join(
        member.replace("{0}", str(at)) for at, member in enumerate(members)
    )
    for chunk in chunks_of(text):
        assert len(chunk.text) <= CHUNK_CHARS_MAX
        assert chunk.symbol.split(".")[0] == "A"
