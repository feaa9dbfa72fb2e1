"""The code index with a real daemon: made when a workspace is first used, kept fresh, left and stopped without harm."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from naestro.terminal.exits import Exit
from tests.support.cli import WITHOUT_INDEXING, Cli
from tests.terminal.test_daemon_runs import daemon_of, kill_daemon, wait_until

FILES = 900
"""Enough that a run takes a second or more."""


@pytest.fixture
def remote(cli: Cli) -> Iterator[Cli]:
    """The command as a person has it: with the daemon, which indexes by itself, and is ended with the test."""
    for name in ("NAESTRO_IN_PROCESS", *WITHOUT_INDEXING):
        del cli.env[name]
    try:
        yield cli
    finally:
        kill_daemon(cli)


def fill(workspace: Path) -> None:
    """A workspace that takes a moment."""
    for number in range(FILES):
        folder = workspace / f"part{number // 100}"
        folder.mkdir(exist_ok=True)
        body = "".join(
            f"def step_{number}_{line}(value):\n    return value + {line}\n\n\n" for line in range(8)
        )
        (folder / f"module_{number}.py").write_text(body)


def asked(cli: Cli, *arguments: str) -> Any:
    done = cli.process(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout)


def paths(cli: Cli, query: str) -> list[str]:
    """Where a word stands, by the index."""
    return [one["path"] for one in asked(cli, "symbol", query)["definitions"]]


def test_a_first_search_is_answered_at_once_and_the_index_follows_what_is_edited(remote: Cli) -> None:
    first = asked(remote, "search", "left and right")
    assert [one["path"] for one in first["results"]] == ["calc.py"]
    assert "by words alone" in first["detail"]
    status = asked(remote, "index")
    assert (status["files"], status["is_indexing"]) == (1, False)
    assert asked(remote, "search", "left and right")["detail"] == ""
    wait_until(lambda: asked(remote, "index", "--status")["is_watching"])
    (remote.workspace / "more.py").write_text("def subtract(left, right):\n    return left - right\n")
    wait_until(lambda: paths(remote, "subtract") == ["more.py"])
    (remote.workspace / "more.py").unlink()
    wait_until(lambda: not asked(remote, "symbol", "subtract")["definitions"])


def test_nothing_is_indexed_by_itself_where_the_callers_environment_says_so(remote: Cli) -> None:
    remote.env |= WITHOUT_INDEXING
    assert "by words alone" in asked(remote, "search", "left and right")["detail"]
    status = asked(remote, "index", "--status")
    assert (status["updated"], status["is_indexing"], status["is_watching"]) == ("", False, False)
    assert asked(remote, "index")["files"] == 1


def test_an_index_that_the_daemon_keeps_is_read_and_not_written_by_another_process(remote: Cli) -> None:
    assert remote.process("index").returncode == 0
    here = remote.process("index", "--in-process")
    assert (here.returncode, here.stdout) == (Exit.JOURNAL, "")
    assert "Another Naestro keeps the index" in here.stderr
    assert "daemon stop" in here.stderr
    found = remote.process("search", "left and right", "--in-process", "--limit", "1")
    assert found.stdout.startswith("calc.py:")


def test_a_second_daemon_reads_the_index_and_says_who_writes_it(remote: Cli, tmp_path: Path) -> None:
    assert remote.process("index").returncode == 0
    first, remote.env["NAESTRO_HOME"] = remote.env["NAESTRO_HOME"], str(tmp_path / "other")
    try:
        second = remote.process("index")
        found = remote.process("search", "left and right", "--limit", "1")
        assert remote.process("daemon", "stop").returncode == 0
    finally:
        remote.env["NAESTRO_HOME"] = first
    assert (second.returncode, second.stdout) == (Exit.JOURNAL, "")
    assert "Another Naestro keeps the index" in second.stderr
    assert "another NAESTRO_HOME" in second.stderr
    assert "without --in-process" not in second.stderr
    assert found.stdout.startswith("calc.py:")


def test_a_person_sees_how_far_the_index_is_and_leaves_it_to_the_daemon(remote: Cli) -> None:
    fill(remote.workspace)
    with remote.at_terminal("index") as terminal:
        terminal.wait_for("looks for files")
        terminal.interrupt()
        terminal.wait_for("the daemon goes on with the index")
        assert terminal.end() == Exit.CANCELLED
    assert asked(remote, "index")["files"] == FILES + 1


def test_a_daemon_that_is_stopped_leaves_a_run_and_the_next_one_goes_on(remote: Cli) -> None:
    fill(remote.workspace)
    first = remote.start("index")
    try:
        wait_until(lambda: bool(daemon_of(remote)) and asked(remote, "index", "--status")["is_indexing"])
        assert remote.process("daemon", "stop").returncode == 0
        out, error = first.communicate(timeout=60)
    finally:
        first.kill()
    assert (first.returncode, out) == (Exit.JOURNAL, "")
    assert "It was stopped" in error
    assert asked(remote, "index")["files"] == FILES + 1


def test_a_run_of_a_command_makes_the_index_of_its_workspace(remote: Cli) -> None:
    remote.process("explain", "What does add do?", "--json")
    wait_until(lambda: asked(remote, "index", "--status")["updated"] != "")
