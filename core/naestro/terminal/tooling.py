"""`naestro tools`: the servers of tools, a look at one, and what is allowed of it.

`tools_commands` above hands over what was typed; below stands the client. A permission is given to what was shown: the
digests of the shown tools go with it.
"""

import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from rich.table import Table
from rich.text import Text

from naestro.client.api import ServerTool, ToolServerLook
from naestro.config import load_settings
from naestro.errors import InputError
from naestro.policy.trust import is_trusted
from naestro.policy.workspace import Workspace
from naestro.terminal.asking import ask
from naestro.terminal.connection import connect
from naestro.terminal.exits import Exit
from naestro.terminal.plain import print_json, wide_console
from naestro.terminal.text import printable

BUILTIN = ("search", "read_span", "outline", "grep", "list_files")
NAMES_SHOWN_MAX = 20
STYLES = {"allowed": "green", "off": "dim", "new": "yellow", "changed": "red"}


async def show_servers(folder: Path, *, as_json: bool, is_remote: bool) -> int:
    """Print each server, where it comes from, and what of it is allowed."""
    async with connect("naestro tools list", is_remote=is_remote) as client:
        servers = await client.tooling.servers(str(folder))
    if as_json:
        for one in servers:
            print_json(one)
        return Exit.OK
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("server", "from", "allowed", "starts"):
        table.add_column(column, overflow="fold")
    table.add_row(Text("built in"), Text(""), Text(" ".join(BUILTIN)), Text(""))
    for one in servers:
        allowed = Text(" ".join(one.patterns) or "nothing", style="green" if one.patterns else "dim")
        table.add_row(Text(printable(one.name)), Text(one.origin), allowed, Text(printable(one.starts)))
    wide_console().print(table)
    for trouble in _troubles(folder):
        print(printable(trouble), file=sys.stderr)
    return Exit.OK


def _troubles(folder: Path) -> Sequence[str]:
    """What is wrong with servers that the workspace names, so that they are not among those that are listed."""
    from naestro.tools.servers.definition import all_definitions, file_trust

    root = Workspace.find(folder).root
    settings = load_settings(root, is_trusted=is_trusted, is_strict=False).settings
    return all_definitions(root, settings, is_trusted=file_trust(root)).troubles


async def show_server(folder: Path, server: str, *, as_json: bool, is_remote: bool) -> int:
    """Print the tools of a server."""
    async with connect("naestro tools show", is_remote=is_remote) as client:
        look = await client.tooling.look(str(folder), server)
    if as_json:
        print_json(look)
    else:
        _print_look(look, look.tools)
    return Exit.OK


async def allow(folder: Path, server: str, patterns: list[str], *, is_yes: bool, is_remote: bool) -> int:
    """Show the tools that fit `patterns`, ask, and allow them. Raises `InputError` where nobody can be asked."""
    async with connect("naestro tools allow", is_remote=is_remote) as client:
        look = await client.tooling.look(str(folder), server)
        wanted = _wanted(look, patterns)
        _print_look(look, wanted)
        if not wanted:
            print(f"There is nothing to allow. {_names(look)}", file=sys.stderr)
            return Exit.USAGE
        if not is_yes and not await _is_yes(f"Allow {len(wanted)} of {len(look.tools)} tools of {server}?"):
            return Exit.USAGE
        seen = {tool.name: tool.digest for tool in wanted}
        look = await client.tooling.allow(str(folder), server, patterns, seen=seen)
    allowed = [tool.called for tool in look.tools if tool.standing == "allowed"]
    print(f"allowed: {printable(' '.join(allowed)) or 'nothing'}")
    return Exit.OK


async def deny(folder: Path, server: str, patterns: list[str], *, is_remote: bool) -> int:
    """Take back what was allowed."""
    async with connect("naestro tools deny", is_remote=is_remote) as client:
        is_gone = await client.tooling.deny(str(folder), server, patterns)
    print(
        f"taken back from {printable(server)}"
        if is_gone
        else f"nothing of that was allowed of {printable(server)}"
    )
    return Exit.OK


async def show_log(folder: Path, server: str, *, is_remote: bool) -> int:
    """Print the end of a server's standard error."""
    async with connect("naestro tools log", is_remote=is_remote) as client:
        text = await client.tooling.log(str(folder), server)
    print(printable(text), end="" if text.endswith("\n") else "\n")
    return Exit.OK


def _wanted(look: ToolServerLook, patterns: list[str]) -> list[ServerTool]:
    """The tools that are to be allowed: those that fit, or those that were allowed before."""
    chosen = patterns or look.server.patterns
    return [tool for tool in look.tools if any(fnmatchcase(tool.name, one) for one in chosen)]


def _names(look: ToolServerLook) -> str:
    """How to name some, in a sentence."""
    names = printable(", ".join(tool.name for tool in look.tools[:NAMES_SHOWN_MAX]))
    return (
        f"Name tools of {printable(look.server.name)}, or '*' for all: {names}."
        if names
        else "It has no tools."
    )


async def _is_yes(question: str) -> bool:
    if not sys.stdin.isatty():
        raise InputError(
            "Nobody can be asked whether to allow these tools.", hint="Look at them, then add --yes."
        )
    return await ask(question, ["yes", "no"], "") == "yes"


def _print_look(look: ToolServerLook, tools: Sequence[ServerTool]) -> None:
    console = wide_console()
    for tool in tools:
        line = Text.assemble(
            (f"{tool.standing:<8}", STYLES[tool.standing]), (f" {printable(tool.name)}", "bold")
        )
        hints = " ".join(name.removesuffix("_hint") for name, is_so in tool.hints.items() if is_so is True)
        console.print(Text.assemble(line, (f"  {hints}", "dim")), soft_wrap=True)
        for words in (tool.title, tool.description):
            if words:
                console.print(Text(_indented(words)), soft_wrap=True)
    for name, reason in look.lost.items():
        console.print(
            Text(f"! {printable(name)} is left out: {printable(reason)}", style="yellow"), soft_wrap=True
        )


def _indented(words: str) -> str:
    return "\n".join(f"         {printable(line)}" for line in words.strip().splitlines())
