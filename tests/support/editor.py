"""An editor as a front end lends it: buffers in a dictionary, written to the disk when they are given text."""

from dataclasses import dataclass, field
from pathlib import Path

import anyio

from naestro.policy.editor import TerminalOutcome


@dataclass
class BufferEditor:
    """Buffers by absolute path. Implements `naestro.policy.editor.Editor`."""

    buffers: dict[Path, str] = field(default_factory=dict[Path, str])
    terminal: TerminalOutcome | None = None
    """How each program ends in its terminal; None: it has none."""
    refuses: set[str] = field(default_factory=set[str])
    """Names of files that it does not write."""
    is_saving: bool = True
    """Whether what it is given goes to the disk at once."""
    is_silent: bool = False
    """Whether it never answers."""
    asked: list[str] = field(default_factory=list[str])
    """What was read and written, in order: `read a.py`, `write a.py`, `run ...`."""

    async def read_text(self, path: Path) -> str | None:
        """The buffer, if `path` is open."""
        await self._note(f"read {path.name}")
        return self.buffers.get(path)

    async def write_text(self, path: Path, text: str) -> bool:
        """Take the text."""
        await self._note(f"write {path.name}")
        if path.name in self.refuses:
            return False
        self.buffers[path] = text
        if self.is_saving:
            path.write_bytes(text.encode())
        return True

    async def run_program(self, argv: list[str], cwd: Path, timeout_s: float) -> TerminalOutcome | None:
        """Show the program."""
        await self._note(f"run {' '.join(argv)}")
        return self.terminal

    async def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.is_silent:
            await anyio.sleep_forever()
