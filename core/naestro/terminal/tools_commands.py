"""The commands for the tools of the council and their servers; `naestro.cli` takes them in.

One thin function a command, as there; what a command needs is imported inside it.
"""

from typing import Annotated

import typer

from naestro.terminal.options import AsJson, InProcess, WorkspaceOption, Yes
from naestro.terminal.running import finish, folder_of

app = typer.Typer()
tools_app = typer.Typer(
    help="The tools that the council may call, and the servers that bring some.", no_args_is_help=True
)
app.add_typer(tools_app, name="tools")

ServerArgument = Annotated[str, typer.Argument(help="A server's name, as `naestro tools list` shows it.")]
PatternsArgument = Annotated[
    list[str] | None, typer.Argument(help="Names of its tools, or patterns such as 'read_*'.")
]


@tools_app.command("list")
def tools_list(
    workspace: WorkspaceOption = None, as_json: AsJson = False, in_process: InProcess = False
) -> None:
    """List the built-in tools and the servers, and what of each is allowed; starts none."""
    from naestro.terminal.tooling import show_servers

    finish(show_servers(folder_of(workspace), as_json=as_json, is_remote=not in_process))


@tools_app.command("show")
def tools_show(
    server: ServerArgument,
    workspace: WorkspaceOption = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Start a server and show its tools: what each says of itself, and whether it is allowed."""
    from naestro.terminal.tooling import show_server

    finish(show_server(folder_of(workspace), server, as_json=as_json, is_remote=not in_process))


@tools_app.command("allow")
def tools_allow(
    server: ServerArgument,
    patterns: PatternsArgument = None,
    workspace: WorkspaceOption = None,
    yes: Yes = False,
    in_process: InProcess = False,
) -> None:
    """Allow tools of a server after showing them; without names, what was allowed before and changed since."""
    from naestro.terminal.tooling import allow

    finish(allow(folder_of(workspace), server, patterns or [], is_yes=yes, is_remote=not in_process))


@tools_app.command("deny")
def tools_deny(
    server: ServerArgument,
    patterns: PatternsArgument = None,
    workspace: WorkspaceOption = None,
    in_process: InProcess = False,
) -> None:
    """Take back what was allowed of a server: the named patterns, or everything."""
    from naestro.terminal.tooling import deny

    finish(deny(folder_of(workspace), server, patterns or [], is_remote=not in_process))


@tools_app.command("log")
def tools_log(
    server: ServerArgument, workspace: WorkspaceOption = None, in_process: InProcess = False
) -> None:
    """Print the end of what a server wrote to its standard error."""
    from naestro.terminal.tooling import show_log

    finish(show_log(folder_of(workspace), server, is_remote=not in_process))
