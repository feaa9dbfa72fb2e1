"""A client made of the official TypeScript SDK, led from a test: `tests/acp/node/client.mjs` in a process.

The SDK writes and reads the protocol and checks what comes with its own schemas; a test says which requests to make and
how to answer the agent's. `Person` is who sits at it: what they allow, what their editor's buffers and terminals hold.
"""

import json
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
from anyio.abc import Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.acp.process.node import CLIENT, node
from tests.acp.process.stage import AGENT, Stage

LOOK_S = 0.05
WAIT_S = 60.0
"""How long anything may take on a machine with other work."""
LINE_MAX_BYTES = 1 << 28
Params = dict[str, Any]

CAPABILITIES: Params = {
    "fs": {"readTextFile": True, "writeTextFile": True},
    "terminal": True,
    "session": {"configOptions": {"boolean": {}}},
}


class AgentError(Exception):
    """The agent answered with an error."""

    def __init__(self, code: int, message: str, data: Any) -> None:
        super().__init__(f"{code}: {message} ({data})")
        self.code, self.message, self.data = code, message, data


@dataclass
class Person:
    """Who sits at the client."""

    allows: str = "allow_once"
    """The kind of the option that they choose; `cancelled` for none."""
    picks: str = ""
    """The id of the option that they choose, where a kind does not say it."""
    buffers: dict[str, str] = field(default_factory=dict)
    """What their editor has open, by absolute path; other files come from the disk."""
    written: dict[str, str] = field(default_factory=dict)
    asked: list[Params] = field(default_factory=list)
    """Each permission request."""
    terminals: dict[str, tuple[int | None, str]] = field(default_factory=dict)
    commands: list[list[str]] = field(default_factory=list)
    """What ran in their terminals."""
    hesitates: anyio.Event | None = None
    """Permission requests wait for it."""

    async def answer(self, method: str, params: Params) -> Params:
        """The answer to a request of the agent; `KeyError` for one that this client does not know."""
        return await {
            "session/request_permission": self._permit,
            "fs/read_text_file": self._read,
            "fs/write_text_file": self._write,
            "terminal/create": self._run,
            "terminal/output": self._output,
            "terminal/wait_for_exit": self._exit,
            "terminal/kill": self._nothing,
            "terminal/release": self._nothing,
        }[method](params)

    async def _permit(self, params: Params) -> Params:
        self.asked.append(params)
        if self.hesitates is not None:
            await self.hesitates.wait()
        chosen = [
            option["optionId"]
            for option in params["options"]
            if option["optionId" if self.picks else "kind"] == (self.picks or self.allows)
        ]
        if self.allows == "cancelled":
            return {"outcome": {"outcome": "cancelled"}}
        return {"outcome": {"outcome": "selected", "optionId": chosen[0]}}

    async def _read(self, params: Params) -> Params:
        path = params["path"]
        return {"content": self.buffers[path] if path in self.buffers else Path(path).read_text()}

    async def _write(self, params: Params) -> Params:
        self.written[params["path"]] = params["content"]
        self.buffers[params["path"]] = params["content"]
        Path(params["path"]).write_text(params["content"])
        return {}

    async def _run(self, params: Params) -> Params:
        argv = [params["command"], *params.get("args", [])]
        self.commands.append(argv)
        env = {**os.environ, **{one["name"]: one["value"] for one in params.get("env") or []}}
        done = await anyio.run_process(argv, cwd=params.get("cwd"), env=env, check=False)
        name = f"term-{len(self.terminals) + 1}"
        self.terminals[name] = (done.returncode, (done.stdout + done.stderr).decode())
        return {"terminalId": name}

    async def _output(self, params: Params) -> Params:
        code, output = self.terminals[params["terminalId"]]
        return {"output": output, "truncated": False, "exitStatus": {"exitCode": code}}

    async def _exit(self, params: Params) -> Params:
        return {"exitCode": self.terminals[params["terminalId"]][0]}

    async def _nothing(self, params: Params) -> Params:
        return {}


@dataclass
class Asked:
    """A request to the agent that is under way."""

    id: int
    method: str
    _done: anyio.Event = field(default_factory=anyio.Event)
    result: Any = None
    error: AgentError | None = None

    @property
    def is_answered(self) -> bool:
        return self._done.is_set()

    async def answer(self, within_s: float = WAIT_S) -> Any:
        """Its result; raises `AgentError`, or `TimeoutError` after `within_s`."""
        with anyio.fail_after(within_s):
            await self._done.wait()
        if self.error is not None:
            raise self.error
        return self.result

    def settle(self, record: Params) -> None:
        if error := record.get("error"):
            self.error = AgentError(error["code"], error["message"], error["data"])
        else:
            self.result = record["result"]
        self._done.set()


