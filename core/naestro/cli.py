"""The `naestro` command: one thin function a command.

Each function turns its arguments into one call of a view in `naestro.terminal`, and its outcome into an exit code
(`terminal/exits.py`). What a command needs is imported inside it, so that `--help` and shell completion stay quick.
Nothing here knows how a council works or how a run is stored.
"""

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naestro import __version__
from naestro.errors import InputError, NaestroError
from naestro.terminal.exits import Exit, exit_for, innermost
from naestro.terminal.options import (
    AsJson,
    Consensus,
    Engines,
    InProcess,
    ModelNames,
    Proposers,
    RunArgument,
    Seed,
    StepArgument,
    WorkspaceOption,
    Yes,
    settings_of,
)
from naestro.terminal.streams import drop_output, is_text, refuse_odd_bytes, say, secure_streams, text_of
from naestro.terminal.text import one_line
from naestro.types import Json

if TYPE_CHECKING:
    from naestro.terminal.watch import Watch

app = typer.Typer(
    name="naestro",
    help="A council of language models for your code: local first, grounded in executed evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="The models on this machine and in the catalogue.", no_args_is_help=True)
config_app = typer.Typer(help="Settings, and where each came from.", no_args_is_help=True)
daemon_app = typer.Typer(help="The process that works on runs.", no_args_is_help=True)
runs_app = typer.Typer(help="List runs, or delete old ones.", invoke_without_command=True)
setup_app = typer.Typer(help="Put Naestro into an editor's settings, or take it out.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.add_typer(setup_app, name="setup")
app.add_typer(config_app, name="config")
app.add_typer(runs_app, name="runs")
app.add_typer(daemon_app, name="daemon")


def main() -> int:
    """Run the command line on `sys.argv`; the exit code. Errors become one sentence and a hint on stderr."""
    secure_streams()
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
        return Exit.FAILED
    except OSError as error:
        drop_output()
        place = one_line(str(error.filename)) if error.filename is not None else "The output"
        say(f"naestro: {place} cannot be used: {error.strerror or error}.")
        return Exit.FAILED
    return code


def _run() -> int:
    try:
        try:
            refuse_odd_bytes(sys.argv)
            app()
        except BaseExceptionGroup as group:
            raise innermost(group) from group
    except NaestroError as error:
        say(f"naestro: {one_line(error.message)}\n  {one_line(error.hint)}")
        return exit_for(error)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.OK
    return Exit.OK  # pragma: no cover - typer ends by SystemExit when nothing went wrong


def _finish(work: Coroutine[object, object, int]) -> None:
    """Run an async command to its end and leave with its exit code."""
    import anyio

    async def run() -> int:
        return await work

    raise typer.Exit(int(anyio.run(run)))


def _folder(workspace: Path | None) -> Path:
    try:
        folder = (workspace or Path.cwd()).resolve()
    except OSError as error:  # pragma: no cover - tested; a process without a folder cannot be measured
        raise InputError("The working directory is gone.", hint="Change to a folder that exists.") from error
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", hint="Name an existing folder with --workspace.")
    if not is_text(str(folder)):
        raise InputError(f"The folder {str(folder)!a} has no UTF-8 name.", hint="Rename the folder.")
    return folder


def _places(workspace: Path | None, names: list[str] | None) -> list[str]:
    from naestro.terminal.places import from_root

    return from_root(_folder(workspace), names or [])


def _version(is_asked: bool) -> None:
    if is_asked:
        print(f"naestro {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A council of language models for your code: local first, grounded in executed evidence."""


@app.command()
def orchestrate(
    task: Annotated[
        str,
        typer.Argument(
            help="What is wanted, in plain words; name files to put them in context. `-` reads standard input."
        ),
    ],
    files: Annotated[list[str] | None, typer.Argument(help="Files to put in context.")] = None,
    workspace: WorkspaceOption = None,
    proposers: Proposers = None,
    consensus: Consensus = None,
    engine: Engines = None,
    seed: Seed = None,
    yes: Yes = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Ask the council: models propose, criticise, merge and judge; a patch is applied only after a yes."""
    settings = settings_of(proposers=proposers, consensus=consensus, engines=engine)
    wanted: dict[str, Json] = {"text": text_of(task), "files": _places(workspace, files)}
    _start("orchestrate", wanted, workspace, settings, seed=seed, watch=_watch(as_json, in_process, yes=yes))


@app.command()
def explain(
    target: Annotated[
        str, typer.Argument(help="A file, `file:line-line`, a name, or a question; `-` reads one.")
    ],
    files: Annotated[list[str] | None, typer.Argument(help="More files to put in context.")] = None,
    workspace: WorkspaceOption = None,
    proposers: Proposers = None,
    consensus: Consensus = None,
    engine: Engines = None,
    seed: Seed = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Explain a part of the code base, with citations; changes nothing."""
    settings = settings_of(proposers=proposers, consensus=consensus, engines=engine)
    (text,) = _places(workspace, [text_of(target)])
    wanted: dict[str, Json] = {"text": text, "files": _places(workspace, files)}
    _start("explain", wanted, workspace, settings, seed=seed, watch=_watch(as_json, in_process, yes=False))


@app.command("test")
def write_test(
    target: Annotated[
        str,
        typer.Argument(help="What to test: a file, `file:line-line`, a name, or a sentence; `-` reads one."),
    ],
    files: Annotated[list[str] | None, typer.Argument(help="More files to put in context.")] = None,
    workspace: WorkspaceOption = None,
    proposers: Proposers = None,
    consensus: Consensus = None,
    engine: Engines = None,
    seed: Seed = None,
    yes: Yes = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Write a test from signatures and documentation; added and run, as your user, only after a yes."""
    settings = settings_of(proposers=proposers, consensus=consensus, engines=engine)
    (text,) = _places(workspace, [text_of(target)])
    wanted: dict[str, Json] = {"text": text, "files": _places(workspace, files)}
    _start("test", wanted, workspace, settings, seed=seed, watch=_watch(as_json, in_process, yes=yes))


@app.command()
def review(
    target: Annotated[
        str,
        typer.Argument(
            help="A file, a commit or a range such as main..HEAD; nothing: what is not committed yet."
        ),
    ] = "",
    workspace: WorkspaceOption = None,
    proposers: Proposers = None,
    engine: Engines = None,
    seed: Seed = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Review a change: faults with the line that shows each, and who says so; changes nothing."""
    settings = settings_of(proposers=proposers, engines=engine)
    text = _places(workspace, [target])[0] if target else ""
    wanted: dict[str, Json] = {"text": text}
    _start("review", wanted, workspace, settings, seed=seed, watch=_watch(as_json, in_process, yes=False))


@app.command()
def judge(
    task: Annotated[str, typer.Argument(help="What the candidates were to do; `-` reads it.")],
    candidates: Annotated[
        list[Path], typer.Argument(help="Files, one candidate answer or patch each; two or more.")
    ],
    workspace: WorkspaceOption = None,
    consensus: Consensus = None,
    engine: Engines = None,
    seed: Seed = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Adjudicate given candidates: rung by rung, then by judges who see no names, in both orders."""
    from naestro.terminal.recipe import read_candidates

    settings = settings_of(consensus=consensus, engines=engine)
    wanted: dict[str, Json] = {"text": text_of(task), "candidates": read_candidates(candidates)}
    _start("judge", wanted, workspace, settings, seed=seed, watch=_watch(as_json, in_process, yes=False))


@app.command("run")
def run_file(
    file: Annotated[Path, typer.Argument(help="A TOML file: command, task, settings (see docs).")],
    workspace: WorkspaceOption = None,
    yes: Yes = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Start a run that a TOML file describes; for scripts."""
    from naestro.terminal.recipe import read_recipe

    recipe = read_recipe(file)
    folder = workspace or recipe.workspace
    _start(
        recipe.command,
        recipe.task,
        folder,
        recipe.settings,
        seed=recipe.seed,
        watch=_watch(as_json, in_process, yes=yes),
    )


def _watch(as_json: bool, in_process: bool, *, yes: bool) -> "Watch":
    from naestro.terminal.watch import Watch

    return Watch.of(as_json=as_json, yes=yes, in_process=in_process)


def _start(
    name: str,
    task: dict[str, Json],
    workspace: Path | None,
    settings: dict[str, Json],
    *,
    seed: int | None,
    watch: "Watch",
) -> None:
    from naestro.client.api import Command
    from naestro.terminal.watch import start
    from naestro.types import Origin

    command = Command(
        name=name,
        task=task,
        workspace=str(_folder(workspace)),
        origin=Origin.CLI,
        settings=settings,
        seed=seed,
    )
    _finish(start(command, watch))


@app.command()
def resume(
    run: RunArgument = "last",
    answer: Annotated[str | None, typer.Option(help="Answer the question that the run waits with.")] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Go on with a run that stopped, was cancelled or patched, or waits for an answer."""
    from naestro.terminal.watch import Watch
    from naestro.terminal.watch import resume as go_on

    _finish(go_on(run, Watch.of(as_json=as_json, yes=yes, in_process=in_process), answer=answer))


@app.command()
def patch(
    run: RunArgument,
    step: StepArgument,
    file: Annotated[
        Path | None,
        typer.Option(help="The new text, `-` for standard input; without it $EDITOR opens the old one."),
    ] = None,
    target: Annotated[
        str, typer.Option(help="`output`, or the name of an input such as `prompt`.")
    ] = "output",
    go_on: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with the run afterwards.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Change what a step was given or gave; what depends on it runs again."""
    from naestro.terminal.changes import After, patch_step
    from naestro.terminal.watch import Watch

    _finish(
        patch_step(
            run, step, target, file, After(Watch.of(as_json=as_json, yes=yes, in_process=in_process), go_on)
        )
    )


@app.command()
def rerun(
    run: RunArgument,
    step: StepArgument,
    go_on: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on with the run at once.")] = True,
    yes: Yes = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Run a step and all that depends on it again, as a new revision."""
    from naestro.terminal.changes import After, rerun_step
    from naestro.terminal.watch import Watch

    _finish(rerun_step(run, step, After(Watch.of(as_json=as_json, yes=yes, in_process=in_process), go_on)))


@app.command()
def fork(
    run: RunArgument,
    at: Annotated[
        str | None, typer.Option(help="The first step to run again; all others keep their outputs.")
    ] = None,
    go_on: Annotated[bool, typer.Option("--resume/--no-resume", help="Start the new run at once.")] = True,
    yes: Yes = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Copy a run into a new one, and run it again from a step on."""
    from naestro.terminal.changes import After, fork_run
    from naestro.terminal.watch import Watch

    _finish(fork_run(run, at, After(Watch.of(as_json=as_json, yes=yes, in_process=in_process), go_on)))


@app.command()
def replay(
    run: RunArgument = "last",
    execute: Annotated[
        bool, typer.Option("--execute", help="Make every call again and show what differs.")
    ] = False,
    speed: Annotated[
        float | None, typer.Option(min=0.1, help="Keep the recorded pauses, this much faster.")
    ] = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Show a recorded run again, without any call; with --execute, run it again and compare."""
    from naestro.terminal.changes import replay_execute, replay_recorded
    from naestro.terminal.watch import Watch

    watch = Watch.of(as_json=as_json, in_process=in_process)
    _finish(replay_execute(run, watch) if execute else replay_recorded(run, speed, watch))


@app.command()
def undo(run: RunArgument = "last", as_json: AsJson = False, in_process: InProcess = False) -> None:
    """Take back the patch that a run applied; refuses when the files changed since."""
    from naestro.terminal.changes import undo_run

    _finish(undo_run(run, as_json=as_json, is_remote=not in_process))


@app.command()
def trace(
    run: RunArgument = "last",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on while the run goes on.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page.")] = None,
    step: Annotated[str | None, typer.Option(help="Show one step whole: prompt, answer, attempts.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run as a waterfall of steps, with engines, tokens, cached tokens, time and cost."""
    from naestro.terminal.trace import show_trace

    raise typer.Exit(show_trace(run, is_following=follow, html=html, step=step, as_json=as_json))


@runs_app.callback()
def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    workspace: WorkspaceOption = None,
    as_json: AsJson = False,
) -> None:
    """List the latest runs."""
    from naestro.terminal.tables import show_runs

    if context.invoked_subcommand is None:
        show_runs(limit, str(_folder(workspace)) if workspace else None, as_json=as_json)


@runs_app.command("prune")
def runs_prune(
    keep_days: Annotated[
        float | None, typer.Option(min=0, help="Delete ended runs older than this; 0: none by its age.")
    ] = None,
    max_size_mb: Annotated[
        float | None, typer.Option(min=0, help="Delete the oldest until the journal fits.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Delete ended runs by age or size; runs that can go on are kept."""
    from naestro.terminal.tables import Limits, prune_runs

    limits = Limits(keep_days, max_size_mb, is_dry=dry_run)
    _finish(prune_runs(limits, as_json=as_json, is_remote=not in_process))


@models_app.command("list")
def models_list(as_json: AsJson = False) -> None:
    """List the catalogue, and what of it is on this machine."""
    from naestro.terminal.models import show_models

    show_models(as_json=as_json)


@models_app.command("pull")
def models_pull(names: ModelNames) -> None:
    """Fetch models, verified by size and SHA-256; goes on where an earlier try stopped."""
    from naestro.terminal.models import pull_models

    _finish(pull_models(names))


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

    show_settings(_folder(workspace), as_json=as_json)


@app.command()
def trust(
    workspace: WorkspaceOption = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Trust it no longer.")] = False,
) -> None:
    """Trust this workspace's naestro.toml as it is now: it may name engines, keys and programs."""
    from naestro.terminal.settings import trust_workspace

    trust_workspace(_folder(workspace), is_revoked=revoke)


@app.command()
def doctor(workspace: WorkspaceOption = None, as_json: AsJson = False) -> None:
    """Check the machine, the folders, the models, the engines and the settings."""
    from naestro.terminal.settings import show_diagnosis

    _finish(show_diagnosis(_folder(workspace), as_json=as_json))


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
    data: Annotated[bool, typer.Option("--data", help="Delete runs, settings and logs too.")] = False,
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
