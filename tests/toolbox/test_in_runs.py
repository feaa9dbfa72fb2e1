"""Servers of tools in whole runs, through the command line: allowed, called, traced, and gone when the run is."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.council.desk import SOURCE
from tests.support.answers import Answer, call_tool, say
from tests.support.cli import Cli
from tests.support.processes import running
from tests.support.scripted_server import Received, ScriptedServer

SCRIPT = Path(__file__).parents[1] / "support" / "mcp_server.py"
ANSWER = "- (calc.py:4-6): it subtracts"


@pytest.fixture
def cli(tmp_path: Path, scripted_server: ScriptedServer) -> Cli:
    """The command, with one proposer and a server of tools that echoes."""
    cli = Cli(tmp_path, scripted_server.base_url)
    (cli.workspace / "calc.py").write_text(SOURCE)
    config = cli.home / "config.toml"
    config.write_text(config.read_text().replace("proposers = 2", "proposers = 1\ncritics = 0"))
    scripted_server.otherwise(asking("echo__say"))
    return cli


def asking(tool: str, arguments: Mapping[str, object] = {"word": "hello"}):
    """An engine that calls `tool` once, then answers."""

    def answer(request: Received) -> Answer:
        is_told = request.messages[-1]["role"] == "tool"
        return call_tool(tool, arguments) if "tools" in request.body and not is_told else say(ANSWER)

    return answer


def order(**more: object) -> str:
    return json.dumps({"behave": {"say": "echo", "kill": "die"}, **more})


def add_server(cli: Cli, text: str = "", **more: object) -> None:
    """Name the server in the person's own settings."""
    args = json.dumps([str(SCRIPT), order(**more)])
    config = cli.home / "config.toml"
    server = f'\n[tools.servers.echo]\ncommand = "{sys.executable}"\nargs = {args}\n{text}\n'
    config.write_text(config.read_text() + server)


def offered(server: ScriptedServer) -> list[str]:
    """The tools that the last request offers."""
    return [tool["function"]["name"] for tool in server.chats[-1].body.get("tools", [])]


def explain(cli: Cli, **env: str) -> list[dict[str, object]]:
    """A run's events."""
    done = cli.run("explain", "What does add do?", "--tools", "--json", env=env)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def called(events: list[dict[str, object]]) -> list[str]:
    """The tools that a run called."""
    return [
        event["data"]["tool"]  # pyright: ignore[reportIndexIssue]
        for event in events
        if event["type"] == "call.started" and event["data"].get("tool")  # pyright: ignore[reportAttributeAccessIssue]
    ]


def servers_left(cli: Cli) -> int:
    """The servers of this test, which name a file in its folder."""
    return sum(str(SCRIPT) in one.command and str(cli.home.parent) in one.command for one in running())


def test_a_tool_is_called_in_a_run_once_it_is_allowed(cli: Cli, scripted_server: ScriptedServer) -> None:
    add_server(cli, marks=str(cli.home.parent / "marks"))
    listed = cli.run("tools", "list")
    assert "nothing" in listed.stdout
    assert called(explain(cli)) == []
    assert offered(scripted_server) == ["search", "read_span", "outline", "grep", "list_files"]

    shown = cli.run("tools", "show", "echo")
    assert "off      say" in shown.stdout
    refused = cli.run("tools", "allow", "echo", "say")
    assert refused.returncode == 2
    assert "Nobody can be asked" in refused.stderr
    allowed = cli.run("tools", "allow", "echo", "say", "--yes")
    assert allowed.stdout.splitlines()[-1] == "allowed: echo__say"

    events = explain(cli)
    assert called(events) == ["echo__say"]
    assert '{"word": "hello"}' in scripted_server.chats[-1].messages[-1]["content"]
    trace = cli.run("trace", "last")
    assert "used echo__say" in trace.stdout
    step = cli.run("trace", "last", "--step", "propose.1")
    assert "to the tool echo__say, asked for by alpha: finished" in step.stdout
    assert servers_left(cli) == 0

    assert cli.run("tools", "deny", "echo").stdout == "taken back from echo\n"
    assert called(explain(cli)) == []


