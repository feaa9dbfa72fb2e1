"""What kind of place a path is."""

import pytest

from naestro.index.asking.places import place_of


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("src/journal.py", ""),
        ("sympy/core/contest.py", ""),
        ("lib/latest.js", ""),
        ("tests/test_journal.py", "tests"),
        ("pkg/journal_test.go", "tests"),
        ("src/FooTest.java", "tests"),
        ("src/app.spec.ts", "tests"),
        ("conftest.py", "tests"),
        ("src/Foo/Tests/Bar.cs", "tests"),
        ("docs/conf.py", "documents"),
        ("README.md", "documents"),
        ("docs/guide.rst", "documents"),
        ("man/man5/x.5", "documents"),
        ("examples/run.py", "examples"),
        ("benches/speed.rs", "examples"),
        ("vendor/lib/x.go", "foreign"),
        ("node_modules/a/index.js", "foreign"),
        ("src/pip/_vendor/tests/a.py", "foreign"),
        ("api/v1_pb2.py", "foreign"),
        ("types/index.d.ts", "foreign"),
        ("types/index.d.cts", "foreign"),
        ("PKG-INFO", "documents"),
        ("LICENSE-MIT", "documents"),
        ("pkg/news.py", ""),
        ("Makefile", ""),
        ("package-lock.json", "foreign"),
        ("pyproject.toml", "data"),
        ("web/style.css", "data"),
        ("", ""),
    ],
)
def test_a_path_says_what_kind_of_place_it_is(path: str, place: str) -> None:
    assert place_of(path) == place
