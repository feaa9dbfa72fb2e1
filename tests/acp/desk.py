"""An editor with a person before it: the Python SDK's client over a socket pair, a real core, a scripted engine.

`Person` records what it is shown and answers as it was told; files and terminals are its own. Nothing of Naestro is
replaced: `plugin.serve` speaks on the other end of the pair, with the client that a daemon would hand to it.
"""

import asyncio  # noqa: TID251 the SDK's client takes asyncio's streams
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from acp.client.connection import ClientSideConnection
from acp.connection import StreamEvent
from acp.helpers import text_block
from acp.router import MessageRouter
from anyio.abc import SocketStream

import acp
from acp import schema
from naestro.app import open_core
from naestro.client.local import LocalClient
from naestro.types import Event
from naestro_acp.editor import AcpEditor
from naestro_acp.outlet import ClientConnection, Outlet
from naestro_acp.plugin import serve
from naestro_acp.sdk_gaps import connect
from naestro_acp.transport import LineTransport
from tests.support.cli import CONFIG

LOOK_S = 0.05
WAIT_S = 30.0
"""No wait in a test takes longer."""
SOURCE = '''"""Adds."""


def add(left, right):
    """The sum."""
    return left - right
'''
MENDED = SOURCE.replace("left - right", "left + right")
PATCH = """`add` subtracts, it should add.

calc.py
<<<<<<< SEARCH
    return left - right
=======
    return left + right
>>>>>>> REPLACE
"""
ALL = schema.ClientCapabilities(
    fs=schema.FileSystemCapabilities(read_text_file=True, write_text_file=True), terminal=True
)
NOTHING = schema.ClientCapabilities()
FORMS = schema.ClientCapabilities(
    elicitation=schema.ElicitationCapabilities(form=schema.ElicitationFormCapabilities())
)

Pick = str | None | Callable[[], Any]
"""An option's id, None for a cancelled question, or a function that is awaited and gives one of these."""


