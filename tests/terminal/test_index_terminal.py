"""The commands for the code index with a person at the terminal, without a daemon."""

import pytest

from naestro.index.found import IndexProgress
from naestro.terminal.exits import Exit
from naestro.terminal.indexing import progress_words
from tests.support.cli import Cli
from tests.terminal.test_index_daemon import FILES, fill


@pytest.mark.parametrize(("columns", "has_colours"), [(100, True), (30, True), (100, False)])
def test_a_search_in_a_terminal_marks_what_matches_at_any_width(
    cli: Cli, columns: int, has_colours: bool
) -> None:
    if has_colours:
        del cli.env["NO_COLOR"]
    with cli.at_terminal("search", "where is the sum returned?", columns=columns) as terminal:
        code = terminal.end()
        text, raw = terminal.text, terminal._text
    assert code == 0
    assert "❱" in text
    assert "4" in text
    assert ("\x1b[9" in raw or "\x1b[3" in raw) == has_colours
    assert max(len(line) for line in text.splitlines() if "note:" not in line) <= columns


def test_a_definition_takes_one_line_at_any_width(cli: Cli) -> None:
    wide = f"def add({', '.join(f'argument_{n}: int' for n in range(9))}) -> int:"
    (cli.workspace / "wide.py").write_text(f"{wide}\n    return 0\n")
    assert cli.run("index").returncode == 0
    for command in (("symbol", "add"), ("outline", "wide.py")):
        with cli.at_terminal(*command, columns=40) as terminal:
            assert terminal.end() == 0
            lines = [line for line in terminal.text.splitlines() if "argument_" in line]
        assert len(lines) == 1
        assert lines[0].rstrip().endswith("…")
        assert len(lines[0].rstrip()) <= 40


def test_where_a_place_and_its_text_do_not_fit_the_place_stands_whole(cli: Cli) -> None:
    name = "a_module_with_a_long_name.py"
    (cli.workspace / name).write_text(
        "def subtract(left: int, right: int) -> int:\n    return left - right\n"
    )
    assert cli.run("index").returncode == 0
    with cli.at_terminal("symbol", "subtract", columns=34) as terminal:
        assert terminal.end() == 0
        lines = [line.rstrip() for line in terminal.text.splitlines()]
    assert f"{name}:1" in lines
    text = lines[lines.index(f"{name}:1") + 1]
    assert text.startswith("  function def subtract(")
    assert text.endswith("…")
    assert len(text) <= 34


def test_a_person_sees_the_index_grow_and_what_it_holds_in_the_end(cli: Cli) -> None:
    with cli.at_terminal("index") as terminal:
        terminal.wait_for("indexed ")
        assert terminal.end() == 0
        assert "1 file in 1 part," in terminal.text


def test_an_index_that_is_left_here_goes_on_with_the_next_command(cli: Cli) -> None:
    fill(cli.workspace)
    with cli.at_terminal("index") as terminal:
        terminal.wait_for("looks for files")
        terminal.interrupt()
        terminal.wait_for("`naestro index` goes on with it")
        assert terminal.end() == Exit.CANCELLED
    done = cli.run("index")
    assert f"  {FILES + 1} files in" in done.stdout, done.stderr


def test_progress_is_told_in_files_parts_and_seconds() -> None:
    assert progress_words(IndexProgress("walking")) == ""
    assert progress_words(IndexProgress("walking", files=1200)) == "1,200 files"
    assert progress_words(IndexProgress("parsing", 1, 3, 7)) == "1 of 3 files, 7 parts"
    assert (
        progress_words(IndexProgress("parsing", 1, 3, 7, seconds_left=4.4))
        == "1 of 3 files, 7 parts, 4 s left"
    )
