"""What the server says of itself, and the first answer while the protocol's library still loads.

A daemon that was just started needs most of a second to import the SDK, and some clients give up on `initialize` after
a second and a half. So the first connection's `initialize`, where it is a plain one, is answered from here; the SDK
hears it as soon as it is there, and its own answer, which says the same (a test compares them), is for nobody.
`plugin` above calls it; nothing of the SDK is imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import naestro
from naestro.types import Json

NAME = "naestro"
TITLE = "Naestro"
INSTRUCTIONS = (
    "Naestro knows this workspace's code and asks a council of models. search_code finds, read_code reads, repo_map "
    "gives the overview. ask_council, test and review take minutes: they answer after 45 s at the latest with a run's "
    "id, and respond goes on with it. An answer with next_cursor goes on when you ask again with cursor."
)
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""The versions of the protocol that begin with `initialize`, the latest last."""
MAX_LINE_BYTES = 4 * 1024 * 1024
"""A longer line is skipped. It is what the SDK takes over HTTP, and a hundred times what any tool here takes."""
CAPABILITIES: Mapping[str, Json] = {
    "completions": {},
    "prompts": {"listChanged": False},
    "resources": {"listChanged": False, "subscribe": True},
    "tools": {"listChanged": True},
}


@dataclass(frozen=True, slots=True)
class Opening:
    """The first message of a connection."""

    message: dict[str, Json]
    is_answered: bool


def first_answer(message: Mapping[str, Json]) -> dict[str, Json] | None:
    """The result for `message` where it is a plain `initialize`; None where the SDK should judge it."""
    params = _object(message.get("params"))
    client, capabilities = _object(params.get("clientInfo")), _object(params.get("capabilities"))
    wanted = params.get("protocolVersion")
    is_plain = (
        message.get("method") == "initialize"
        and isinstance(message.get("id"), str | int)
        and isinstance(wanted, str)
        and isinstance(client.get("name"), str)
        and isinstance(client.get("version"), str)
        and isinstance(params.get("capabilities"), dict)
        and all(isinstance(value, dict) for value in capabilities.values())
    )
    if not is_plain:
        return None
    return {
        "capabilities": CAPABILITIES,
        "instructions": INSTRUCTIONS,
        "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[-1],
        "serverInfo": {"name": NAME, "title": TITLE, "version": naestro.__version__},
    }


def _object(value: Json) -> Mapping[str, Json]:
    return (
        cast("Mapping[str, Json]", value) if isinstance(value, dict) else {}
    )  # a JSON object's keys are strings
