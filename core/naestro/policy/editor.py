"""What a front end lends a run while it is connected: its unsaved buffers, its way to write, its terminals.

An editor's buffers win over the disk, and a change that goes through the editor shows in it at once. A run outlives
its front end, so every method says None or False when the editor does not offer it or is gone: then the disk counts.
Protocol servers implement this; `council` uses it. Paths are absolute, symlinks resolved, inside the workspace:
whoever calls has checked that.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from naestro.types import Json, Value


class TerminalOutcome(Value, frozen=True):
    """How a program ended that ran in one of the editor's terminals."""

    exit_code: int | None
    """None when a signal ended it."""
    output: str
    """What it printed, the end of it where that is long."""
    is_cut: bool = False


@runtime_checkable
class ToolLender(Protocol):
    """An editor that also names servers of tools for its runs."""

    @property
    def tool_servers(self) -> Sequence[Mapping[str, Json]]:
        """The servers as the editor's protocol has them; they may hold secrets, and are kept in memory only."""
        ...


class Editor(Protocol):
    """The editor behind a connection."""

    async def read_text(self, path: Path) -> str | None:
        """The text of `path` as the editor has it, unsaved changes included; None: look at the disk."""
        ...

    async def write_text(self, path: Path, text: str) -> bool:
        """Give the whole text of `path` to the editor; False: it cannot, write to the disk."""
        ...

    async def run_program(self, argv: list[str], cwd: Path, timeout_s: float) -> TerminalOutcome | None:
        """Run a program where the person sees it, for at most `timeout_s` seconds; None: it cannot, run it here."""
        ...
