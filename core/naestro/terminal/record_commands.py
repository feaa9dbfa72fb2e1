"""The commands that look at runs and change what is recorded of them; `naestro.cli` takes them in.

One thin function a command, as there; what a command needs is imported inside it.
"""

from pathlib import Path
from typing import Annotated

import typer

from naestro.terminal.options import AsJson, InProcess, RunArgument, StepArgument, WorkspaceOption, Yes
from naestro.terminal.running import finish, folder_of

app = typer.Typer()
runs_app = typer.Typer(help="List runs, or delete old ones.", invoke_without_command=True)
app.add_typer(runs_app, name="runs")


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

    finish(
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

    finish(rerun_step(run, step, After(Watch.of(as_json=as_json, yes=yes, in_process=in_process), go_on)))


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

    finish(fork_run(run, at, After(Watch.of(as_json=as_json, yes=yes, in_process=in_process), go_on)))


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
    finish(replay_execute(run, watch) if execute else replay_recorded(run, speed, watch))


@app.command()
def undo(run: RunArgument = "last", as_json: AsJson = False, in_process: InProcess = False) -> None:
    """Take back the patch that a run applied; refuses when the files changed since.

    Without a run: that of the last one whose patch is still applied.
    """
    from naestro.terminal.changes import undo_run

    finish(undo_run(run, as_json=as_json, is_remote=not in_process))


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
        show_runs(limit, str(folder_of(workspace)) if workspace else None, as_json=as_json)


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
    finish(prune_runs(limits, as_json=as_json, is_remote=not in_process))