@dataclass
class Person:
    """The client's side: what is shown, and what is answered."""

    picks: list[Pick] = field(default_factory=list)
    """The answers to the next permission requests, in order."""
    shown: list[Any] = field(default_factory=list)
    """Every update."""
    metas: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[schema.ToolCallUpdate, list[schema.PermissionOption]]] = field(default_factory=list)
    forms: list[dict[str, Any] | None] = field(default_factory=list)
    """The contents of the next forms; None declines."""
    broken: bool = False
    """Whether forms are answered with an error."""
    messages: list[str] = field(default_factory=list)
    """The messages of the forms that came."""
    read: list[str] = field(default_factory=list)
    """The files that were asked for."""
    buffers: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    programs: list[list[str]] = field(default_factory=list)
    exit_code: int | None = 0
    calls: list[str] = field(default_factory=list)
    """The terminal methods that were called."""
    changed: anyio.Event = field(default_factory=anyio.Event)

    def _moved(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; looked at after each call of the SDK, and now and then for what is no call."""
        with anyio.fail_after(WAIT_S):
            while not condition():
                with anyio.move_on_after(LOOK_S):
                    await self.changed.wait()

    # -- what the SDK calls

    async def session_update(self, session_id: str, update: Any, **kwargs: Any) -> None:
        self.shown.append(update)
        self.metas.append(kwargs)
        self._moved()

    async def request_permission(
        self, session_id: str, tool_call: Any, options: list[Any], **kwargs: Any
    ) -> schema.RequestPermissionResponse:
        self.asked.append((tool_call, options))
        self._moved()
        pick = self.picks.pop(0)
        if callable(pick):
            pick = await pick()
        if pick is None:
            return schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))
        return schema.RequestPermissionResponse(
            outcome=schema.AllowedOutcome(outcome="selected", option_id=pick)
        )

    async def create_elicitation(self, message: str, mode: Any, **kwargs: Any) -> Any:
        self.messages.append(message)
        self._moved()
        if self.broken:
            raise acp.RequestError.internal_error({"details": "no window"})
        content = self.forms.pop(0)
        if content is None:
            return schema.DeclineElicitationResponse(action="decline")
        return schema.AcceptElicitationResponse(action="accept", content=content)

    async def complete_elicitation(self, elicitation_id: str, **kwargs: Any) -> None:
        raise AssertionError("no form is completed by a URL here")

    async def read_text_file(
        self, session_id: str, path: str, line: int | None = None, limit: int | None = None, **kwargs: Any
    ) -> schema.ReadTextFileResponse:
        self.read.append(path)
        if path not in self.buffers:
            raise acp.RequestError.resource_not_found(path)
        return schema.ReadTextFileResponse(content=self.buffers[path])

    async def write_text_file(
        self, session_id: str, path: str, content: str, **kwargs: Any
    ) -> schema.WriteTextFileResponse:
        self.written[path] = self.buffers[path] = content
        Path(path).write_text(content)
        self._moved()
        return schema.WriteTextFileResponse()

    async def create_terminal(
        self,
        session_id: str,
        command: str,
        args: list[str] | None = None,
        env: Any = None,
        cwd: str | None = None,
        output_byte_limit: int | None = None,
        **kwargs: Any,
    ) -> schema.CreateTerminalResponse:
        self.programs.append([command, *(args or [])])
        self.calls.append("create")
        return schema.CreateTerminalResponse(terminal_id=f"t{len(self.programs)}")

    async def terminal_output(self, session_id: str, terminal_id: str, **kwargs: Any) -> Any:
        self.calls.append("output")
        return schema.TerminalOutputResponse(output="1 passed", truncated=False)

    async def wait_for_terminal_exit(self, session_id: str, terminal_id: str, **kwargs: Any) -> Any:
        self.calls.append("wait")
        self._moved()
        if self.exit_code is None:
            await anyio.sleep_forever()
        return schema.WaitForTerminalExitResponse(exit_code=self.exit_code)

    async def kill_terminal(self, session_id: str, terminal_id: str, **kwargs: Any) -> Any:
        self.calls.append("kill")
        return schema.KillTerminalResponse()

    async def release_terminal(self, session_id: str, terminal_id: str, **kwargs: Any) -> Any:
        self.calls.append("release")
        self._moved()
        return schema.ReleaseTerminalResponse()

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise acp.RequestError.method_not_found(method)

    async def ext_notification(self, method: str, params: dict[str, Any]) -> None:
        raise AssertionError(f"nobody should send {method}")

    def on_connect(self, conn: Any) -> None:
        pass

    # -- what was seen

    def of(self, kind: str) -> list[Any]:
        """The updates of one kind, in order."""
        return [one for one in self.shown if getattr(one, "session_update", "") == kind]

    @property
    def said(self) -> str:
        """The agent's messages."""
        return "".join(one.content.text for one in self.of("agent_message_chunk"))

    @property
    def thought(self) -> str:
        """The agent's thoughts."""
        return "".join(one.content.text for one in self.of("agent_thought_chunk"))

    @property
    def calls_by_id(self) -> dict[str, dict[str, Any]]:
        """Each tool call as the editor shows it in the end."""
        calls: dict[str, dict[str, Any]] = {}
        for one in self.shown:
            if getattr(one, "session_update", "") in ("tool_call", "tool_call_update"):
                fields = {key: value for key, value in one if value is not None and key != "session_update"}
                calls.setdefault(one.tool_call_id, {}).update(fields)
        return calls


@dataclass
class Desk:
    """A person, their editor's connection, and the core behind it."""

    person: Person
    agent: ClientSideConnection
    core: LocalClient
    workspace: Path
    session: str = ""

    async def open(self) -> str:
        """A new session in the workspace; its id."""
        self.session = (await self.agent.new_session(cwd=str(self.workspace), mcp_servers=[])).session_id
        return self.session

    async def ask(self, text: str) -> schema.PromptResponse:
        """One prompt, to its answer."""
        with anyio.fail_after(WAIT_S):
            return await self.agent.prompt(session_id=self.session, prompt=[text_block(text)])

    async def mode(self, mode: str) -> None:
        """Set the session's mode."""
        await self.agent.set_session_mode(session_id=self.session, mode_id=mode)

    async def last_run(self) -> list[Event]:
        """The events of the newest run."""
        return await self.core.history((await self.core.get("last")).id)

    def source(self) -> str:
        """What the file says now."""
        return (self.workspace / "calc.py").read_text()


@asynccontextmanager
async def connected(
    core: LocalClient,
    person: Person,
    workspace: Path,
    capabilities: schema.ClientCapabilities,
    watch: Callable[[StreamEvent], None] | None = None,
) -> AsyncGenerator[Desk]:
    """A connection of an editor to `core`; cut in the end, as when a window is closed."""
    ours, theirs = socket.socketpair()
    stream = await SocketStream.from_socket(ours)
    reader, writer = await asyncio.open_connection(sock=theirs, limit=64 * 1024 * 1024)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, stream, core, workspace)
        watching = [watch] if watch is not None else []
        agent = ClientSideConnection(person, writer, reader, use_unstable_protocol=True, observers=watching)
        desk = Desk(person, agent, core, workspace)
        try:
            # The SDK's own method drops the capabilities that it does not know.
            told = capabilities.model_dump(mode="json", by_alias=True, exclude_none=True)
            await agent._conn.send_request("initialize", {"protocolVersion": 1, "clientCapabilities": told})
            yield desk
        finally:
            with anyio.move_on_after(WAIT_S, shield=True):
                writer.close()
                await agent.close()


