"""A front end as a client's bare pipes: what is sent is what the test says, byte for byte.

Its standard error is never read while it runs, as with a client that forgets to, and must be empty at the end.
"""

import json
import os
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.acp.process.stage import AGENT, Stage

WAIT_S = 60.0
LINE_MAX_BYTES = 1 << 28
GONE_S = 1.0
"""How long a front end may outlive its client. A process under coverage writes its figures in that time, too."""
BUSY_S = 4.0
"""The same on a machine with other work, where a second may pass before a process is scheduled."""
Message = dict[str, Any]


class FrontEnd:
    """The process and its pipes; open it by `front_end`."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.pid = process.pid
        self.received: list[Message] = []
        """All that came, in order."""
        self._process = process
        self._stdin, self._stderr = process.stdin, process.stderr
        self._lines = BufferedByteReceiveStream(process.stdout)
        self._last_id = 0

    async def send_bytes(self, data: bytes) -> None:
        """Send `data` as it is."""
        with anyio.fail_after(WAIT_S):
            await self._stdin.send(data)

    async def send(self, message: object) -> None:
        """Send one message as a line."""
        await self.send_bytes(json.dumps(message).encode() + b"\n")

    async def begin(self, method: str, **params: Any) -> int:
        """Send a request; its id."""
        self._last_id += 1
        await self.send({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        return self._last_id

    async def notify(self, method: str, **params: Any) -> None:
        """Send a notification."""
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def read(self) -> Message:
        """The next message, whatever it is; `EndOfStream` where there is none."""
        with anyio.fail_after(WAIT_S):
            line = await self._lines.receive_until(b"\n", LINE_MAX_BYTES)
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0", line
        self.received.append(message)
        return message

    async def answer(self, request: int | str | None) -> Message:
        """The response to `request`, sent or still to come."""
        while not (found := [one for one in self.received if _answers(one, request)]):
            await self.read()
        return found[0]

    async def ask(self, method: str, **params: Any) -> Message:
        """A request and its response."""
        return await self.answer(await self.begin(method, **params))

    async def initialize(self) -> Message:
        """Say hello as a client that can do nothing; the result."""
        said = await self.ask("initialize", protocolVersion=1, clientCapabilities={})
        return said["result"]

    async def new(self, workspace: Path) -> str:
        """The id of a new session."""
        return (await self.ask("session/new", cwd=str(workspace), mcpServers=[]))["result"]["sessionId"]

    async def begin_prompt(self, session: str, text: str) -> int:
        """Send a prompt; its id."""
        return await self.begin("session/prompt", sessionId=session, prompt=[{"type": "text", "text": text}])

    async def until_update(self, kind: str) -> Message:
        """The next update of a kind."""
        while True:
            message = await self.read()
            if (
                message.get("method") == "session/update"
                and message["params"]["update"]["sessionUpdate"] == kind
            ):
                return message

    async def run(self) -> str:
        """The run that the next update with one names."""
        while True:
            params = (await self.read()).get("params") or {}
            for meta in (params.get("_meta"), (params.get("update") or {}).get("_meta")):
                if named := ((meta or {}).get("naestro") or {}).get("run"):
                    return named

    async def close(self) -> None:
        """Close its standard input."""
        await self._stdin.aclose()

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def gone(self, within_s: float = BUSY_S) -> int:
        """Its exit code; raises `TimeoutError` where it lives on."""
        with anyio.fail_after(within_s):
            return await self._process.wait()

    async def stderr(self) -> bytes:
        """What it wrote there, once it is gone."""
        said = b""
        with suppress(anyio.EndOfStream), anyio.fail_after(WAIT_S):
            while True:
                said += await self._stderr.receive()
        return said


def _answers(message: Message, request: int | str | None) -> bool:
    return "method" not in message and message.get("id") == request


@asynccontextmanager
async def front_end(
    stage: Stage,
    cwd: Path | None = None,
    *,
    command: Sequence[str] = AGENT,
    env: Mapping[str, str] | None = None,
) -> AsyncGenerator[FrontEnd]:
    """A front end of `stage`; at the end it is gone and has written nothing but protocol."""
    process = await anyio.open_process(
        list(command),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={**stage.env, **(env or {})},
        cwd=cwd or stage.folder,
    )
    opened = FrontEnd(process)
    try:
        yield opened
        await opened.close()
        await opened.gone(WAIT_S)
        assert (await opened.stderr()).decode() == ""
    except anyio.IncompleteRead as error:
        error.add_note(f"The front end ended; it wrote: {(await opened.stderr()).decode()}")
        raise
    finally:
        opened.kill(signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await process.aclose()
