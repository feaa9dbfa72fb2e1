"""A server of tools that is a program, spoken to over its standard input and output, within bounds.

`connection` above hands the streams to the protocol's library. The library's own transport buffers a line however long
it is, keeps no standard error, and leaves the program behind when this process is killed; hence this one. Below stand
`child` (which ends the program with its holder), `lines` and `gate`.
"""

import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter

from naestro.errors import ToolUnavailable
from naestro.tools.servers import child
from naestro.tools.servers.gate import Gate
from naestro.tools.servers.lines import BoundedLines, Overlong, answered_id, is_list, mended
from naestro.tools.servers.veil import Veil, VeiledLog

READ_BYTES = 65_536
END_S = 6.0
"""How long ending a server may take: `child` has killed it by then."""
FLUSH_S = 0.5
"""For the last message, before the server's input is closed."""

Read = MemoryObjectReceiveStream[SessionMessage | Exception]
Write = MemoryObjectSendStream[SessionMessage]


@dataclass(frozen=True, slots=True)
class Program:
    """What to start."""

    name: str
    """The server's, for messages."""
    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path
    log: Path
    """Where what it writes to its standard error is kept."""
    veil: Veil = field(default_factory=Veil)
    """What of that is left out."""


@dataclass(slots=True)
class Ended:
    """Whether, and why, a connection has ended."""

    event: anyio.Event = field(default_factory=anyio.Event)
    error: ToolUnavailable | None = None

    def by(self, error: ToolUnavailable | None) -> None:
        """It has ended; the first reason counts."""
        self.error = self.error or error
        self.event.set()


@asynccontextmanager
async def open_program(program: Program, gate: Gate, ended: Ended) -> AsyncGenerator[tuple[Read, Write]]:
    """The streams to a new process of `program`; leaving ends it with everything that it started.

    Raises `ToolUnavailable` where nothing can be started.
    """
    held, holder = os.pipe()
    try:
        process = await _start(program, held)
    except BaseException:
        os.close(holder)
        raise
    finally:
        os.close(held)
    to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    link = _Link(process, program, gate, ended)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.read, to_session)
            tasks.start_soon(link.keep_errors)
            tasks.start_soon(link.write, from_session)
            try:
                yield from_server, to_server
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(process, holder, to_server, link)
                holder = -1
                tasks.cancel_scope.cancel()
    finally:
        if holder >= 0:  # pragma: no cover - a task could not even be started
            os.close(holder)
        for stream in (to_session, from_server, to_server, from_session):
            stream.close()


async def _start(program: Program, held: int) -> Process:
    argv = [sys.executable, "-I", "-S", str(Path(child.__file__)), str(held), *program.argv]
    try:
        return await anyio.open_process(
            argv,
            env=dict(program.environment),
            cwd=program.cwd,
            start_new_session=True,
            pass_fds=(held,),
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ToolUnavailable(f"The server {program.name} cannot be started: {reason}.") from error


async def _end(process: Process, holder: int, to_server: Write, link: "_Link") -> None:
    """Close the server's input, and have `child` end it where that is not enough."""
    to_server.close()
    with anyio.move_on_after(FLUSH_S):
        await link.is_written.wait()
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        assert process.stdin is not None
        await process.stdin.aclose()
    os.close(holder)
    with anyio.move_on_after(END_S):
        await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    await process.aclose()


class _Link:
    """The pipes of one process."""

    def __init__(self, process: Process, program: Program, gate: Gate, ended: Ended) -> None:
        self._process, self._program, self._gate, self._ended = process, program, gate, ended
        self._log = VeiledLog(program.log, program.veil)
        self.is_written = anyio.Event()
        """Set when there is nothing more to write."""

    async def read(self, to_session: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        """Bring the server's messages to the session until it ends or is ended."""
        error: ToolUnavailable | None = None
        try:
            await self._bring(to_session)
        except ToolUnavailable as fault:
            error = fault
            self._log.write(f"[naestro] {fault.message}\n".encode())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            pass  # the session is gone, or the pipe broke
        finally:
            self._ended.by(error or ToolUnavailable(f"The server {self._program.name} ended."))
            to_session.close()
        if error is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)

    async def _bring(self, to_session: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        lines = BoundedLines(self._gate.message_max_bytes)
        stdout = self._process.stdout
        assert stdout is not None
        async for data in _pieces(stdout):
            for line in lines.feed(data):
                for message in self._messages(line):
                    await to_session.send(SessionMessage(await self._gate.admit(message)))

    def _messages(self, line: bytes | Overlong) -> list[JSONRPCMessage]:
        """What a line says; an error in the place of an answer that cannot be read; nothing for what is no message."""
        if isinstance(line, Overlong):
            self._gate.count(0)
            words = f"Its answer has {line.size_bytes:,} bytes; at most {self._gate.message_max_bytes:,} are read."
            return self._blame(line.head, line.tail, words)
        self._gate.count(len(line))
        if not line.strip():
            return []
        try:
            return _read(line)
        except (ValueError, RecursionError):
            self._gate.junk()
            is_message = line.lstrip()[:1] in (b"{", b"[")
            return self._blame(line, line, "Its answer is no valid JSON.") if is_message else []

    def _blame(self, head: bytes, tail: bytes, words: str) -> list[JSONRPCMessage]:
        """An error for the request that a broken message answers; where that cannot be told, the connection ends."""
        request = answered_id(head, tail, self._gate.pending)
        if request is None:
            if self._gate.pending:
                raise ToolUnavailable(f"The server {self._program.name} was ended. {words}")
            return []
        self._gate.pending.discard(request)
        return [JSONRPCError(jsonrpc="2.0", id=request, error=ErrorData(code=INTERNAL_ERROR, message=words))]

    async def write(self, from_session: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Bring the session's messages to the server."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            async for one in from_session:
                self._gate.sent(one.message)
                await _send(stdin, one.message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            self._ended.by(ToolUnavailable(f"The server {self._program.name} takes no more messages."))
            from_session.close()
        finally:
            self.is_written.set()

    async def keep_errors(self) -> None:
        """Keep what the server writes to its standard error, the end of it where that is much."""
        stderr = self._process.stderr
        assert stderr is not None
        try:
            async for data in _pieces(stderr):
                self._log.write(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            pass  # the pipe broke
        finally:
            self._log.end()


def _read(line: bytes) -> list[JSONRPCMessage]:
    """The messages of a line: one, or several, as protocol 2025-03-26 has them. Raises `ValueError`, `RecursionError`.

    What is JSON but for a sign (half a surrogate pair, a byte that is no UTF-8) is read without that sign.
    """
    try:
        return [jsonrpc_message_adapter.validate_json(line, by_name=False)]
    except ValueError:
        found = mended(line)
        items = found if is_list(found) else [found]
        return [jsonrpc_message_adapter.validate_python(one, by_name=False) for one in items]


async def _send(stdin: ByteSendStream, message: JSONRPCMessage) -> None:
    await stdin.send(message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")


async def _pieces(stream: ByteReceiveStream) -> AsyncGenerator[bytes]:
    while True:
        try:
            yield await stream.receive(READ_BYTES)
        except anyio.EndOfStream:
            return
