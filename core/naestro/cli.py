"""The `naestro` command: one thin function a command. Here stand those that start a run and go on with one.

`record_commands`, `index_commands`, `tools_commands` and `machine_commands` in `naestro.terminal` hold the others. Each
function turns its arguments into one call of a view in `naestro.terminal`, and its outcome into an exit code
(`terminal/exits.py`). What a command needs is imported inside it, so that `--help` and shell completion stay quick.
Nothing here knows how a council works or how a run is stored.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naestro import __version__
from naestro.errors import NaestroError
from naestro.terminal.exits import Exit, exit_for, innermost
from naestro.terminal.index_commands import app as index_commands
from naestro.terminal.machine_commands import app as machine_commands
from naestro.terminal.options import (
    AsJson,
    Consensus,
    Engines,
    InProcess,
    Proposers,
    RunArgument,
    Seed,
    Tools,
    WorkspaceOption,
    Yes,
    settings_of,
)
from naestro.terminal.record_commands import app as record_commands
from naestro.terminal.running import finish, folder_of
from naestro.terminal.streams import drop_output, refuse_odd_bytes, say, secure_streams, text_of
from naestro.terminal.text import one_line
from naestro.terminal.tools_commands import app as tools_commands
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
for commands in (record_commands, index_commands, tools_commands, machine_commands):
    app.add_typer(commands)


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


def _places(workspace: Path | None, names: list[str] | None) -> list[str]:
    from naestro.terminal.places import from_root

    return from_root(folder_of(workspace), names or [])


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
    tools: Tools = None,
    seed: Seed = None,
    yes: Yes = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Ask the council: models propose, criticise, merge and judge; a patch is applied only after a yes."""
    settings = settings_of(proposers=proposers, consensus=consensus, engines=engine, tools=tools)
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
    tools: Tools = None,
    seed: Seed = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Explain a part of the code base, with citations; changes nothing."""
    settings = settings_of(proposers=proposers, consensus=consensus, engines=engine, tools=tools)
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
    tools: Tools = None,
    seed: Seed = None,
    yes: Yes = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Write a test from signatures and documentation; added and run, as your user, only after a yes."""
    settings = settings_of(proposers=proposers, consensus=consensus, engines=engine, tools=tools)
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
    tools: Tools = None,
    seed: Seed = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Review a change: faults with the line that shows each, and who says so; changes nothing."""
    settings = settings_of(proposers=proposers, engines=engine, tools=tools)
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
        workspace=str(folder_of(workspace)),
        origin=Origin.CLI,
        settings=settings,
        seed=seed,
    )
    finish(start(command, watch))


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

    finish(go_on(run, Watch.of(as_json=as_json, yes=yes, in_process=in_process), answer=answer))
