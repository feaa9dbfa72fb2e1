"""The editor of a run: whichever front end lends one at the moment, or none.

A run outlives its front ends, so a flow gets this in the place of a front end's own editor, and a front end that
takes the run up later lends its own. Below stands the editor's interface; nothing here knows a protocol.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from naestro.policy.editor import Editor, TerminalOutcome, ToolLender
from naestro.types import Json


class LentEditor:
    """An `Editor` that asks the one that is lent, and says None or False while none is."""

    def __init__(self, editor: Editor | None = None) -> None:
        """Begin with `editor`, if there is one."""
        self._editor = editor

    @property
    def is_there(self) -> bool:
        """Whether one is lent, connected or not."""
        return self._editor is not None

    def lend(self, editor: Editor) -> None:
        """Ask `editor` from now on."""
        self._editor = editor

    @property
    def tool_servers(self) -> Sequence[Mapping[str, Json]]:
        """As `ToolLender.tool_servers`; none where the editor names none."""
        return self._editor.tool_servers if isinstance(self._editor, ToolLender) else ()

    async def read_text(self, path: Path) -> str | None:
        """As `Editor.read_text`."""
        return None if self._editor is None else await self._editor.read_text(path)

    async def write_text(self, path: Path, text: str) -> bool:
        """As `Editor.write_text`."""
        return self._editor is not None and await self._editor.write_text(path, text)

    async def run_program(self, argv: list[str], cwd: Path, timeout_s: float) -> TerminalOutcome | None:
        """As `Editor.run_program`."""
        return None if self._editor is None else await self._editor.run_program(argv, cwd, timeout_s)