@asynccontextmanager
async def conn_of(person: Person) -> AsyncGenerator[ClientConnection]:
    """An agent's connection to `person`, without an agent; cut in the end."""
    ours, theirs = socket.socketpair()
    stream = await SocketStream.from_socket(ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    transport = LineTransport(stream)
    conn, _ = connect(MessageRouter(), transport)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.run_writer)
        tasks.start_soon(conn.listen)
        side = ClientSideConnection(person, writer, reader, use_unstable_protocol=True)
        try:
            yield conn
        finally:
            with anyio.move_on_after(WAIT_S, shield=True):
                writer.close()
                await side.close()
                await conn.close()
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def editor_of(
    person: Person, capabilities: schema.ClientCapabilities, cwd: Path
) -> AsyncGenerator[AcpEditor]:
    """The editor of `person` as the core sees it, over a connection that is cut in the end."""
    async with conn_of(person) as conn:
        yield AcpEditor(Outlet(conn, "s1"), capabilities, str(cwd))


@asynccontextmanager
async def core_in(folder: Path, base_url: str, patch: pytest.MonkeyPatch) -> AsyncGenerator[LocalClient]:
    """A core with settings of its own and the scripted server for every role; the workspace holds one file."""
    patch.setenv("NAESTRO_HOME", str(folder / "home"))
    patch.setenv("NAESTRO_CACHE", str(folder / "cache"))
    patch.setenv("NAESTRO_INDEX__AUTOMATIC", "false")
    for name in ("home", "workspace"):
        (folder / name).mkdir(exist_ok=True)
    if base_url:
        (folder / "home" / "config.toml").write_text(CONFIG.format(url=base_url))
    (folder / "workspace" / "calc.py").write_text(SOURCE)
    async with open_core("a test") as core:
        yield core


@asynccontextmanager
async def desk_in(
    folder: Path,
    base_url: str,
    patch: pytest.MonkeyPatch,
    capabilities: schema.ClientCapabilities = NOTHING,
    watch: Callable[[StreamEvent], None] | None = None,
) -> AsyncGenerator[Desk]:
    """Everything, with a session open."""
    async with (
        core_in(folder, base_url, patch) as core,
        connected(core, Person(), folder / "workspace", capabilities, watch) as desk,
    ):
        await desk.open()
        yield desk
