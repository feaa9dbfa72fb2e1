"""Names looked up: where they are defined and used, and what a file defines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naestro.errors import InputError, UnreadableFile, WorkspaceError
from naestro.index.asking.lookup import LINE_CHARS_MAX
from naestro.index.found import Place
from naestro.index.workspace_index import WorkspaceIndex
from tests.index.indexed import index_of, workspace_of, write

FILES = {
    "src/journal.py": (
        "class Journal:\n    def append(self, event):\n        return event\n\n\ndef append_all(journal, events):\n"
        '    """append in words."""\n    # append in a comment\n'
        "    return [journal.append(event) for event in events]\n"
    ),
    "src/feed.py": "from journal import append_all\n\n\nclass Feed:\n    def append(self, item):\n        pass\n",
    "tests/test_journal.py": "class Journal:\n    pass\n\n\ndef test_append():\n    Journal().append(1)\n",
    "web/store.ts": "export class Store {\n  append(event: Event): void {}\n}\nnew Store().append(x)\n",
    "README.md": "# Journal\n\nWords.\n",
}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[WorkspaceIndex]:
    """The index of FILES."""
    with index_of(workspace_of(tmp_path, FILES)) as opened:
        yield opened


def shown(places: list[Place]) -> list[str]:
    """Places in one line each."""
    return [f"{place.path}:{place.start} {place.kind} {place.name}" for place in places]


class TestSymbol:
    """Where a name is defined."""

    def test_code_comes_before_tests_and_classes_before_headings(self, index: WorkspaceIndex) -> None:
        found = shown(index.symbol("Journal"))
        assert found[0] == "src/journal.py:1 class Journal"
        assert found[-1].startswith("README.md:1 section")
        assert "tests/test_journal.py:1 class Journal" in found

    def test_its_text_is_the_signature(self, index: WorkspaceIndex) -> None:
        (place,) = index.symbol("append_all")
        assert (place.text, place.start, place.end) == ("def append_all(journal, events):", 6, 9)

    @pytest.mark.parametrize(
        "name",
        [
            "Journal.append",
            "Journal::append",
            "Journal#append()",
            "journal.append",
            "journal.Journal.append",
            "src/journal.Journal.append",
            " JOURNAL.APPEND ",
        ],
    )
    def test_a_qualified_name_means_one_definition(self, index: WorkspaceIndex, name: str) -> None:
        assert shown(index.symbol(name)) == ["src/journal.py:2 method Journal.append"]

    def test_a_bare_name_means_all_that_have_it(self, index: WorkspaceIndex) -> None:
        assert {place.name for place in index.symbol("append")} == {
            "Journal.append",
            "Feed.append",
            "Store.append",
        }
        assert len(index.symbol("append", 2)) == 2

    def test_a_scope_that_nothing_has_leaves_the_bare_name(self, index: WorkspaceIndex) -> None:
        assert len(index.symbol("Nothing.append")) == 3
        assert [place.name for place in index.symbol("Nothing.APPEND_ALL")] == ["append_all"]

    @pytest.mark.parametrize(("name", "found"), [("_all", "append_all"), ("pend_a", "append_all"), ("%", "")])
    def test_part_of_a_name_is_a_last_resort(self, index: WorkspaceIndex, name: str, found: str) -> None:
        assert [place.name for place in index.symbol(name)] == [found] * bool(found)

    @pytest.mark.parametrize("name", ["", "  ", "()", "two words", "x" * 400])
    def test_what_is_no_name_is_refused(self, index: WorkspaceIndex, name: str) -> None:
        with pytest.raises(InputError, match="no name"):
            index.symbol(name)


class TestReferences:
    """Where a name is used."""

    def test_uses_are_neither_definitions_nor_words_in_comments_and_strings(
        self, index: WorkspaceIndex
    ) -> None:
        found = index.references("Journal.append")
        assert shown(found) == [
            "src/journal.py:9 reference append",
            "web/store.ts:4 reference append",
            "tests/test_journal.py:6 reference append",
        ]
        assert found[0].text == "return [journal.append(event) for event in events]"
        assert index.references("append", 1) == found[:1]

    def test_another_case_is_understood_where_the_name_is_not_used_as_written(
        self, index: WorkspaceIndex
    ) -> None:
        assert shown(index.references("APPEND_ALL")) == ["src/feed.py:1 reference append_all"]
        assert index.references("nowhere") == []

    def test_a_line_that_is_another_one_by_now_is_not_shown(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {"src/journal.py": "x = 1\n" * 20, "web/store.ts": ""})
        (index.workspace.root / "tests" / "test_journal.py").unlink()
        assert index.references("append") == []


class TestOutline:
    """What a file defines."""

    def test_it_is_of_the_text_as_it_is_now(self, index: WorkspaceIndex) -> None:
        assert shown(index.outline("src/feed.py")) == [
            "src/feed.py:4 class Feed",
            "src/feed.py:5 method Feed.append",
        ]
        write(index.workspace, {"src/feed.py": "def changed(): pass\n"})
        assert shown(index.outline("./src/feed.py")) == ["src/feed.py:1 function changed"]

    def test_unsaved_text_counts_before_the_disk(self, index: WorkspaceIndex) -> None:
        buffers = {
            "src/feed.py": "\r\ndef unsaved(): pass\r\n",
            "new.py": "def new(): pass\n",
            "calc.py": None,
        }
        assert shown(index.outline("src/feed.py", buffers=buffers)) == ["src/feed.py:2 function unsaved"]
        assert shown(index.outline("new.py", buffers=buffers)) == ["new.py:1 function new"]
        assert index.outline("calc.py", buffers=buffers) == []

    def test_what_may_not_be_read_has_none(self, index: WorkspaceIndex) -> None:
        write(index.workspace, {".env": "def secret(): pass\n"})
        assert index.outline(".env", buffers={".env": "def secret(): pass\n"}) == []
        for path, error in (
            (".env", UnreadableFile),
            ("gone.py", WorkspaceError),
            ("../x.py", WorkspaceError),
        ):
            with pytest.raises(error):
                index.outline(path)

    def test_long_signatures_are_cut(self, index: WorkspaceIndex) -> None:
        write(
            index.workspace, {"long.py": f"def f({', '.join(f'argument_{n}' for n in range(200))}): pass\n"}
        )
        (place,) = index.outline("long.py")
        assert len(place.text) <= LINE_CHARS_MAX
