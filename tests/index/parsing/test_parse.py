"""Files taken apart: what they define, use and import, for each language; and that no bytes stop it."""

import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from naestro.index.parsing.chunk import LINE_CHARS_MAX
from naestro.index.parsing.grammar import PARSED_BYTES_MAX, grammar
from naestro.index.parsing.languages import language_of
from naestro.index.parsing.parse import parse_file, text_of
from naestro.index.parsing.parsed import ParsedFile
from naestro.policy.text import decode

SAMPLES = Path(__file__).parents[1] / "samples"
PLAIN = {"notes.txt"}
"""Samples that define nothing."""


def _expected() -> dict[str, list[str]]:
    """By file: its language, its imports and definitions, a line each."""
    found: dict[str, list[str]] = {}
    for line in (SAMPLES / "EXPECTED").read_text().splitlines():
        if line.startswith("== "):
            _, name, language = line.split(" ")
            found[name] = [language]
        else:
            found[name].append(line)
    return found


EXPECTED = _expected()


def parsed(name: str) -> ParsedFile:
    return parse_file(name, (SAMPLES / name).read_bytes())


def lines_of(data: bytes | str) -> list[str]:
    return text_of("a", data).split("\n")


def check_covering(file: ParsedFile, data: bytes | str) -> None:
    """Every line that is not blank lies in one chunk, in order, as it stands in the file."""
    lines = lines_of(data)
    held = [number for chunk in file.chunks for number in range(chunk.start, chunk.end + 1)]
    assert held == sorted(set(held))
    assert {number for number, line in enumerate(lines, 1) if line.strip()} <= set(held)
    for chunk in file.chunks:
        said = chunk.text.split("\n")
        whole = lines[chunk.start - 1 : chunk.end]
        assert said == whole or said == [line[:LINE_CHARS_MAX] for line in whole]
    for one in file.definitions:
        assert 1 <= one.start <= one.end <= len(lines)
        assert one.name
    for used in file.references.values():
        assert used == sorted(set(used))
        assert 1 <= used[0] <= used[-1] <= len(lines)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_sample_defines_and_imports_what_a_reader_sees(name: str) -> None:
    file = parsed(name)
    imports = [f"import {one.module} {one.line}" for one in file.imports]
    definitions = [
        f"{one.kind} {one.qualified} {one.start}-{one.end} {one.signature}" for one in file.definitions
    ]
    assert [file.language, *imports, *definitions] == EXPECTED[name]
    assert not file.has_errors


def test_every_sample_is_expected() -> None:
    files = {path.name for path in SAMPLES.iterdir()} - {"EXPECTED"}
    assert files - PLAIN == set(EXPECTED)


@pytest.mark.parametrize("name", sorted({*EXPECTED, *PLAIN}))
def test_the_chunks_of_a_sample_hold_its_lines_once(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    check_covering(parse_file(name, data), data)


@pytest.mark.parametrize(
    ("name", "used", "lines"),
    [
        ("journal.py", "encoded", [40]),
        ("journal.py", "retried", [27]),
        ("journal.py", "LIMIT", [28]),
        ("queue.js", "push", [21, 31]),
        ("queue.js", "job", [20, 21, 22, 34]),
        ("panel.tsx", "Panel", [27]),
        ("store.ts", "type", [22, 23]),
        ("ring.rs", "CAPACITY", [33]),
        ("pool.go", "Task", [19, 30, 34]),
        ("Cache.java", "get", [19]),
        ("Timer.kt", "Ticker", [4, 10, 18]),
        ("list.c", "list_length", [37]),
        ("shape.cpp", "area", [42]),
        ("Account.cs", "IAccount", [8]),
        ("mailer.rb", "host", [9, 11, 12, 17, 21]),
        ("Router.php", "path", [14, 29, 31, 45]),
        ("Player.swift", "title", [14]),
        ("Graph.scala", "Edge", [4, 8, 10, 14]),
        ("deploy.sh", "log", [16]),
        ("schema.sql", "note", [12, 15]),
        ("page.html", "getElementById", [7]),
    ],
)
def test_uses_are_told_with_their_lines_and_definitions_are_none(
    name: str, used: str, lines: list[int]
) -> None:
    assert parsed(name).references[used] == lines


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("journal.py", {"knows", "Write", "def", "self", "f"}),
        ("queue.js", {"Runs", "not", "function", "return"}),
        ("panel.tsx", {"words", "Shows", "a title"}),
        ("ring.rs", {"Overwrites", "of", "struct"}),
        ("pool.go", {"Submit", "json", "func"}),
        ("list.c", {"list_pop", "include", "struct"}),
        ("shape.cpp", {"no", "call", "template"}),
        ("Account.cs", {"Move", "m", "Money"}),
        ("Router.php", {"helpers", "Finds", "GET"}),
        ("deploy.sh", {"deploy", "Says", "function"}),
        ("schema.sql", {"CREATE", "People", "TABLE"}),
    ],
)
def test_words_of_the_language_comments_and_strings_are_no_uses(name: str, words: set[str]) -> None:
    assert not words & set(parsed(name).references)


