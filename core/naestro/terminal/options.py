"""Options that several commands share, and how they become settings."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from naestro.terminal.completion import complete_models, complete_runs, complete_steps
from naestro.types import Json


class ConsensusKind(StrEnum):
    """How the council decides among candidates that are still tied."""

    MAJORITY = "majority"
    WEIGHTED = "weighted"
    JUDGE = "judge"


WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace", "-C", help="Folder to work in; its workspace is found from there.", show_default="."
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON alone on stdout: one event, row or answer a line.")
]
InProcess = Annotated[
    bool,
    typer.Option(
        "--in-process", envvar="NAESTRO_IN_PROCESS", help="Work in this process instead of in the daemon."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer yes where the run asks before it writes.")]
Proposers = Annotated[int | None, typer.Option("--proposers", min=1, max=16, help="How many propose.")]
Consensus = Annotated[
    ConsensusKind | None, typer.Option("--consensus", help="How a tie among candidates is decided.")
]
Engines = Annotated[
    list[str] | None, typer.Option("--engine", "-e", help="Engine to use, repeatable, in order.")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, max=2**31 - 1, help="Makes the run repeatable.")]
Tools = Annotated[
    bool | None,
    typer.Option("--tools/--no-tools", help="Let proposers and critics look things up by tools."),
]
RunArgument = Annotated[
    str,
    typer.Argument(help="A run's id, a unique beginning of one, or `last`.", autocompletion=complete_runs),
]
StepArgument = Annotated[
    str,
    typer.Argument(
        help="A step's name, as `naestro trace RUN` shows it: `propose.2`.", autocompletion=complete_steps
    ),
]
ModelNames = Annotated[
    list[str],
    typer.Argument(
        help="Names from `naestro models list`, or an embedding model of the hub: owner/model[@revision].",
        autocompletion=complete_models,
    ),
]

ROLES = ("proposer", "critic", "synthesizer", "judge")


def settings_of(
    *,
    proposers: int | None = None,
    consensus: ConsensusKind | None = None,
    engines: list[str] | None = None,
    tools: bool | None = None,
) -> dict[str, Json]:
    """The settings that the options name, nested like `naestro.toml`; what was not given is left out."""
    council: dict[str, Json] = {}
    if proposers is not None:
        council["proposers"] = proposers
    if consensus is not None:
        council["consensus"] = consensus.value
    settings: dict[str, Json] = {"council": council} if council else {}
    if tools is not None:
        settings["tools"] = {"enabled": tools}
    if engines:
        settings["roles"] = {role: {"engines": engines} for role in ROLES}
    return settings
