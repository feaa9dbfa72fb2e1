"""The repository map: what matters most, in the budget, the same each time."""

from pathlib import Path

import pytest

from naestro.index.asking.map import CHARS_PER_TOKEN, SIGNATURE_CHARS_MAX, repository_map
from naestro.index.files.manifest_names import FileNames
from naestro.index.found import Found
from naestro.index.parsing.parsed import Definition
from tests.index.asking.test_graph import FILES
from tests.index.indexed import index_of, names_of, workspace_of

REPOSITORY = Path(__file__).parents[3]


def found(path: str, start: int, end: int, score: float) -> Found:
    """A result of a search."""
    return Found(path=path, start=start, end=end, score=score, why="", text="")


def test_files_stand_by_importance_and_definitions_by_line() -> None:
    reply = repository_map(names_of(FILES), 2000)
    assert reply.text == (
        "app/errors.py\n     1 class AppError(Exception):\n\n"
        "app/store.py\n     4 class Store:\n     5   def keep(self):\n\n"
        "app/service.py\n     5 def serve():\n\n"
        "tests/test_store.py\n     4 class AppError:\n     7 def test_keep():"
    )
    assert (reply.files, reply.files_in_all) == (4, 4)
    assert reply.tokens == -(-len(reply.text) // CHARS_PER_TOKEN)


@pytest.mark.parametrize("budget", [0, -5, 1, 15, 16, 30, 45, 60, 1000, 10**9])
def test_the_budget_is_never_passed_and_more_of_it_only_adds(budget: int) -> None:
    reply = repository_map(names_of(FILES), budget)
    assert len(reply.text) <= max(0, budget) * CHARS_PER_TOKEN
    more = repository_map(names_of(FILES), budget + 15)
    assert set(reply.text.splitlines()) <= set(more.text.splitlines())


def test_tests_and_samples_come_after_the_code_however_they_are_used() -> None:
    files = {
        "app/small.py": "def lone_value(): ...\n",
        "tests/support.py": "class ScriptedThing: ...\n",
        **{
            f"tests/test_{n}.py": "from tests.support import ScriptedThing\n\n\ndef test_it():\n    ScriptedThing()\n"
            for n in range(5)
        },
    }
    assert repository_map(names_of(files), 20).text.startswith("app/small.py")


def test_a_question_brings_what_was_found_to_the_top() -> None:
    plain = repository_map(names_of(FILES), 18)
    asked = repository_map(
        names_of(FILES), 15, [found("app/service.py", 5, 9, 1.2), found("gone.py", 1, 2, 0.4)]
    )
    assert plain.text.startswith("app/errors.py")
    assert asked.text.startswith("app/service.py\n     5 def serve():")
    method = repository_map(names_of(FILES), 20, [found("app/store.py", 5, 6, 1.0)])
    assert method.text == "app/store.py\n     4 class Store:\n     5   def keep(self):"


def test_results_that_say_nothing_change_nothing() -> None:
    plain = repository_map(names_of(FILES), 60)
    assert repository_map(names_of(FILES), 60, [found("app/service.py", 5, 9, 0.0)]) == plain
    assert repository_map([], 60, [found("app/service.py", 5, 9, 1.0)]).text == ""


def test_a_method_stands_in_its_class_and_what_lies_in_a_function_is_left_out() -> None:
    text = "class Outer:\n    class Inner:\n        def method(self):\n            def local(): ...\n"
    reply = repository_map(names_of({"a.py": text}), 500)
    assert reply.text.splitlines()[1:] == [
        "     1 class Outer:",
        "     2   class Inner:",
        "     3     def method(self):",
    ]


def test_headings_stand_side_by_side() -> None:
    reply = repository_map(names_of({"a.md": "# One\n\nText.\n\n## Two\n\nText.\n"}), 500)
    assert [line.split(maxsplit=1)[0] for line in reply.text.splitlines()[1:]] == ["1", "5"]


def test_a_signature_is_one_printable_line_of_bearable_length() -> None:
    wild = Definition("wild", "wild", "function", 1, 2, "def wild(\n\x1b[31m)" + "x" * 500)
    reply = repository_map([FileNames("a.py", "python", [wild], {}, [])], 500)
    (_, line) = reply.text.split("\n")
    assert line.startswith("     1 def wild( \x20[31m)")
    assert len(line) <= SIGNATURE_CHARS_MAX + 10


def test_the_same_files_give_the_same_map() -> None:
    files = names_of(
        {
            path.relative_to(REPOSITORY).as_posix(): path.read_text()
            for path in sorted((REPOSITORY / "core/naestro/policy").glob("*.py"))
        }
    )
    first = repository_map(files, 400)
    assert first == repository_map(files, 400)
    assert "class Workspace:" in first.text


def test_the_index_makes_it_with_or_without_a_question(tmp_path: Path) -> None:
    with index_of(workspace_of(tmp_path, FILES)) as index:
        assert index.map(2000).text.startswith("app/errors.py")
        assert index.map(15, "serve").text == "app/service.py\n     5 def serve():"