def test_a_name_in_the_hole_of_a_string_is_a_use() -> None:
    assert parse_file("a.py", b'f"{shown} hidden"\n').references == {"shown": [1]}


@pytest.mark.parametrize("name", ["guide.md", "package.json", "style.css", "notes.txt"])
def test_prose_and_data_use_no_names(name: str) -> None:
    assert parsed(name).references == {}


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        (
            "a.ex",
            "defmodule A.B do\n  def f(x), do: g(h(x))\n  defp k(x) when x > 1, do: x\nend\n",
            "A.B A.B.f A.B.k",
        ),
        ("a.lua", 'local m = require("b")\nfunction M.f(x)\nend\n', "m M.f"),
        ("a.dart", "class A {\n int m() {\n  int n() {\n  }\n }\n}\nvoid f() {\n}\n", "A A.m A.m.n f"),
        ("a.dart", "class A {\n int m() /*" + "-" * 50 + "*/ {\n }\n}\n", "A A.m"),
        ("a.go", "package a\n\nvar V, W = 1, 2\n", "V"),
        ("a.html", "<div class='x'>\n<p id='q'>\n</p>\n</div>\n", "q"),
        ("a.html", "<div class='x'>\n<div title='y'>\n<p id='q'>\n</p>\n</div>\n</div>\n", "q"),
        ("a.clj", "(ns a.b)\n(defn f [x] (g x))\n", "a.b f"),
        ("a.vue", "<template>\n</template>\n<script>\nfunction f() {}\n</script>\n", "f"),
        ("a.svelte", "<script>\nlet a = 1\n</script>\n<p>{a}</p>\n", "a"),
        ("a.hs", "f :: Int\nf = 1\n", "f"),
        ("a.m", "@interface A : B\n- (void)m:(int)a;\n@end\n", "A A.m"),
        ("a.tf", 'resource "a" "b" {\n}\n', "a.b"),
        ("a.proto", 'syntax = "proto3";\nmessage M {\n int32 a = 1;\n}\n', "M M.a"),
        ("a.zig", "const S = struct { a: u8 };\n", "S S.a"),
        ("a.scss", "@mixin m { a: b }\n", "m"),
        ("a.graphql", "type A { b: Int }\n", "A A.b"),
        ("Makefile", "X = 1\nall: a\n\techo\n", "X all"),
        ("a.jl", "module M\nf(x) = 1\nend\n", "M M.f"),
        ("a.r", "f <- function(x) x\n", "f"),
        ("a.pl", "package A::B;\nsub f { 1 }\n", "A.B f"),
        ("a.ml", "let f x = x\n", "f"),
        ("a.ps1", "function Get-It { 1 }\n", "Get-It"),
        ("a.sol", "contract A { function f() public {} }\n", "A A.f"),
        ("a.f90", "module m\ncontains\nsubroutine s(x)\nend subroutine\nend module\n", "m m.s"),
        ("a.gradle", "class A { def m(a) { a } }\n", "A A.m"),
        ("a.ini", "[a]\nb = 1\n", "a a.b"),
        ("a.erl", "f(X) -> X.\n", "f"),
        ("a.cmake", "function(f x)\nendfunction()\n", "f"),
        ("Dockerfile", "FROM a AS b\n", "b"),
        ("a.bzl", "def f():\n    pass\n", "f"),
        ("a.jsonc", '{"a": 1}\n', "a"),
    ],
)
def test_other_languages_define_too(path: str, text: str, found: str) -> None:
    assert " ".join(one.qualified for one in parse_file(path, text).definitions) == found


