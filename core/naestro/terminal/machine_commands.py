"""The commands for the machine: models, settings, editors, the daemon, the doctor; `naestro.cli` takes them in.

One thin function a command, as there; what a command needs is imported inside it.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from naestro.terminal.options import AsJson, ModelNames, WorkspaceOption, Yes
from naestro.terminal.running import finish, folder_of

if TYPE_CHECKING:
    from naestro.terminal.programs import Program

app = typer.Typer()
models_app = typer.Typer(help="The models on this machine and in the catalogue.", no_args_is_help=True)
config_app = typer.Typer(help="Settings, and where each came from.", no_args_is_help=True)
daemon_app = typer.Typer(help="The process that works on runs.", no_args_is_help=True)
setup_app = typer.Typer(help="Put Naestro into a program's settings, or take it out.", no_args_is_help=True)
Undo = Annotated[bool, typer.Option("--undo", help="Take Naestro out of the settings.")]
PrintOnly = Annotated[bool, typer.Option("--print", help="Only print what would be added.")]
ChangeYes = Annotated[bool, typer.Option("--yes", "-y", help="Change the settings without asking.")]
app.add_typer(models_app, name="models")
app.add_typer(setup_app, name="setup")
app.add_typer(config_app, name="config")
app.add_typer(daemon_app, name="daemon")


@models_app.command("list")
def models_list(as_json: AsJson = False) -> None:
    """List the catalogue, and what of it is on this machine."""
    from naestro.terminal.models import show_models

    show_models(as_json=as_json)


@models_app.command("pull")
def models_pull(names: ModelNames) -> None:
    """Fetch models, verified by size and sum; goes on where an earlier try stopped."""
    from naestro.terminal.models import pull_models

    finish(pull_models(names))


@models_app.command("rm")
def models_rm(names: ModelNames) -> None:
    """Delete models from this machine."""
    from naestro.terminal.models import remove_models

    remove_models(names)


@models_app.command("path")
def models_path(name: Annotated[str, typer.Argument(help="A name from `naestro models list`.")]) -> None:
    """Print where a model's file lies."""
    from naestro.terminal.models import print_path

    print_path(name)


@config_app.command("show")
def config_show(workspace: WorkspaceOption = None, as_json: AsJson = False) -> None:
    """Print each setting with its value and where it came from; secrets are never printed."""
    from naestro.terminal.settings import show_settings

    show_settings(folder_of(workspace), as_json=as_json)


@app.command()
def trust(
    workspace: WorkspaceOption = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Trust it no longer.")] = False,
) -> None:
    """Trust this workspace's naestro.toml and .mcp.json as they are now: they may name engines, keys and programs."""
    from naestro.terminal.settings import trust_workspace

    trust_workspace(folder_of(workspace), is_revoked=revoke)


@app.command()
def doctor(workspace: WorkspaceOption = None, as_json: AsJson = False) -> None:
    """Check the machine, the folders, the models, the engines and the settings."""
    from naestro.terminal.settings import show_diagnosis

    finish(show_diagnosis(folder_of(workspace), as_json=as_json))


@setup_app.command("zed")
def setup_zed(
    undo: Annotated[bool, typer.Option("--undo", help="Take Naestro out of Zed's settings.")] = False,
    print_only: Annotated[bool, typer.Option("--print", help="Only print what would be added.")] = False,
    yes: ChangeYes = False,
    mcp: Annotated[bool, typer.Option("--mcp", help="Give its tools to Zed's own agent instead.")] = False,
) -> None:
    """Add Naestro to the agents of Zed: shows the change, asks, keeps a backup, leaves comments as they are."""
    from naestro.terminal.zed import ZED, ZED_TOOLS

    _set_up(ZED_TOOLS if mcp else ZED, undo=undo, print_only=print_only, yes=yes)


@setup_app.command("claude-code")
def setup_claude_code(undo: Undo = False, print_only: PrintOnly = False, yes: ChangeYes = False) -> None:
    """Give Naestro's tools to Claude Code, in all projects; the same as `claude mcp add --scope user`."""
    from naestro.terminal.mcp_programs import CLAUDE_CODE

    _set_up(CLAUDE_CODE, undo=undo, print_only=print_only, yes=yes)


