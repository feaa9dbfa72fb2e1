"""What a task asks for: its words without their endings, its identifiers, and the files that it names."""

import pytest

from naestro.index.text.terms import TERMS_MAX, NamedFile, hits, stem, terms_of


def found(task: str, text: str) -> list[str]:
    return [text[at:].partition(" ")[0] for at, _ in hits(terms_of(task), text)]


def test_words_that_only_ask_are_left_out() -> None:
    assert terms_of("How does the journal number its events?").words == ("journal", "number", "event")
    assert terms_of("What is it for, and why?").words == ()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Events", "event"),
        ("classes", "class"),
        ("class", "class"),
        ("applied", "appl"),
        ("queries", "quer"),
        ("cancelled", "cancel"),
        ("retry", "retry"),
        ("bus", "bus"),
        ("agreed", "agre"),
    ],
)
def test_endings_are_taken_off_where_enough_is_left(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_identifiers_are_looked_for_whole_and_in_parts() -> None:
    terms = terms_of("Where does parse_patch use JournalLocked and _private?")
    assert terms.identifiers == {"parse_patch", "JournalLocked"}
    assert terms.words == ("parse", "patch", "journal", "lock", "private")
    assert terms.names is not None
    assert [match[0] for match in terms.names.finditer("parse_patch(x) parse_patches JournalLocked")] == [
        "parse_patch",
        "JournalLocked",
    ]
    assert terms_of("plain words").names is None


def test_a_word_is_found_at_the_beginning_of_a_word_or_of_a_part_of_one() -> None:
    text = "number Numbers event_number eventNumber renumber numbering numberlessness NUMBER"
    assert found("numbers", text) == ["number", "Numbers", "number", "Number", "numbering", "NUMBER"]


def test_a_short_word_has_to_be_the_word_itself_or_its_plural() -> None:
    assert found("the run", "run runs runtime _run prune RUN") == ["run", "runs", "run", "RUN"]


def test_a_number_is_a_word_and_found_as_a_whole_but_the_lines_of_a_named_file_are_none() -> None:
    assert terms_of("answer 404 at run/lock.py:77-96, 3 times").words == (
        "answer",
        "404",
        "run",
        "lock",
        "time",
    )
    assert found("404", "x404 1404 4040 =404;") == ["404", "404;"]


def test_words_of_other_languages_are_looked_for_whole() -> None:
    assert terms_of("naïve Größe in 日本語").words == ("naïve", "größe", "日本語")
    assert found("größe 日本語", "ungrößer Größen(1) 日本語 x") == ["Größen(1)", "日本語"]


def test_the_ending_of_a_named_file_is_no_word() -> None:
    assert terms_of("the event in journal.py and a.toml").words == ("event", "journal")


def test_a_task_without_words_finds_nothing() -> None:
    assert hits(terms_of("?"), "any text") == []


def test_a_long_task_is_cut() -> None:
    task = " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(60))
    assert len(terms_of(task).words) == TERMS_MAX


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("explain core/naestro/runs/journal.py", [NamedFile("core/naestro/runs/journal.py")]),
        ("see journal.py:10-20.", [NamedFile("journal.py", 10, 20)]),
        ("see journal.py:10 please", [NamedFile("journal.py", 10, 10)]),
        ("what is naestro.runs.journal?", [NamedFile("naestro.runs.journal")]),
        ("all in core/naestro/", [NamedFile("core/naestro/")]),
        ("no file at all", []),
    ],
)
def test_files_and_places_in_a_task_are_seen(task: str, expected: list[NamedFile]) -> None:
    assert list(terms_of(task).named) == expected


@pytest.mark.parametrize(
    ("name", "path", "is_meant"),
    [
        ("journal.py", "core/naestro/runs/journal.py", True),
        ("runs/journal.py", "core/naestro/runs/journal.py", True),
        ("./core/a.py", "core/a.py", True),
        ("naestro.runs.journal", "core/naestro/runs/journal.py", True),
        ("naestro.runs", "core/naestro/runs/__init__.py", True),
        ("runs.journal", "core/naestro/runs/journal.py", True),
        ("journal.py", "core/naestro/runs/test_journal.py", False),
        ("uns.journal", "core/naestro/runs/journal.py", False),
        ("a.py", "core/a.pyi", False),
    ],
)
def test_a_named_file_is_meant_by_the_end_of_its_path(name: str, path: str, is_meant: bool) -> None:
    assert NamedFile(name).is_path(path) is is_meant
