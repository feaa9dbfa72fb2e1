"""The literal search: right places first, the same each time, and never what may not be read."""

import logging
from pathlib import Path
from typing import Any

import pytest

from naestro.index.asking import literal
from naestro.index.asking.literal import LiteralSearcher
from naestro.index.spans import CHARS_PER_TOKEN, SPAN_LINES_MAX, SPANS_PER_FILE_MAX, TOKENS_MAX, Span
from naestro.policy.workspace import Workspace

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.find(tmp_path)


def write(workspace: Workspace, files: dict[str, str]) -> None:
    for path, text in files.items():
        target = workspace.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def search(workspace: Workspace, query: str, limit: int = 10) -> list[Span]:
    return LiteralSearcher(workspace).search(query, limit)


def places(spans: list[Span]) -> list[tuple[str, int, int]]:
    return [(span.path, span.start, span.end) for span in spans]


def test_a_definition_stands_before_its_uses(workspace: Workspace) -> None:
    other = "\n\ndef other():\n    return 2\n"
    write(
        workspace,
        {
            "a.py": "def main():\n    return widget()\n",
            "b.py": f'"""Head."""\n\n\ndef widget():\n    return 1\n{other}',
        },
    )
    assert places(search(workspace, "What does the widget do?")) == [("b.py", 4, 5), ("a.py", 1, 2)]


def test_code_stands_before_documents_tests_and_data_that_say_the_same(workspace: Workspace) -> None:
    paths = ["data.json", "docs/text.md", "src/code.py", "tests/test_it.py", "web/it.spec.ts"]
    write(workspace, dict.fromkeys(paths, "the widget = 1\n"))
    found = [span.path for span in search(workspace, "What does the widget do?")]
    assert found == ["src/code.py", "docs/text.md", "data.json", "tests/test_it.py", "web/it.spec.ts"]


def test_a_rare_word_says_more_than_a_frequent_one(workspace: Workspace) -> None:
    write(workspace, {f"f{n}.py": f"def f{n}():\n    common = {n}\n    return common\n" for n in range(8)})
    write(workspace, {"z.py": "def z():\n    return rare\n"})
    assert search(workspace, "common and rare things")[0].path == "z.py"


def test_an_identifier_is_found_where_it_is_defined(workspace: Workspace) -> None:
    write(
        workspace,
        {
            "errors.py": "class TimedOut(Exception):\n    pass\n",
            "use.py": "from errors import TimedOut\n\n\ndef timed():\n    raise TimedOut\n\n\ndef out():\n    pass\n",
        },
    )
    assert places(search(workspace, "Where is TimedOut raised?"))[:2] == [
        ("errors.py", 1, 2),
        ("use.py", 1, 5),
    ]


def test_a_named_file_comes_first_whatever_it_says(workspace: Workspace) -> None:
    write(workspace, {"a.py": "retry = 1\n" * 5, "sub/b.py": "x = 1\ny = 2\n", "empty.py": ""})
    spans = search(workspace, "Does sub/b.py or empty.py retry?")
    assert places(spans)[0] == ("sub/b.py", 1, 2)
    assert spans[0].why == "named in the task"
    assert [span.path for span in spans] == ["sub/b.py", "a.py"]


def test_a_named_line_is_shown_with_the_lines_around_it(workspace: Workspace) -> None:
    write(workspace, {"a.py": "".join(f"line{n} = {n}\n" for n in range(1, 101))})
    assert places(search(workspace, "explain a.py:50")) == [("a.py", 38, 62)]
    assert places(search(workspace, "explain a.py:3-95")) == [("a.py", 1, 100)]
    assert places(search(workspace, "explain a.py:700")) == [("a.py", 1, 40)]


def test_neighbours_are_one_span(workspace: Workspace) -> None:
    names = ["event_a", "event_b", "none", "event_c"]
    write(workspace, {"a.py": "\n\n".join(f"def {name}():\n    pass\n" for name in names)})
    assert sorted(places(search(workspace, "events"))) == [("a.py", 1, 6), ("a.py", 13, 14)]


def test_of_a_long_block_the_densest_lines_are_shown(workspace: Workspace) -> None:
    body = ["    pass"] * 100
    body[60] = "    event = event + event"
    write(workspace, {"a.py": "\n".join(["def f():", *body])})
    (span,) = search(workspace, "events")
    assert span.end - span.start + 1 == SPAN_LINES_MAX
    assert span.start <= 62 <= span.end
    assert span.text.split("\n")[62 - span.start] == body[60]


def test_one_file_does_not_push_out_all_others(workspace: Workspace) -> None:
    many = "".join(f"def event_{n}():\n    event = event\n" + "\n" * 5 for n in range(30))
    write(workspace, {"many.py": many, "one.py": "def g():\n    event = 1\n"})
    spans = search(workspace, "events", 40)
    assert sum(span.path == "many.py" for span in spans) == SPANS_PER_FILE_MAX
    assert spans[-1].path == "one.py"


