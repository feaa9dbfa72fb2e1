"""What a run came to, for a reader: warnings first, then the answer, the patch, the verdict and who disagreed."""

from collections.abc import Iterator, Mapping

import msgspec
from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.text import Text

from naestro.council.verdict import CERTAINTY_TEXT, CouncilResult
from naestro.terminal.text import printable, visible
from naestro.types import Json

MAX_DISSENT = 5
"""Voices shown here; the trace has all of them."""


class _Given(msgspec.Struct):
    name: str


def show_result(recorded: bytes, task: Mapping[str, Json], run: str) -> None:
    """Print the recorded result of `run` and its `task` on stdout: drawn in a terminal, as plain text elsewhere."""
    result = msgspec.json.decode(recorded, type=CouncilResult)
    names = given_names(task)
    console = Console()
    if not console.is_terminal:
        print("\n".join(plain_lines(result, names, run)))
        return
    for part in _parts(result, names, run):
        console.print(part)


def has_failing_tests(recorded: bytes) -> bool:
    """Whether the recorded result tells of tests that were run and did not pass."""
    tests = msgspec.json.decode(recorded, type=CouncilResult).tests
    return tests is not None and not tests.is_passed


def given_names(task: Mapping[str, Json]) -> str:
    """Which candidate came from which file, where a person gave them; empty where models proposed."""
    given = msgspec.convert(task.get("candidates", []), list[_Given])
    return ", ".join(f"propose.{number} is {printable(one.name)}" for number, one in enumerate(given, 1))


def plain_lines(result: CouncilResult, names: str = "", run: str = "last") -> Iterator[str]:
    """The result as lines of plain text."""
    for warning in result.warnings:
        yield f"! {printable(warning)}"
    yield printable(result.answer)
    if result.patch:
        yield ""
        yield visible(result.patch)
    yield ""
    yield from _footer(result, names, run)


def _parts(result: CouncilResult, names: str, run: str) -> Iterator[RenderableType]:
    for warning in result.warnings:
        yield Text(f"! {printable(warning)}", style="yellow")
    yield Text()
    yield Markdown(printable(result.answer), hyperlinks=False)
    if result.patch:
        yield Text()
        yield Syntax(visible(result.patch), "diff", background_color="default")
    yield Text()
    yield Text("\n".join(_footer(result, names, run)), style="dim")


def _footer(result: CouncilResult, names: str, run: str) -> Iterator[str]:
    if result.citations:
        yield "cites " + ", ".join(f"{c.path}:{c.start}-{c.end}" for c in result.citations)
    if result.citations_removed:
        yield f"{result.citations_removed} citations named lines that do not exist and were removed"
    verdict = result.verdict
    yield f"verdict: {verdict.winner}, {verdict.certainty.value}: {CERTAINTY_TEXT[verdict.certainty]}"
    yield f"  {printable(verdict.method)}"
    if names:
        yield f"  {names}"
    if verdict.is_tie:
        yield f"  tied: {', '.join(verdict.tied)}"
    for piece in result.evidence:
        place = f" {piece.path}:{piece.line or 1}" if piece.path else ""
        yield f"  {'pass' if piece.is_passed else 'FAIL'} {piece.check}{place} {printable(piece.detail)}".rstrip()
    for voice in verdict.dissent[:MAX_DISSENT]:
        yield f"  dissent of {voice.source} for {voice.candidate}: {' '.join(printable(voice.text).split())[:200]}"
    if result.patch:
        yield (
            f"the patch was applied; `naestro undo {run}` takes it back"
            if result.is_applied
            else "the patch was not applied"
        )