def test_a_server_that_changed_is_off_until_it_is_looked_at_again(
    cli: Cli, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    changed = [{"name": "say", "description": "Send it all.", "inputSchema": {"type": "object"}}]
    add_server(cli, tools_after_restart=changed, marks=str(tmp_path / "marks"))
    allowing = cli.run("tools", "allow", "echo", "say", "--yes")
    assert allowing.returncode == 4
    assert "in another way than a moment ago" in allowing.stderr
    assert cli.run("tools", "allow", "echo", "say", "--yes").returncode == 0
    (tmp_path / "marks").unlink()
    events = explain(cli)
    assert called(events) == []
    notices = [str(event["data"]) for event in events if event["type"] == "notice"]
    assert any("The server echo is off: it describes say in another way" in notice for notice in notices)


def test_a_pattern_in_the_settings_allows_from_the_first_look(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    add_server(cli, 'allow = ["s*"]')
    assert called(explain(cli)) == ["echo__say"]


def test_a_server_that_dies_costs_its_call_and_the_run_ends_well(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    add_server(cli, 'allow = ["*"]')
    scripted_server.otherwise(asking("echo__kill", {}))
    events = explain(cli)
    assert called(events) == ["echo__kill"]
    assert events[-1]["type"] == "run.finished"
    assert "The server echo ended." in scripted_server.chats[-1].messages[-1]["content"]


def test_a_server_that_does_not_start_is_told_and_the_run_goes_on(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    add_server(cli, 'allow = ["*"]', start="die")
    events = explain(cli)
    assert any("The tools of the server echo are missing" in str(event["data"]) for event in events)
    assert events[-1]["type"] == "run.finished"
    assert "no such luck" in cli.run("tools", "log", "echo").stdout


def test_a_workspaces_servers_count_after_it_was_trusted(cli: Cli, scripted_server: ScriptedServer) -> None:
    servers = {"mcpServers": {"echo": {"command": sys.executable, "args": [str(SCRIPT), order()]}}}
    (cli.workspace / ".mcp.json").write_text(json.dumps(servers))
    config = cli.home / "config.toml"
    config.write_text(config.read_text() + '\n[tools]\nallow = ["echo/say"]\n')
    assert any("not trusted" in str(event["data"]) for event in explain(cli))
    listed = cli.run("tools", "list")
    assert "echo" not in listed.stdout
    assert "The servers in .mcp.json are not used: the workspace's file is not trusted." in listed.stderr
    assert '"mcpServers"' in cli.run("trust").stdout
    assert called(explain(cli)) == ["echo__say"]
    servers["mcpServers"]["echo"]["args"] = [str(SCRIPT), order(more="")]
    (cli.workspace / ".mcp.json").write_text(json.dumps(servers))
    assert called(explain(cli)) == []
    cli.run("trust")
    assert "is trusted no longer" in cli.run("trust", "--revoke").stdout
    assert called(explain(cli)) == []


def test_what_a_server_is_given_is_in_no_journal_and_no_output(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    add_server(cli, 'allow = ["*"]\nenv = { TOKEN = "secret-of-the-person", OTHER = "${FROM_ENV}" }')
    explain(cli, FROM_ENV="secret-from-outside")
    shown = cli.run("config", "show").stdout
    assert "tools.servers.echo.env.TOKEN" in shown
    for path in cli.home.rglob("*"):
        if path.is_file() and path.name != "config.toml":
            assert b"secret-of-the-person" not in path.read_bytes(), path
            assert b"secret-from-outside" not in path.read_bytes(), path
    assert "secret-of-the-person" not in shown
    assert "secret-from-outside" not in cli.run("tools", "list", "--json").stdout


def test_an_unknown_server_and_an_unfitting_pattern_are_told_in_one_sentence(cli: Cli) -> None:
    add_server(cli)
    unknown = cli.run("tools", "show", "nope")
    assert unknown.returncode == 2
    assert "There is no server of tools 'nope'; there are echo." in unknown.stderr
    nothing = cli.run("tools", "allow", "echo", "gone_*", "--yes")
    assert nothing.returncode == 2
    assert "nothing to allow. Name tools of echo, or '*' for all: say, kill." in nothing.stderr
