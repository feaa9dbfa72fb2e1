"""The person's editor as the core may use it: unsaved buffers, writes that show at once, terminals that they see.

It implements `Editor` over the client's `fs/*` and `terminal/*` methods, as far as the client offers them. A client
that does not, that fails, is too slow or is gone answers None or False, and the core uses the disk or a process of its
own: a run outlives its editor.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from acp.exceptions import RequestError
from acp.helpers import start_tool_call, tool_terminal_ref, update_tool_call
from acp.schema import ClientCapabilities
from pydantic import ValidationError

from naestro.client.api import TerminalOutcome
from naestro.types import Json
from naestro_acp.outlet import GONE, Outlet

FILE_S = 10.0
"""Seconds that an editor may take for one file before the disk counts: it may have hung."""
RELEASE_S = 2.0
"""Seconds for ending and releasing a terminal."""
OUTPUT_BYTES_MAX = 262_144
"""Kept of what a program prints, the end of it."""

_FAILED = (RequestError, ValidationError, *GONE)
"""What a request to a client may raise: an error of its own, an answer that does not fit, no client."""


class AcpEditor:
    """`naestro.client.api.Editor` behind one session."""

    def __init__(
        self,
        outlet: Outlet,
        capabilities: ClientCapabilities,
        cwd: str,
        tool_servers: Sequence[Mapping[str, Json]] = (),
    ) -> None:
        """Ask the client of `outlet`, which shows the folder `cwd`, for what `capabilities` say that it can do."""
        self.tool_servers = tool_servers
        self._outlet = outlet
        self._conn = outlet.conn
        self._can_read = bool(capabilities.fs and capabilities.fs.read_text_file)
        self._can_write = bool(capabilities.fs and capabilities.fs.write_text_file)
        self._can_run = bool(capabilities.terminal)
        self._cwd = Path(cwd)

    async def read_text(self, path: Path) -> str | None:
        """The text of `path` as the editor has it; None: look at the disk."""
        if not self._can_read:
            return None
        with suppress(*_FAILED), anyio.move_on_after(FILE_S):
            answer = await self._conn.read_text_file(self._outlet.session_id, self._as_shown(path))
            return answer.content
        return None

    async def write_text(self, path: Path, text: str) -> bool:
        """Give the whole text of `path` to the editor; False: write to the disk."""
        if not self._can_write:
            return False
        with suppress(*_FAILED), anyio.move_on_after(FILE_S):
            await self._conn.write_text_file(self._outlet.session_id, self._as_shown(path), text)
            return True
        return False

    async def run_program(self, argv: list[str], cwd: Path, timeout_s: float) -> TerminalOutcome | None:
        """Run a program in one of the editor's terminals; None: run it here."""
        if not self._can_run:
            return None
        with suppress(*_FAILED):
            async with self._terminal(argv, cwd) as terminal:
                return await self._outcome(terminal, argv, timeout_s)
        return None

    @asynccontextmanager
    async def _terminal(self, argv: Sequence[str], cwd: Path) -> AsyncGenerator[str]:
        """A terminal that runs `argv`; whatever happens, its program ends and it is given back."""
        made = await self._conn.create_terminal(
            self._outlet.session_id,
            argv[0],
            args=list(argv[1:]),
            cwd=self._as_shown(cwd),
            output_byte_limit=OUTPUT_BYTES_MAX,
        )
        try:
            yield made.terminal_id
        finally:
            with suppress(*_FAILED), anyio.move_on_after(RELEASE_S, shield=True):
                await self._conn.release_terminal(self._outlet.session_id, made.terminal_id)

    async def _outcome(self, terminal: str, argv: Sequence[str], timeout_s: float) -> TerminalOutcome:
        """Show the terminal in a tool call, and wait for the program's end."""
        session, call = self._outlet.session_id, f"terminal/{terminal}"
        await self._outlet.send(
            start_tool_call(
                call,
                f"Run {' '.join(argv)}",
                kind="execute",
                status="in_progress",
                content=[tool_terminal_ref(terminal)],
                raw_input={"argv": list(argv)},
            )
        )
        exit_code: int | None = None
        with anyio.move_on_after(timeout_s) as waiting:
            exit_code = (await self._conn.wait_for_terminal_exit(session, terminal)).exit_code
        if waiting.cancelled_caught:
            await self._conn.kill_terminal(session, terminal)
        printed = await self._conn.terminal_output(session, terminal)
        note = f"\nStopped after {timeout_s:g} s." if waiting.cancelled_caught else ""
        status = "completed" if exit_code == 0 else "failed"
        await self._outlet.send(update_tool_call(call, status=status, raw_output={"exit_code": exit_code}))
        return TerminalOutcome(exit_code=exit_code, output=printed.output + note, is_cut=printed.truncated)

    def _as_shown(self, path: Path) -> str:
        """`path` as the editor names it: its folder may be a link, and the core resolves links."""
        root = self._cwd.resolve()
        return str(self._cwd / path.relative_to(root)) if path.is_relative_to(root) else str(path)
