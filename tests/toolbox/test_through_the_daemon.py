"""Servers of tools as a daemon has them for its callers: looked at, allowed, called and denied over its socket."""

import json
from collections.abc import Iterator

import pytest

from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer
from tests.terminal.test_daemon_runs import ended, kill_daemon, wait_until
from tests.toolbox.test_in_runs import add_server, cli, servers_left

__all__ = ["cli"]
pytestmark = pytest.mark.slow


@pytest.fixture
def remote(cli: Cli) -> Iterator[Cli]:
    """The command as a person has it, with the daemon, which is ended with the test."""
    del cli.env["NAESTRO_IN_PROCESS"]
    try:
        yield cli
    finally:
        kill_daemon(cli)


def test_a_server_is_looked_at_allowed_called_and_denied_through_the_daemon(
    remote: Cli, scripted_server: ScriptedServer
) -> None:
    add_server(remote, 'env = { TOKEN = "${OF_THE_CALLER}" }', marks=str(remote.home.parent / "marks"))
    missing = remote.process("tools", "show", "echo")
    assert missing.returncode == 4
    assert "OF_THE_CALLER" in missing.stderr
    remote.env["OF_THE_CALLER"] = "given-by-the-caller"
    assert "off      say" in remote.process("tools", "show", "echo").stdout
    assert "allowed: echo__say" in remote.process("tools", "allow", "echo", "s*", "--yes").stdout
    assert "s*" in remote.process("tools", "list", "--json").stdout
    events = explain_by_process(remote)
    assert "echo__say" in events
    assert remote.process("tools", "log", "echo").returncode == 0
    assert remote.process("tools", "deny", "echo").stdout == "taken back from echo\n"
    assert servers_left(remote) == 0


def explain_by_process(cli: Cli) -> str:
    done = cli.process("explain", "What does add do?", "--tools", "--json")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_server_that_never_answers_ends_with_a_daemon_that_is_killed(
    remote: Cli, scripted_server: ScriptedServer
) -> None:
    marks = remote.home.parent / "marks"
    add_server(remote, 'allow = ["*"]', behave={"say": "never"}, marks=str(marks))
    with remote.start("explain", "What does add do?", "--tools", "--json"):
        wait_until(lambda: marks.exists() and "asked" in marks.read_text())
        assert servers_left(remote) >= 1
        kill_daemon(remote)
        wait_until(lambda: servers_left(remote) == 0)


def test_a_call_in_which_the_daemon_is_killed_has_an_end_and_is_made_once(
    remote: Cli, scripted_server: ScriptedServer
) -> None:
    marks = remote.home.parent / "marks"
    add_server(remote, 'allow = ["*"]', behave={"say": "never"}, marks=str(marks))
    with remote.start("explain", "What does add do?", "--tools", "--json") as process:
        wait_until(lambda: marks.exists() and "asked" in marks.read_text())
        kill_daemon(remote)
        status, _ = ended(process)
    assert status == 0
    assert marks.read_text().count("asked") == 1
    events = [json.loads(line) for line in remote.process("trace", "last", "--json").stdout.splitlines()]
    assert events[-1]["type"] == "run.finished"
    begun = {event["data"]["call"] for event in events if event["type"] == "call.started"}
    over = {event["data"]["call"] for event in events if event["type"] in ("call.finished", "call.failed")}
    assert begun == over
    told = scripted_server.chats[-1].messages[-1]["content"]
    assert "it may have taken effect: it is not made again" in told