@setup_app.command("cursor")
def setup_cursor(undo: Undo = False, print_only: PrintOnly = False, yes: ChangeYes = False) -> None:
    """Give Naestro's tools to Cursor, in all projects."""
    from naestro.terminal.mcp_programs import CURSOR

    _set_up(CURSOR, undo=undo, print_only=print_only, yes=yes)


@setup_app.command("vscode")
def setup_vscode(undo: Undo = False, print_only: PrintOnly = False, yes: ChangeYes = False) -> None:
    """Give Naestro's tools to the agents of VS Code, in all workspaces."""
    from naestro.terminal.mcp_programs import VSCODE

    _set_up(VSCODE, undo=undo, print_only=print_only, yes=yes)


@setup_app.command("generic")
def setup_generic(
    http: Annotated[
        bool,
        typer.Option("--http", help="The daemon's address and token instead, which count until it ends."),
    ] = False,
) -> None:
    """Print what most other programs take that speak the Model Context Protocol."""
    from naestro.terminal.mcp_programs import GENERIC
    from naestro.terminal.setup import print_http_snippet, print_snippet

    if http:
        print_http_snippet()
    else:
        print_snippet(GENERIC)


def _set_up(program: "Program", *, undo: bool, print_only: bool, yes: bool) -> None:
    from naestro.terminal.setup import print_snippet, set_up

    if print_only:
        print_snippet(program)
    else:
        raise typer.Exit(set_up(program, is_undone=undo, is_yes=yes))


@app.command()
def uninstall(
    data: Annotated[
        bool, typer.Option("--data", help="Delete runs, settings, logs and code indexes too.")
    ] = False,
    models: Annotated[bool, typer.Option("--models", help="Delete fetched models too.")] = False,
    yes: Yes = False,
) -> None:
    """Stop what runs, undo `naestro setup` and, on request, delete data and models; say how to remove the package."""
    from naestro.terminal.uninstall import uninstall_naestro

    raise typer.Exit(uninstall_naestro(is_data=data, is_models=models, is_yes=yes))


@app.command()
def acp(
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Serve in this process, without the daemon.")
    ] = False,
) -> None:
    """Speak the Agent Client Protocol over standard input and output; for editors."""
    from naestro.app import open_core
    from naestro.daemon.standalone import main as serve_alone
    from naestro.relay.pump import main as relay

    raise typer.Exit(serve_alone("acp", open_core) if standalone else relay("acp"))


@app.command()
def mcp(
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Serve in this process, without the daemon.")
    ] = False,
) -> None:
    """Speak the Model Context Protocol over standard input and output; for programs that use its tools."""
    from naestro.app import open_core
    from naestro.daemon.standalone import main as serve_alone
    from naestro.relay.pump import main as relay

    raise typer.Exit(serve_alone("mcp", open_core) if standalone else relay("mcp"))


@daemon_app.command("start")
def daemon_start(as_json: AsJson = False) -> None:
    """Start the daemon, unless it runs; whoever needs it does so too."""
    from naestro.terminal.daemon import start_daemon

    raise typer.Exit(start_daemon(as_json=as_json))


@daemon_app.command("stop")
def daemon_stop(as_json: AsJson = False) -> None:
    """End the daemon; its runs are set aside, and go on in the next one."""
    from naestro.terminal.daemon import stop_daemon

    raise typer.Exit(stop_daemon(as_json=as_json))


@daemon_app.command("status")
def daemon_status(as_json: AsJson = False) -> None:
    """Show the daemon's process, memory, runs and connections."""
    from naestro.terminal.daemon import show_status

    raise typer.Exit(show_status(as_json=as_json))


@daemon_app.command("logs")
def daemon_logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many, the latest.")] = 50,
) -> None:
    """Print the end of the daemon's log."""
    from naestro.terminal.daemon import show_logs

    raise typer.Exit(show_logs(lines, is_following=follow))


@daemon_app.command("run")
def daemon_run() -> None:
    """Be the daemon, in the foreground, until Ctrl-C."""
    from naestro.app import open_core
    from naestro.daemon.process import main as run_daemon

    raise typer.Exit(run_daemon(open_core, is_detached=False))