class TypeScriptClient:
    """The client; open it by `typescript_client`."""

    def __init__(self, process: Process, tasks: TaskGroup, person: Person) -> None:
        self.person = person
        self.updates: list[Params] = []
        """The params of each session update, in order."""
        self.notifications: list[Params] = []
        self.invalid: list[Params] = []
        """What the SDK's schemas refused; must stay empty."""
        self.wire: list[tuple[str, str]] = []
        """Each line as it went over the wire, with `in` (from the agent) or `out`."""
        self.stderr = ""
        """What the agent wrote there; must stay empty."""
        self.withdrawn = 0
        """Requests of the agent that it cancelled."""
        self.pid = 0
        """The agent's process."""
        self.ended: Params | None = None
        """How the agent's process ended."""
        self._process = process
        self._tasks = tasks
        self._asked: dict[int, Asked] = {}
        self._changed = anyio.Event()

    # -- asking the agent

    async def request(self, method: str, **params: Any) -> Any:
        """Make a request and wait for its answer; raises `AgentError`."""
        return await (await self.ask(method, **params)).answer()

    async def ask(self, method: str, **params: Any) -> Asked:
        """Make a request and go on."""
        asked = Asked(len(self._asked) + 1, method)
        self._asked[asked.id] = asked
        await self._tell({"id": asked.id, "request": method, "params": params, "abortable": True})
        return asked

    async def abort(self, asked: Asked) -> None:
        """Send `$/cancel_request` for it."""
        await self._tell({"abort": asked.id})

    async def notify(self, method: str, **params: Any) -> None:
        """Send a notification."""
        await self._tell({"notify": method, "params": params})

    async def raw(self, text: str) -> None:
        """Write to the agent past the SDK."""
        await self._tell({"raw": text})

    # -- what most sessions begin with

    async def initialize(self, **capabilities: Any) -> Params:
        """Say hello with all that this client can, or with other capabilities."""
        return await self.request(
            "initialize",
            protocolVersion=1,
            clientCapabilities={**CAPABILITIES, **capabilities},
            clientInfo={"name": "naestro-tests", "version": "1"},
        )

    async def new(self, workspace: Path, **params: Any) -> Params:
        """A new session."""
        return await self.request("session/new", cwd=str(workspace), mcpServers=[], **params)

    async def prompt(self, session: str, text: str) -> Params:
        """A prompt of text, to its end."""
        return await (await self.ask_prompt(session, text)).answer()

    async def ask_prompt(self, session: str, text: str) -> Asked:
        """A prompt of text, begun."""
        return await self.ask("session/prompt", sessionId=session, prompt=[{"type": "text", "text": text}])

    # -- looking at what came

    def of_kind(self, kind: str, session: str | None = None) -> list[Params]:
        """The updates of a kind, of one session or all."""
        return [
            one["update"]
            for one in self.updates
            if one["update"]["sessionUpdate"] == kind and session in (None, one["sessionId"])
        ]

    def text(self, session: str | None = None, kind: str = "agent_message_chunk") -> str:
        """All that the agent said."""
        return "".join(one["content"].get("text", "") for one in self.of_kind(kind, session))

    def runs(self) -> list[str]:
        """The runs that updates named, in order."""
        named = [
            found
            for one in self.updates
            for meta in (one.get("_meta"), one["update"].get("_meta"))
            if (found := ((meta or {}).get("naestro") or {}).get("run"))
        ]
        return list(dict.fromkeys(named))

    async def until(self, is_so: Callable[[], object], within_s: float = WAIT_S) -> None:
        """Wait until `is_so()`; raises `TimeoutError`.

        Looked at after each record, and now and then: what a record leads to here, such as a question to a person,
        comes behind it.
        """
        with anyio.fail_after(within_s):
            while not is_so():
                with anyio.move_on_after(LOOK_S):
                    await self._changed.wait()

    def check(self) -> None:
        """Nothing but protocol was said, all of it as the SDK's schemas want it."""
        assert self.invalid == []
        assert self.stderr == ""
        for direction, line in self.wire:
            assert direction == "out" or json.loads(line)["jsonrpc"] == "2.0"

    # -- the process

    async def _tell(self, record: Params) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send(json.dumps(record).encode() + b"\n")

    async def listen(self) -> None:
        """Take what the process says, until it ends."""
        assert self._process.stdout is not None
        lines = BufferedByteReceiveStream(self._process.stdout)
        while True:
            try:
                line = await lines.receive_until(b"\n", LINE_MAX_BYTES)
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return
            self._take(json.loads(line))
            changed, self._changed = self._changed, anyio.Event()
            changed.set()

    def _take(self, record: Params) -> None:
        match record:
            case {"id": number}:
                self._asked[number].settle(record)
            case {"ask": number, "method": method, "params": params}:
                self._tasks.start_soon(self._answer, number, method, params)
            case {"update": params}:
                self.updates.append(params)
            case {"wire": direction, "line": line}:
                self.wire.append((direction, line))
            case {"started": pid}:
                self.pid = pid
            case {"closed": _}:
                self.ended = record
            case _:
                self._note(record)

    def _note(self, record: Params) -> None:
        match record:
            case {"invalid": _}:
                self.invalid.append(record)
            case {"notification": _}:
                self.notifications.append(record)
            case {"stderr": text}:
                self.stderr += text
            case {"withdrawn": _}:
                self.withdrawn += 1

    async def _answer(self, number: int, method: str, params: Params) -> None:
        try:
            answer = {"result": await self.person.answer(method, params)}
        except (KeyError, OSError) as error:
            answer = {"error": {"code": -32603, "message": repr(error)}}
        await self._tell({"answer": number, **answer})


@asynccontextmanager
async def typescript_client(
    stage: Stage,
    *,
    person: Person | None = None,
    command: Sequence[str] = AGENT,
    env: Mapping[str, str] | None = None,
) -> AsyncGenerator[TypeScriptClient]:
    """A client with an agent of its own; at the end both are gone, and nothing but protocol was said."""
    failure: Exception | None = None
    async with (
        await anyio.open_process(
            [str(node()), str(CLIENT), *command],
            stdin=PIPE,
            stdout=PIPE,
            stderr=None,
            env={**stage.env, **(env or {})},
            cwd=stage.folder,
        ) as process,
        anyio.create_task_group() as tasks,
    ):
        client = TypeScriptClient(process, tasks, person or Person())
        tasks.start_soon(client.listen)
        try:
            with anyio.fail_after(WAIT_S):
                await client.until(lambda: client.pid)
            yield client
            client.check()
        except Exception as error:
            failure = error  # raised below, where no task group wraps it
        finally:
            process.kill()
            if client.pid and client.ended is None:
                _kill(client.pid)
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
