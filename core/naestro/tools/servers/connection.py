"""One server of tools, as one run uses it: started when first needed, started again when it died, within its time.

`source` above asks it for tools and makes calls; below stand the two transports and the protocol's library. Whatever a
server does, a call of it ends: in a result, or in a `ToolError`. It knows no permission and no journal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import getLogger
from pathlib import Path
from time import monotonic
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    REQUEST_TIMEOUT,
    CallToolResult,
    Implementation,
    Tool,
)
from pydantic import ValidationError

from naestro import __version__
from naestro.errors import ConfigError, ToolError, ToolTimeout, ToolUnavailable
from naestro.runs.faults import leaves
from naestro.tools.servers.allowed import Described
from naestro.tools.servers.definition import Definition
from naestro.tools.servers.gate import Gate
from naestro.tools.servers.results import hints_of, text_of
from naestro.tools.servers.stdio import Ended
from naestro.tools.servers.way import Terms, Way, log_path
from naestro.tools.tool import RESULT_CHARS_MAX, ToolResult, cut_result
from naestro.types import Json

FAILURES_MAX: Final = 3
"""Starts in a row that may fail in one run; what lasts longer does not mend itself."""
FIRST_PAUSE_S: Final = 0.5
PAGES_MAX: Final = 20
END_S: Final = 1.0

log = getLogger(__name__)


@dataclass(slots=True)
class _Live:
    """A server that answers."""

    client: Client
    tools: dict[str, Described]
    ended: Ended
    closing: anyio.Event = field(default_factory=anyio.Event)


class Connection:
    """A server in the hands of one run. Methods may be called side by side."""

    def __init__(self, definition: Definition, terms: Terms, tasks: TaskGroup) -> None:
        """Start nothing yet; `tasks` hold the server, and end it when they are cancelled."""
        self.definition = definition
        self.lost: dict[str, str] = {}
        """Tools whose description is broken, each with what is wrong."""
        self._terms, self._tasks = terms, tasks
        self._live: _Live | None = None
        self._first: dict[str, Described] | None = None
        self._lock = anyio.Lock()
        self._failures = 0
        self._failed_at = 0.0
        self._used_s = 0.0
        self._in_flight = 0
        self._way = Way(definition, terms)

    @property
    def log(self) -> Path:
        """Where its standard error lies."""
        return log_path(self._terms.logs, self.definition)

    async def tools(self) -> list[Described]:
        """What it has, as it said when it was first asked. Raises `ToolError` where it cannot be reached."""
        if self._first is None:
            await self._session()
        return list((self._first or {}).values())

    async def call(self, tool: str, arguments: Mapping[str, Json]) -> ToolResult:
        """What `tool` gives. Raises `ToolError`; the server goes on, or is started again at the next call."""
        settings = self._terms.settings
        left_s = settings.server_s - self._used_s
        if left_s <= 0:
            raise ToolTimeout(
                f"The run has waited {settings.server_s:g} s for the server {self.name}, its share."
            )
        began = monotonic()
        self._in_flight += 1
        try:
            live = await self._session()
            self._check(live, tool)
            return await self._call(live, tool, arguments, min(settings.call_s, left_s))
        except ToolTimeout:
            await self._give_up()
            raise
        finally:
            self._in_flight -= 1
            self._used_s += monotonic() - began

    async def _give_up(self) -> None:
        """After a call without an answer: a program that nobody else waits for is ended, and starts anew when asked."""
        if not self.definition.is_remote and self._in_flight == 1:
            await self.aclose()

    async def aclose(self) -> None:
        """End it."""
        if self._live is not None:
            self._live.closing.set()
            self._live = None

    @property
    def name(self) -> str:
        """The server's."""
        return self.definition.name

    def _check(self, live: _Live, tool: str) -> None:
        """A server that was started again must still mean what it said before. Raises `ToolUnavailable`."""
        before = (self._first or {}).get(tool)
        if before is None or live.tools.get(tool) != before:
            raise ToolUnavailable(
                f"The server {self.name} describes {tool} in another way since it was started again."
            )

    async def _call(self, live: _Live, tool: str, arguments: Mapping[str, Json], call_s: float) -> ToolResult:
        try:
            # The library's own timeout tells the server that the call is given up; this one is for what it overlooks.
            with anyio.fail_after(call_s + END_S):
                result = await live.client.call_tool(tool, dict(arguments), read_timeout_seconds=call_s)
        except TimeoutError as error:
            raise ToolTimeout(f"{self.name} did not answer {tool} within {call_s:g} s.") from error
        except MCPError as error:
            raise await self._fault(live, error, tool, call_s) from error
        except (ValidationError, RuntimeError, ValueError) as error:
            raise ToolError(
                f"The answer of {self.name} to {tool} is not usable: {self._way.words(str(error))}"
            ) from error
        return self._result(result)

    def _result(self, result: CallToolResult) -> ToolResult:
        text, whole = cut_result(self._way.masked(text_of(result)), RESULT_CHARS_MAX)
        return ToolResult(text, is_error=bool(result.is_error), whole_chars=whole)

    async def _fault(self, live: _Live, error: MCPError, tool: str, call_s: float) -> ToolError:
        if error.code == REQUEST_TIMEOUT:
            return ToolTimeout(f"{self.name} did not answer {tool} within {call_s:g} s.")
        if _is_closed(error):
            with anyio.move_on_after(END_S):
                await live.ended.event.wait()
            return live.ended.error or ToolUnavailable(f"The server {self.name} ended.")
        return ToolError(f"{self.name} refused {tool}: {self._way.words(str(error))}")

    async def _session(self) -> _Live:
        """The running server; started where it does not run. Raises `ToolError`."""
        async with self._lock:
            if self._live is not None and not self._live.ended.event.is_set():
                return self._live
            self._live = None
            await self._pause()
            try:
                live = await self._started()
            except ToolError:
                self._failures += 1
                self._failed_at = monotonic()
                raise
            self._live, self._failures = live, 0
            self._first = live.tools if self._first is None else self._first
            return live

    async def _pause(self) -> None:
        """Wait as the failures before ask for. Raises `ToolUnavailable` after too many."""
        if self._failures >= FAILURES_MAX:
            raise ToolUnavailable(f"The server {self.name} failed {self._failures} times and is left alone.")
        if self._failures:
            pause_s = FIRST_PAUSE_S * 2 ** (self._failures - 1)
            await anyio.sleep(max(0.0, pause_s - (monotonic() - self._failed_at)))

    async def _started(self) -> _Live:
        start_s = self._terms.settings.start_s
        ended = Ended()
        try:
            with anyio.fail_after(start_s):
                return await self._tasks.start(self._keep, ended)
        except TimeoutError as error:
            raise ToolTimeout(f"The server {self.name} did not start within {start_s:g} s.") from error
        except Exception as error:  # the boundary of a connection
            raise self._start_fault(error, ended) from error

    def _start_fault(self, error: Exception, ended: Ended) -> ToolError:
        leaf = next(iter(leaves(error)))
        if isinstance(leaf, ToolError):
            return leaf
        if isinstance(leaf, ConfigError):
            return ToolUnavailable(leaf.message, hint=leaf.hint)
        if isinstance(leaf, MCPError) and _is_closed(leaf) and ended.error is not None:
            return ToolUnavailable(f"{ended.error.message} See `naestro tools log {self.name}`.")
        return ToolUnavailable(
            f"The server {self.name} did not start: {self._way.words(str(leaf) or type(leaf).__name__)}"
        )

    async def _keep(self, ended: Ended, *, task_status: TaskStatus[_Live]) -> None:
        """Hold the server until it ends or is closed; whatever happens after its start ends here.

        It is offered nothing of ours: no roots (some servers take them for leave to reach all of the workspace,
        whatever folder they were started with), no model to ask, and no person, whom it would keep waiting.
        """
        gate = Gate(self.name, self._terms.settings.message_max_bytes)
        is_started = False
        try:
            async with Client(
                self._way.open(gate, ended),
                # Two questions may have to be asked before it is known which version it speaks.
                read_timeout_seconds=self._terms.settings.start_s / 2,
                client_info=Implementation(name="naestro", version=__version__),
                cache=None,
            ) as client:
                gate.version = client.protocol_version
                live = _Live(client, await self._listed(client), ended)
                self.lost = gate.lost
                task_status.started(live)
                is_started = True
                await self._until_closed(live)
        except Exception as error:
            if not is_started:
                raise
            log.info("The connection to the server %s broke.", self.name, exc_info=error)
        finally:
            ended.by(None)

    async def _until_closed(self, live: _Live) -> None:
        async with anyio.create_task_group() as group:

            async def wait(event: anyio.Event) -> None:
                await event.wait()
                group.cancel_scope.cancel()

            group.start_soon(wait, live.closing)
            group.start_soon(wait, live.ended.event)

    async def _listed(self, client: Client) -> dict[str, Described]:
        """All tools by name, page by page."""
        found: dict[str, Described] = {}
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            page = await client.list_tools(cursor=cursor)
            for tool in page.tools:
                found.setdefault(tool.name, _described(tool))
            cursor = page.next_cursor
            if cursor is None:
                break
        return found


def _is_closed(error: MCPError) -> bool:
    """Whether the library says that the connection is gone; servers use its code (-32000) for errors of their own."""
    return error.code == CONNECTION_CLOSED and "onnection closed" in error.message


def _described(tool: Tool) -> Described:
    title = tool.title or (tool.annotations.title if tool.annotations else None) or ""
    hints: dict[str, Json] = dict(hints_of(tool.annotations))
    return Described(tool.name, tool.description or "", dict(tool.input_schema), title, hints)
