"""The roles of the council and their instructions, which lie as files in `prompts/`.

An instruction is the end of a role's message; what stands before it is the run's shared prefix (`prefix`). This
module only reads and fills in text; it knows no run and no engine.
"""

import re
from enum import StrEnum
from functools import cache
from importlib import resources

_BLANK = re.compile(r"\{\{(\w+)\}\}")


class Role(StrEnum):
    """A seat at the council; also the key of its settings under `roles`."""

    PROPOSER = "proposer"
    CRITIC = "critic"
    SYNTHESIZER = "synthesizer"
    JUDGE = "judge"


def instruction(name: str, **blanks: str) -> str:
    """The text of `prompts/<name>.md`, its `{{blanks}}` filled in; a blank without a value raises `KeyError`."""
    return _BLANK.sub(lambda blank: blanks[blank[1]], _prompt(name))


@cache
def _prompt(name: str) -> str:
    file = resources.files("naestro.council") / "prompts" / f"{name}.md"
    return file.read_text(encoding="utf-8").strip()
