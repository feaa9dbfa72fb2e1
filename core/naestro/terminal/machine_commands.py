"""The commands for the machine: models, settings, editors, the daemon, the doctor; `naestro.cli` takes them in.

One thin function a command, as there; what a command needs is imported inside it.
"""

from typing import Annotated

import typer

from naestro.terminal.options import AsJson, ModelNames, WorkspaceOption, Yes
from naestro.terminal.running import finish, folder_of

app = typer.Typer()
models_app = typer.Typer(help="The models on this machine and in the catalogue.", no_args_is_help=True)
config_app = typer.Typer(help="Settings, and where each came from.", no_args_is_help=True)
daemon_app = typer.Typer(help="The process that works on runs.", no_args_is_help=True)
setup_app = typer.Typer(help="Put Naestro into an editor's settings, or take it out.", no_args_is_help=True)
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
    """Fetch models, verified by size and SHA-256; goes on where an earlier try stopped."""
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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Change the settings without asking.")] = False,
) -> None:
    """Add Naestro to the agents of Zed: shows the change, asks, keeps a backup, leaves comments as they are."""
    from naestro.terminal.setup import print_zed_snippet, set_up_zed

    if print_only:
        print_zed_snippet()
    else:
        raise typer.Exit(set_up_zed(is_undone=undo, is_yes=yes))


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
