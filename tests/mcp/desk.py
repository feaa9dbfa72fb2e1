"""A program with a person before it: the Python SDK's client, a real core, a scripted engine.

`plugin.serve` speaks on one end of a socket pair, with the client that a daemon would hand to it; the SDK's `Client`
on the other, in either era of the protocol. Nothing of Naestro is replaced.
"""

import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.shared.message import SessionMessage
from pydantic import FileUrl

from mcp import Client, types
from naestro.app import open_core
from naestro.client.local import LocalClient
from naestro_mcp.plugin import serve
from tests.support.cli import CONFIG

WAIT_S = 60.0
"""No wait in a test takes longer."""
LINE_MAX_BYTES = 64 << 20
LEGACY, MODERN = "legacy", "2026-07-28"
ERAS = [LEGACY, MODERN]
SOURCE = '''"""Adds."""


def add(left, right):
    """The sum."""
    return left - right
'''
MENDED = SOURCE.replace("left - right", "left + right")
TASK = "Make add in calc.py add its arguments"


@asynccontextmanager
async def messages(stream: SocketStream) -> AsyncGenerator[Any]:
    """A client's transport: one message a line, both ways, as the SDK's streams."""
    into, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, out = anyio.create_memory_object_stream[SessionMessage](0)

    async def read() -> None:
        lines = BufferedByteReceiveStream(stream)
        gone = (anyio.IncompleteRead, anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream)
        with into, suppress(*gone):
            while True:
                line = await lines.receive_until(b"\n", LINE_MAX_BYTES)
                await into.send(
                    SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
                )

    async def write() -> None:
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async for item in out:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                await stream.send(text.encode() + b"\n")

    with into, incoming, outgoing, out:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            tasks.start_soon(write)
            yield incoming, outgoing
            tasks.cancel_scope.cancel()


@dataclass
class Person:
    """What the client's person says, and what they were asked and told."""

    says: list[types.ElicitResult] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    told: list[str | None] = field(default_factory=list)
    notices: list[Any] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    """Folders; none: the client has no roots."""

    async def elicit(self, context: Any, params: Any) -> types.ElicitResult:
        self.asked.append(params.message)
        return self.says.pop(0)

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.told.append(message)

    async def list_roots(self, context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(
            roots=[types.Root(uri=FileUrl(Path(one).as_uri())) for one in self.roots]
        )

    async def hear(self, message: Any) -> None:
        self.notices.append(message)


def yes() -> types.ElicitResult:
    """A person's yes."""
    return types.ElicitResult(action="accept", content={"answer": "yes"})


@dataclass
class Desk:
    """A client's connection, and the core behind it."""

    client: Client
    core: LocalClient
    person: Person
    workspace: Path

    async def call(self, name: str, **arguments: Any) -> types.CallToolResult:
        """A tool's result, with its progress told to the person."""
        with anyio.fail_after(WAIT_S):
            return await self.client.call_tool(name, arguments, progress_callback=self.person.progress)

    async def ask(self, name: str, **arguments: Any) -> dict[str, Any]:
        """A tool's structured content; the call must not fail."""
        result = await self.call(name, **arguments)
        assert not result.is_error, text_of(result)
        return result.structured_content

    async def refused(self, name: str, **arguments: Any) -> str:
        """The words of a failure."""
        result = await self.call(name, **arguments)
        assert result.is_error
        assert result.structured_content is None
        return text_of(result)

    async def index(self) -> None:
        """Make the workspace's index."""
        async with self.core.index.update(str(self.workspace)) as steps:
            assert [step.phase async for step in steps][-1] == "done"

    def source(self) -> str:
        """What the file says now."""
        return (self.workspace / "calc.py").read_text()


def text_of(result: types.CallToolResult) -> str:
    """The text of a result."""
    return "".join(block.text for block in result.content if isinstance(block, types.TextContent))


def said_in(result: Any) -> str:
    """The text of a resource."""
    return "".join(one.text for one in result.contents)


@asynccontextmanager
async def connected(
    core: LocalClient, workspace: Path, mode: str, person: Person, *, can_ask: bool = True
) -> AsyncGenerator[Desk]:
    """A client of `core`, started in `workspace`."""
    ours, theirs = socket.socketpair()
    async with (
        await SocketStream.from_socket(ours) as stream,
        anyio.create_task_group() as tasks,
        await SocketStream.from_socket(theirs) as other,
    ):
        tasks.start_soon(serve, stream, core, workspace)
        client = Client(
            messages(other),
            mode=mode,
            elicitation_callback=person.elicit if can_ask else None,
            list_roots_callback=person.list_roots if person.roots else None,
            message_handler=person.hear,
        )
        async with client:
            yield Desk(client, core, person, workspace)


@asynccontextmanager
async def core_in(
    folder: Path, base_url: str, patch: pytest.MonkeyPatch, more: str = ""
) -> AsyncGenerator[LocalClient]:
    """A core with settings of its own and the scripted server for every role; the workspace holds one file."""
    patch.setenv("NAESTRO_HOME", str(folder / "home"))
    patch.setenv("NAESTRO_CACHE", str(folder / "cache"))
    patch.setenv("NAESTRO_INDEX__AUTOMATIC", "false")
    for name in ("home", "workspace"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "home" / "config.toml").write_text((CONFIG.format(url=base_url) if base_url else "") + more)
    (folder / "workspace" / "calc.py").write_text(SOURCE)
    async with open_core("a test") as core:
        yield core


@asynccontextmanager
async def desk_in(
    folder: Path, patch: pytest.MonkeyPatch, mode: str, base_url: str = "", more: str = "", **kwargs: Any
) -> AsyncGenerator[Desk]:
    """Everything."""
    person = kwargs.pop("person", None) or Person()
    async with (
        core_in(folder, base_url, patch, more) as core,
        connected(core, folder / "workspace", mode, person, **kwargs) as desk,
    ):
        yield desk


class Wire:
    """The other end of a connection by hand: lines of JSON, well-formed or not."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self._lines = BufferedByteReceiveStream(stream)

    async def write(self, data: bytes) -> None:
        await self.stream.send(data)

    async def send(self, **message: Any) -> None:
        await self.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def receive(self) -> Any:
        with anyio.fail_after(WAIT_S):
            return json.loads(await self._lines.receive_until(b"\n", LINE_MAX_BYTES))

    async def open(self) -> "Wire":
        """The handshake."""
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "by hand", "version": "1"},
        }
        await self.send(id="init", method="initialize", params=params)
        assert (await self.receive())["id"] == "init"
        await self.send(method="notifications/initialized")
        return self


@asynccontextmanager
async def wired(core: LocalClient, workspace: Path) -> AsyncGenerator[Wire]:
    """A connection by hand; its server's end is awaited."""
    ours, theirs = socket.socketpair()
    async with await SocketStream.from_socket(ours) as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(serve, stream, core, workspace)
        async with await SocketStream.from_socket(theirs) as other:
            yield Wire(other)
