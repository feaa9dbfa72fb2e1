"""The commands for the code index: make it, search it, look names up; `naestro.cli` takes them in.

One thin function a command, as there; what a command needs is imported inside it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naestro.terminal.options import AsJson, InProcess, WorkspaceOption
from naestro.terminal.running import finish, folder_of
from naestro.terminal.streams import text_of

if TYPE_CHECKING:
    from naestro.terminal.looking import Asked

app = typer.Typer()


@app.command()
def index(
    path: Annotated[
        Path | None, typer.Argument(help="A folder; its workspace is found from there.", show_default=".")
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Throw the index away first.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Only say what the index holds; change nothing.")
    ] = False,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Index the code of a workspace, and wait until that is done; the daemon keeps it fresh afterwards."""
    from naestro.errors import InputError
    from naestro.terminal.indexing import show_index, update_index

    if rebuild and status:
        raise InputError(
            "--status changes nothing, so --rebuild cannot stand beside it.", hint="Leave one out."
        )
    folder, is_remote = folder_of(path), not in_process
    if status:
        finish(show_index(folder, as_json=as_json, is_remote=is_remote))
    finish(update_index(folder, rebuild=rebuild, as_json=as_json, is_remote=is_remote))


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="A question, words, or a name; `-` reads standard input.")],
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, the best first.")] = 5,
    path: Annotated[
        str | None, typer.Option(help="Only what lies in this file or folder, or matches: 'src/**/*.py'.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Only what is written in it: python.")] = None,
    lines: Annotated[
        int, typer.Option(min=0, max=1000, help="Lines of each result; 0: none, only the places.")
    ] = 12,
    workspace: WorkspaceOption = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Find the places in the code that answer a question."""
    from naestro.terminal.looking import Shown
    from naestro.terminal.looking import search as look

    finish(look(_asked(workspace, as_json, in_process), text_of(query), Shown(limit, lines, path, language)))


@app.command("map")
def repository_map(
    budget: Annotated[int, typer.Option(min=64, max=100_000, help="Tokens that it may have, about.")] = 2048,
    question: Annotated[str, typer.Option(help="What it is for: what matters to this comes first.")] = "",
    workspace: WorkspaceOption = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Show the files and signatures that matter most, within a budget of tokens."""
    from naestro.terminal.looking import show_map

    finish(show_map(_asked(workspace, as_json, in_process), budget, question))


@app.command()
def symbol(
    name: Annotated[str, typer.Argument(help="A name: `append`, or `Journal.append`.")],
    references: Annotated[bool, typer.Option("--references", "-r", help="Also where it is used.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of each.")] = 50,
    workspace: WorkspaceOption = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Show where a name is defined and, if wanted, used."""
    from naestro.terminal.looking import show_symbol

    asked = _asked(workspace, as_json, in_process)
    finish(show_symbol(asked, name, with_references=references, limit=limit))


@app.command()
def outline(
    file: Annotated[str, typer.Argument(help="A file of the workspace.")],
    workspace: WorkspaceOption = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Show what a file defines, from its top to its end."""
    from naestro.terminal.looking import show_outline

    finish(show_outline(_asked(workspace, as_json, in_process), file))


@app.command()
def grep(
    pattern: Annotated[str, typer.Argument(help="A regular expression, for one line.")],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many lines.")] = 200,
    workspace: WorkspaceOption = None,
    as_json: AsJson = False,
    in_process: InProcess = False,
) -> None:
    """Show the lines that match, in the files that the workspace's rules let be read."""
    from naestro.terminal.looking import grep as look

    finish(look(_asked(workspace, as_json, in_process), pattern, limit))


def _asked(workspace: Path | None, as_json: bool, in_process: bool) -> "Asked":
    from naestro.terminal.looking import Asked

    return Asked(folder_of(workspace), as_json, is_remote=not in_process)