def test_scripts_of_a_component_use_and_import_as_where_they_stand() -> None:
    text = "<template>\n{{ shown }}\n</template>\n<script>\nimport a from './b';\ng(a);\n</script>\n"
    file = parse_file("a.vue", text)
    assert (file.references, [(one.module, one.line) for one in file.imports]) == (
        {"a": [5, 6], "g": [6]},
        [("./b", 5)],
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_endings_and_marks_change_no_line_number(ending: str, mark: bytes) -> None:
    text = "import a\n\n\ndef f():\n    return '''x\n\ny'''\n\ndef g(): a()\n".replace("\n", ending)
    file = parse_file("a.py", mark + text.encode())
    assert [(one.name, one.start, one.end) for one in file.definitions] == [("f", 4, 7), ("g", 9, 9)]
    assert file.references == {"a": [1, 9]}


def test_form_feeds_and_lone_carriage_returns_end_no_line() -> None:
    data = b"x = 1\n\x0c\ny = '\r'\n\x0bz = 2\n\xe2\x80\xa8\nw = 3\n"
    file = parse_file("a.py", data)
    assert [one.start for one in file.definitions if one.name == "w"] == [6]
    assert lines_of(data)[:-1] == decode("a.py", data, 0).lines


@pytest.mark.parametrize(
    "data",
    [
        "def f():\n    return 'ä'\n".encode("latin-1"),
        "\ufeffdef f():\n    pass\n".encode("utf-16-le"),
        "\ufeffdef f():\n    pass\n".encode("utf-16-be"),
        "def f():\n    return '\udcff'\n",
        "\ufeffdef f():\n    pass\n",
    ],
)
def test_other_encodings_and_surrogates_are_read(data: bytes | str) -> None:
    file = parse_file("a.py", data)
    assert [(one.name, one.start, one.end) for one in file.definitions] == [("f", 1, 2)]
    assert "".join(chunk.text for chunk in file.chunks).encode()


def test_text_with_nul_bytes_is_cut_by_its_lines() -> None:
    file = parse_file("a.py", b"def f():\n\0\n\ndef g(): pass\n")
    assert (file.definitions, [(one.start, one.end) for one in file.chunks]) == ([], [(1, 4)])


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n", "\r\n\r\n", "\ufeff"])
def test_nothing_has_no_chunks(text: str) -> None:
    assert parse_file("a.py", text).chunks == []
    assert parse_file("a.txt", text.encode()).chunks == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "def whole():\n    pass\n\ndef broken(:\n    pass\n\nclass Last:\n    pass\n"),
        ("a.js", "function whole() {}\nfunction broken( {\nclass Last {}\n"),
        ("a.go", "package a\nfunc whole() {}\nfunc broken( {\n"),
        ("a.json", '{"whole": 1, "broken": [}'),
        ("a.yaml", "whole: 1\n---\nbroken: }\n"),
    ],
)
def test_a_broken_file_is_held_whole_and_says_so(path: str, text: str) -> None:
    file = parse_file(path, text)
    assert file.has_errors
    assert path == "a.yaml" or "whole" in [one.name for one in file.definitions]
    check_covering(file, text)


def test_a_file_too_large_for_a_tree_is_cut_by_its_lines() -> None:
    text = "def f(): pass\n" * (PARSED_BYTES_MAX // 14 + 1)
    file = parse_file("a.py", text)
    assert (file.definitions, file.has_errors) == ([], True)
    assert file.chunks[-1].end == text.count("\n")


def test_a_tree_that_takes_too_long_is_given_up_and_the_next_file_is_read() -> None:
    began = time.monotonic()
    file = parse_file("a.cpp", b'{"a":' * 400_000)
    assert (file.definitions, file.has_errors) == ([], True)
    assert time.monotonic() - began < 30
    assert [one.name for one in parse_file("a.cpp", b"int f() { return 1; }\n").definitions] == ["f"]


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"(" * 50_000 + b")" * 50_000,
        b"if x:\n" * 20_000,
        b"x = 1; " * 30_000,
        b"def f(): " * 5_000,
        b"class A:\n" + b"".join(b" " * depth + b"class A:\n" for depth in range(1, 700)),
        b"class A { " * 3_000,
        b'{"a":' * 5_000,
        b"'\n" * 20_000,
        b"<a id='b'>" * 3_000,
        b"# " * 50_000,
        b"\\" * 50_000,
    ],
    ids=lambda data: data[:8].decode(),
)
@pytest.mark.parametrize("path", ["a.py", "a.js", "a.cpp", "a.json", "a.html", "a.md"])
def test_deep_and_long_files_end(path: str, data: bytes) -> None:
    check_covering(parse_file(path, data), data)


