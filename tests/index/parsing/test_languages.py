"""Which language a file is written in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import semble_grammars
from hypothesis import given
from hypothesis import strategies as st

from naestro.config import environment_for_child
from naestro.index.parsing.grammar import _lacking, grammar, query_of
from naestro.index.parsing.grammar_files import mend
from naestro.index.parsing.languages import PROSE, language_of
from naestro.index.parsing.parse import parse_file

ALL = [
    "python",
    "javascript",
    "typescript",
    "tsx",
    "rust",
    "go",
    "java",
    "kotlin",
    "c",
    "cpp",
    "csharp",
    "ruby",
    "php",
    "swift",
    "scala",
    "bash",
    "sql",
    "html",
    "css",
]
ALL += ["json", "yaml", "toml"]


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b.py", "python"),
        ("a.PYI", "python"),
        ("a.mjs", "javascript"),
        ("a.jsx", "javascript"),
        ("a.d.ts", "typescript"),
        ("a.tsx", "tsx"),
        ("a.rs", "rust"),
        ("a.go", "go"),
        ("A.java", "java"),
        ("a.kts", "kotlin"),
        ("a.c", "c"),
        ("a.hpp", "cpp"),
        ("a.cs", "csharp"),
        ("a.rb", "ruby"),
        ("a.php", "php"),
        ("a.swift", "swift"),
        ("a.scala", "scala"),
        ("a.bash", "bash"),
        ("a.sql", "sql"),
        ("a.html", "html"),
        ("a.css", "css"),
        ("README.md", "markdown"),
        ("a.rst", "rst"),
        ("a.json", "json"),
        ("tsconfig.json", "jsonc"),
        ("a.yml", "yaml"),
        ("Cargo.lock", "toml"),
        (".bashrc", "bash"),
        ("Makefile", "make"),
        ("Makefile.in", "make"),
        ("Dockerfile", "dockerfile"),
        ("Dockerfile.test", "dockerfile"),
        ("CMakeLists.txt", "cmake"),
        ("Rakefile", "ruby"),
        (".gitignore", "gitignore"),
        ("LICENSE", "text"),
        ("a.unknown", "text"),
        ("noending", "text"),
        ("", "text"),
        (".", "text"),
        ("a\nb.py", "python"),
        ("\udcff.rs", "rust"),
    ],
)
def test_names_and_endings_tell_the_language(path: str, language: str) -> None:
    assert language_of(path) == language


@pytest.mark.parametrize(
    ("head", "language"),
    [
        (b"#!/bin/sh\n", "bash"),
        (b"#!/usr/bin/env python3\n", "python"),
        (b"#!/usr/bin/env -S node --harmony\n", "javascript"),
        (b"#!/usr/bin/env A=1 ruby\n", "ruby"),
        (b"#! /usr/local/bin/perl -w\n", "perl"),
        (b"#!/opt/unheard-of\n", "text"),
        (b"#!\n", "text"),
        (b"\x00\xff", "text"),
    ],
)
def test_a_program_without_an_ending_is_told_by_its_first_line(head: bytes, language: str) -> None:
    assert language_of("bin/tool", head) == language


@pytest.mark.parametrize(
    ("path", "head", "language"),
    [
        ("a.h", b"int f(void);\n", "c"),
        ("a.h", b"namespace a {\n", "cpp"),
        ("a.h", b"class A\n{\n", "cpp"),
        ("a.h", b"@interface A : B\n", "objc"),
        ("a.m", b"#import <a.h>\n", "objc"),
        ("a.m", b"function y = f(x)\n", "text"),
    ],
)
def test_endings_of_several_languages_are_told_by_the_content(path: str, head: bytes, language: str) -> None:
    assert language_of(path, head) == language


@pytest.mark.parametrize("language", ALL)
def test_every_language_of_the_promise_has_a_grammar_and_a_query(language: str) -> None:
    known = grammar(language)
    assert known is not None
    assert known.query is not None


def test_prose_needs_no_grammar() -> None:
    assert {"markdown", "rst", "text"} <= PROSE


def test_a_language_that_nobody_knows_has_no_grammar() -> None:
    assert grammar("no such") is None


def test_a_grammar_that_cannot_be_unpacked_is_none_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEMBLE_GRAMMARS_CACHE_DIR", str(tmp_path / "file"))
    assert grammar("kdl") is None
    file = parse_file("a.kdl", "a {}\n")
    assert (file.chunks[0].text, file.lacks) == ("a {}", "kdl")
    assert "No grammar for kdl" in caplog.text
    monkeypatch.delenv("SEMBLE_GRAMMARS_CACHE_DIR")
    assert grammar("kdl") is None  # it is not tried at every file
    _lacking["kdl"] = 0.0
    assert grammar("kdl")
    assert not parse_file("a.kdl", "a {}\n").lacks


def _unpack_and_parse(folder: Path) -> str:
    """The first name in a Rust file, by a process that unpacks its grammars into `folder`."""
    program = "from naestro.index.parsing.parse import parse_file; print(parse_file('a.rs', 'fn a() {}').definitions)"
    environment = environment_for_child({"SEMBLE_GRAMMARS_CACHE_DIR": str(folder)})
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=True,
    ).stdout


def test_a_damaged_grammar_is_unpacked_anew(tmp_path: Path) -> None:
    whole = _unpack_and_parse(tmp_path)
    assert "'a'" in whole
    (unpacked,) = tmp_path.rglob("*.so")
    content = unpacked.read_bytes()
    unpacked.write_bytes(content[:5000])
    assert _unpack_and_parse(tmp_path) == whole
    assert unpacked.read_bytes() == content
    assert list(unpacked.parent.iterdir()) == [unpacked]


def test_a_grammar_that_cannot_be_mended_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SEMBLE_GRAMMARS_CACHE_DIR", str(tmp_path))
    for listed in Path(semble_grammars.__file__).parent.glob("grammars/*/manifest.json"):
        place = tmp_path / listed.parent.name / "libtree_sitter_zig.so"
        place.parent.mkdir()
        place.write_bytes(b"no library")
        place.with_name(f"{place.name}.{os.getpid()}").mkdir()  # what it would be unpacked to
    mend("zig")
    assert "The grammar of zig is not mended" in caplog.text


def test_a_query_that_does_not_fit_is_none_and_said(caplog: pytest.LogCaptureFixture) -> None:
    known = grammar("python")
    assert known is not None
    assert query_of("python", known.language, "(no_such_node) @name") is None
    assert "does not fit" in caplog.text


@given(st.text(), st.binary(max_size=100))
def test_any_name_and_content_has_a_language(path: str, head: bytes) -> None:
    assert language_of(path, head)