def test_data_and_files_without_an_ending_stand_last(workspace: Workspace) -> None:
    write(workspace, {"a.json": '{"event": 1}\n', "Makefile": "event:\n", "z.py": "event = 1\n"})
    assert search(workspace, "event")[0].path == "z.py"


def test_what_may_not_be_read_is_not_found(workspace: Workspace) -> None:
    write(
        workspace,
        {
            ".gitignore": "out/\n",
            "out/a.py": "event\n",
            ".env": "event=1\n",
            "bin.py": "event\0",
            "ok.py": "event\n",
        },
    )
    assert [span.path for span in search(workspace, "event")] == ["ok.py"]


def test_a_task_without_a_word_to_look_for_finds_nothing(workspace: Workspace) -> None:
    write(workspace, {"a.py": "x = 1\n"})
    assert search(workspace, "What is it?") == []
    assert search(workspace, "unheard") == []


def test_no_more_spans_and_tokens_than_asked_for(workspace: Workspace) -> None:
    write(workspace, {f"f{n}.py": "event = '" + "x" * 8000 + "'\n" for n in range(6)})
    assert len(search(workspace, "event", 2)) == 2
    fitting = search(workspace, "event", 6)
    assert sum(len(span.text) for span in fitting) <= TOKENS_MAX * CHARS_PER_TOKEN
    assert len(fitting) == 3


@pytest.mark.parametrize(
    ("bound", "told"),
    [
        ({"seconds": -1}, "more than 0 files were not searched"),
        ({"size_max": -1}, "2 files were not searched"),
    ],
)
def test_what_a_bound_cut_off_is_said(
    workspace: Workspace, bound: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(workspace, {"a.py": "event\n", "event.py": "event\n"})
    with caplog.at_level(logging.WARNING):
        spans = LiteralSearcher(workspace, **bound).search("event", 5)
    assert spans == []
    assert told in caplog.text


def test_of_very_many_files_those_most_about_the_task_are_cut_into_spans(workspace: Workspace) -> None:
    write(workspace, {f"f{n}.py": "event\n" for n in range(literal.RANKED_FILES_MAX + 10)})
    write(workspace, {"z.py": "event\n" * 9})
    spans = search(workspace, "event", 1000)
    assert len(spans) == literal.RANKED_FILES_MAX
    assert spans[0].path == "z.py"


def test_the_last_span_tells_what_was_left_out_and_likely_files_are_searched_first(
    workspace: Workspace,
) -> None:
    write(workspace, {"a.py": "event\n" * 100, "event.py": "event\n", "named.py": "event\n"})
    searcher = LiteralSearcher(workspace, size_max=8)
    spans = searcher.search("the event in named.py", 5)
    assert [span.path for span in spans] == ["named.py", "event.py"]
    assert spans[-1].why == "event; 1 file was not searched: the limit of time or size was reached"


def test_the_reason_says_the_words_as_the_question_writes_them(workspace: Workspace) -> None:
    write(workspace, {"a.py": "decides = policies\n"})
    assert search(workspace, "Who decided the policies?")[0].why == "decided, policies"


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("How does the journal number its events?", "core/naestro/runs/journal.py"),
        ("How does undo refuse a file that was changed since?", "core/naestro/policy/changes.py"),
        ("Why is a secret-looking file never read?", "core/naestro/policy/secrets.py"),
        ("Where are citations checked?", "core/naestro/council/citations.py"),
        ("What is EngineTimeout?", "core/naestro/errors.py"),
    ],
)
def test_questions_about_this_repository_find_the_file_that_answers(question: str, path: str) -> None:
    # No bound on the time: other work on this machine must not cut the search.
    searcher = LiteralSearcher(Workspace.find(REPOSITORY), seconds=60)
    spans = searcher.search(question, 6)
    assert path in [span.path for span in spans]
    assert spans == searcher.search(question, 6)


def test_the_files_that_define_a_name_are_found_one_after_the_other(workspace: Workspace) -> None:
    write(
        workspace,
        {
            "a.py": "from b import add\nadd(1)\n",
            "b.py": "class Sums:\n    async def add(self):\n        pass\n",
            "c.ts": "export function add() {}\n",
            "d.md": "def add\n",
            "e.py": "def add_all(): pass\n",
            ".env": "def add\n",
        },
    )
    (workspace.root / "f.py").write_bytes(b"def add\0")
    searcher = LiteralSearcher(workspace)
    assert list(searcher.defining("add")) == ["b.py", "c.ts"]
    assert list(searcher.defining("Sums")) == ["b.py"]
    assert list(searcher.defining("no name")) == list(searcher.defining("nothing")) == []