@pytest.mark.parametrize(
    "data",
    [
        b"- " * 300 + b"a\n",
        b"? " * 300 + b"a\n",
        b"".join(b" " * depth + b"a:\n" for depth in range(400)),
        b"".join(b" " * depth + b"-\n" for depth in range(400)),
    ],
    ids=["dashes", "questions", "keys", "lists"],
)
def test_yaml_deeper_than_its_grammar_can_hold_is_cut_by_paragraphs(data: bytes) -> None:
    file = parse_file("a.yaml", data)
    assert file.has_errors
    check_covering(file, data)


@pytest.mark.parametrize("name", ["{}", "'{}'", '"{}"', "~{}"])
def test_perl_with_an_endless_name_of_a_here_document_is_cut_by_paragraphs(name: str) -> None:
    data = f"print <<{name.format('A' * 5000)};\nx\n{'A' * 5000}\n".encode()
    file = parse_file("a.pl", data)
    assert file.has_errors
    check_covering(file, data)


def test_typst_is_cut_by_its_sections_whatever_crashes_its_grammar() -> None:
    text = f"= One\n{'_*' * 100}\n== Two\n{'#[' * 1000}\n"
    file = parse_file("a.typ", text)
    assert [one.qualified for one in file.definitions] == ["One", "One > Two"]
    check_covering(file, text.encode())


def test_nodes_deeper_than_a_query_can_count_are_cut_by_paragraphs() -> None:
    data = b"``\n" * 70_000  # each calls what stands before it
    began = time.monotonic()
    file = parse_file("a.ts", data)
    assert file.has_errors
    assert time.monotonic() - began < 30


def test_a_chunk_keeps_the_beginning_of_an_endless_line() -> None:
    (chunk,) = parse_file("a.txt", "a" * 1_000_000).chunks
    assert chunk.text == "a" * LINE_CHARS_MAX


LANGUAGES = ["py", "js", "tsx", "rs", "go", "java", "kt", "c", "cpp", "cs", "rb", "php", "swift", "scala"]
LANGUAGES += [
    "sh",
    "sql",
    "html",
    "css",
    "md",
    "rst",
    "txt",
    "json",
    "yaml",
    "toml",
    "ex",
    "vue",
    "dart",
    "xyz",
]


@given(st.sampled_from(LANGUAGES), st.one_of(st.binary(max_size=300), st.text(max_size=300)))
@example("py", "\ud800\n")
@example("md", "\n=")
@example("rst", "a\n===")
@example("dart", "{}")
def test_any_bytes_are_taken_apart(ending: str, data: bytes | str) -> None:
    check_covering(parse_file(f"a.{ending}", data), data)


WORDS = [
    "class A:",
    "def f(x):",
    "    def g(self):",
    "{",
    "}",
    "function f() {",
    "# t",
    "",
    "  x = 1",
    '"',
    "==",
]
WORDS += [
    "type A struct {",
    "fn f() {",
    "(",
    ")",
    "'''",
    "<div id='a'>",
    "a: 1",
    "[t]",
    "x" * 900,
    "/*",
    "*/",
]


@given(st.sampled_from(LANGUAGES), st.lists(st.sampled_from(WORDS), max_size=40))
def test_any_lines_of_code_are_taken_apart(ending: str, lines: list[str]) -> None:
    text = "\n".join(lines)
    check_covering(parse_file(f"a.{ending}", text), text)


def test_threads_take_files_apart_side_by_side() -> None:
    data = (SAMPLES / "journal.py").read_bytes() * 20
    expected = parse_file("a.py", data)
    results: list[ParsedFile] = []
    threads = [threading.Thread(target=lambda: results.append(parse_file("a.py", data))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [expected] * 4


def test_a_language_can_be_given() -> None:
    assert parse_file("a.txt", "def f(): pass\n", "python").definitions[0].name == "f"
    assert parse_file("a.txt", "def f(): pass\n", "no such").definitions == []


@pytest.mark.parametrize("path", ["a.nix", "a.kdl", "a.vim"])
def test_a_language_without_a_query_is_cut_at_the_borders_of_its_tree(path: str) -> None:
    known = grammar(language_of(path))
    assert known is not None
    assert known.query is None
    assert parse_file(path, "a\n").references == {}
