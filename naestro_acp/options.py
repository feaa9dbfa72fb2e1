"""What a person may pick for a session: a mode, and the options of the council, as pickers for the client.

`agent` above shows and sets them, `turn` starts runs with their `overrides`. What was not picked stands as the
workspace's settings have it. It starts no run and keeps nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import anyio
import msgspec
from acp.schema import SessionConfigOptionSelect, SessionConfigSelectOption, SessionMode, SessionModeState

from naestro.client.api import Client
from naestro.errors import InputError, NaestroError
from naestro.types import Json
from naestro_acp.sessions import MODES, Session

Category = Literal["mode", "model", "model_config", "thought_level"]

MODE = "mode"
ALL_ENGINES = "all"
LOOK_S = 1.0
"""How long the engines of a workspace may take to say whether they answer, before they are left out."""

MODE_TEXTS: Mapping[str, tuple[str, str]] = {
    "ask": ("Ask", "Answers questions; changes nothing."),
    "council": ("Council", "Shows each change and asks before it is written."),
    "auto": ("Auto", "Writes inside the workspace without asking; every change can be undone."),
}

PIPELINES: Mapping[str, tuple[str, str]] = {
    "council": ("Council", "Several proposals, critique, synthesis and a verdict."),
    "single": ("Single", "One proposal, without critique: quick and cheap."),
}

CONSENSUS: Mapping[str, tuple[str, str]] = {
    "majority": ("Majority", "Each judge has one vote."),
    "weighted": ("Weighted", "A judge's vote weighs what its record says."),
    "judge": ("One judge", "One judge decides."),
}

PROPOSERS = ("1", "2", "3", "4", "5", "6", "8")

ROLES = ("proposer", "critic", "synthesizer", "judge")


@dataclass(frozen=True, slots=True)
class Choices:
    """What a workspace offers, and what its settings say."""

    engines: tuple[str, ...] = ()
    """Names of the engines, with their models."""
    consensus: str = "majority"
    proposers: str = "3"


async def choices_in(client: Client, workspace: str) -> Choices:
    """What can be picked in `workspace`; with less to pick where its settings are wrong or an engine is slow."""
    settings: dict[str, tuple[str, str]] = {}
    engines: list[str] = []
    try:
        settings = await client.machine.settings(workspace)
        with anyio.move_on_after(LOOK_S):
            engines = [engine.name for engine in await client.engines(workspace)]
    except NaestroError:
        pass  # the first prompt says what is wrong, where there is room to say it
    usual = Choices()
    return Choices(
        engines=tuple(engines),
        consensus=_said(settings, "council.consensus", usual.consensus),
        proposers=_said(settings, "council.proposers", usual.proposers),
    )


def mode_state(session: Session) -> SessionModeState:
    """The modes, for a client that has a picker of its own for them."""
    available = [
        SessionMode(id=mode, name=name, description=text) for mode, (name, text) in MODE_TEXTS.items()
    ]
    return SessionModeState(current_mode_id=session.mode, available_modes=available)


def config_options(session: Session, choices: Choices) -> list[SessionConfigOptionSelect]:
    """Every picker with its current value, the mode among them; the order is that of their weight."""
    chosen = session.options
    engines = {ALL_ENGINES: ("All engines", "Every engine, as the settings prefer them.")}
    engines |= {name: (name, "This engine alone, in every role.") for name in choices.engines}
    proposers = _known(PROPOSERS, chosen.get("proposers", choices.proposers))
    return [
        _picker(MODE, "Mode", "mode", session.mode, MODE_TEXTS),
        _picker("pipeline", "Pipeline", "thought_level", chosen.get("pipeline", "council"), PIPELINES),
        _picker("engines", "Engines", "model", chosen.get("engines", ALL_ENGINES), engines),
        _picker(
            "consensus", "Consensus", "model_config", chosen.get("consensus", choices.consensus), CONSENSUS
        ),
        _picker(
            "proposers",
            "Proposers",
            "model_config",
            chosen.get("proposers", choices.proposers),
            {number: (number, "Proposals that are asked for.") for number in proposers},
        ),
    ]


def with_mode(session: Session, mode: str) -> Session:
    """`session` in another mode. Raises `InputError` for one that is none."""
    if mode not in MODES:
        raise InputError(f"There is no mode {mode!r}.", hint=f"There are {', '.join(MODES)}.")
    return msgspec.structs.replace(session, mode=mode)


def with_option(session: Session, option: str, value: str, choices: Choices) -> Session:
    """`session` with another value of an option. Raises `InputError` for an unknown option or value."""
    pickers = {picker.id: picker for picker in config_options(session, choices)}
    if option not in pickers:
        raise InputError(f"There is no option {option!r}.", hint=f"There are {', '.join(pickers)}.")
    values = [
        shown.value for shown in pickers[option].options if isinstance(shown, SessionConfigSelectOption)
    ]
    if value not in values:
        raise InputError(
            f"The option {option} has no value {value!r}.", hint=f"There are {', '.join(values)}."
        )
    if option == MODE:
        return with_mode(session, value)
    return msgspec.structs.replace(session, options=session.options | {option: value})


def overrides(session: Session) -> dict[str, Json]:
    """The settings that the person's choices make, nested like `naestro.toml`; they win over files."""
    chosen = session.options
    council: dict[str, Json] = {}
    if "consensus" in chosen:
        council["consensus"] = chosen["consensus"]
    if "proposers" in chosen:
        council["proposers"] = int(chosen["proposers"])
    if chosen.get("pipeline") == "single":
        council |= {"proposers": 1, "critics": 0}
    settings: dict[str, Json] = {"council": council} if council else {}
    engine = chosen.get("engines", ALL_ENGINES)
    if engine != ALL_ENGINES:
        settings["roles"] = {role: {"engines": [engine]} for role in ROLES}
    return settings


def _picker(
    option: str, name: str, category: Category, current: str, values: Mapping[str, tuple[str, str]]
) -> SessionConfigOptionSelect:
    shown = [
        SessionConfigSelectOption(value=value, name=label, description=text)
        for value, (label, text) in values.items()
    ]
    if current not in values:  # an engine that was picked and does not answer now, say
        shown.append(SessionConfigSelectOption(value=current, name=current))
    return SessionConfigOptionSelect(
        id=option, name=name, type="select", category=category, current_value=current, options=shown
    )


def _known(numbers: tuple[str, ...], current: str) -> list[str]:
    return sorted({*numbers, current}, key=int)


def _said(settings: Mapping[str, tuple[str, str]], key: str, default: str) -> str:
    """What the settings say for `key`, as text."""
    if key not in settings:
        return default
    return str(json.loads(settings[key][0]))
