"""One server of tools, as one run uses it: started when first needed, started again when it died, within its time.

`source` above asks it for tools and makes calls; below stand the two transports and the protocol's library. Whatever a
server does, a call of it ends: in a result, or in a `ToolError`. It knows no permission and no journal.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from logging import getLogger
from pathlib import Path
from time import monotonic
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.client.client import Client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    REQUEST_TIMEOUT,
    CallToolResult,
    Implementation,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from naestro import __version__
from naestro.errors import ConfigError, ToolError, ToolTimeout, ToolUnavailable
from naestro.runs.faults import leaves
from naestro.tools.servers.allowed import Described
from naestro.tools.servers.definition import Definition
from naestro.tools.servers.gate import Gate
from naestro.tools.servers.listing import Listing, list_tools
from naestro.tools.servers.results import text_of
from naestro.tools.servers.stdio import Ended
from naestro.tools.servers.way import Terms, Way, log_path
from naestro.tools.tool import RESULT_CHARS_MAX, ToolResult, cut_result
from naestro.types import Json

FAILURES_MAX: Final = 3
"""Starts in a row that may fail in one run; what lasts longer does not mend itself."""
FIRST_PAUSE_S: Final = 0.5
SESSION_GONE: Final = "Session terminated"
"""What the protocol's library says where a server at an address forgot the session."""
END_S: Final = 1.0

log = getLogger(__name__)


@dataclass(slots=True)
class _Live:
    """A server that answers."""

    client: Client
    gate: Gate
    ended: Ended
    listing: Listing
    is_outdated: bool = False
    """Whether the server said that it has other tools now."""
    closing: anyio.Event = field(default_factory=anyio.Event)


class Connection:
    """A server in the hands of one run. Methods may be called side by side."""

    def __init__(self, definition: Definition, terms: Terms, tasks: TaskGroup) -> None:
        """Start nothing yet; `tasks` hold the server, and end it when they are cancelled."""
        self.definition = definition
        self.listing = Listing({}, {}, 0)
        """Its tools by now; empty before it was started."""
        self._terms, self._tasks = terms, tasks
        self._live: _Live | None = None
        self._first: dict[str, Described] | None = None
        self._relied: Collection[str] | None = None
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

    def rely_on(self, tools: Collection[str]) -> None:
        """From now on the server is off as a whole as soon as it describes one of `tools` in another way."""
        self._relied = frozenset(tools)

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
            if live.is_outdated:
                await self._list_again(live, min(settings.call_s, left_s))
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
        """A server that was started again, or has other tools, must mean what it said. Raises `ToolUnavailable`."""
        first = self._first or {}
        relied = first if self._relied is None else self._relied
        changed = [
            one for one in relied if one in live.listing.tools and live.listing.tools[one] != first.get(one)
        ]
        if changed:
            raise ToolUnavailable(
                f"The server {self.name} is off: by now it describes {', '.join(changed[:5])} in another way.",
                hint=f"Look at it with `naestro tools show {self.name}`, and allow it again.",
            )
        if tool not in first or tool not in live.listing.tools:
            raise ToolUnavailable(f"The server {self.name} has no tool {tool} any more.")

    async def _list_again(self, live: _Live, within_s: float) -> None:
        """The tools that the server has by now. Raises `ToolError`."""
        live.is_outdated = False
        try:
            with anyio.fail_after(within_s):
                live.listing = self.listing = await list_tools(live.client, live.gate, self._way.veil)
        except TimeoutError as error:
            live.is_outdated = True
            raise ToolTimeout(f"{self.name} did not list its tools anew within {within_s:g} s.") from error
        except MCPError as error:
            live.is_outdated = True
            raise await self._fault(live, error, "tools/list", within_s) from error

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
                f"The answer of {self.name} to {tool} is not usable: {self._way.words(_told(error))}"
            ) from error
        return self._result(result)

    def _result(self, result: CallToolResult) -> ToolResult:
        text, whole = cut_result(self._way.veil.text(text_of(result)), RESULT_CHARS_MAX)
        return ToolResult(text, is_error=bool(result.is_error), whole_chars=whole)

    async def _fault(self, live: _Live, error: MCPError, tool: str, call_s: float) -> ToolError:
        if error.code == REQUEST_TIMEOUT:
            return ToolTimeout(f"{self.name} did not answer {tool} within {call_s:g} s.")
        if _is_closed(error):
            with anyio.move_on_after(END_S):
                await live.ended.event.wait()
            return live.ended.error or ToolUnavailable(f"The server {self.name} ended.")
        if self.definition.is_remote and error.message == SESSION_GONE:
            live.ended.by(
                ToolUnavailable(f"The server {self.name} ended its session; the next call opens another.")
            )
            assert live.ended.error is not None
            return live.ended.error
        return ToolError(f"{self.name} gave no result of {tool}: {self._way.words(str(error))}")

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
            self._first = live.listing.tools if self._first is None else self._first
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
            verb = "answer" if self.definition.is_remote else "start"
            raise ToolTimeout(f"The server {self.name} did not {verb} within {start_s:g} s.") from error
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
        what = "cannot be used" if self.definition.is_remote else "did not start"
        return ToolUnavailable(
            f"The server {self.name} {what}: {self._way.words(str(leaf) or type(leaf).__name__)}"
        )

    async def _keep(self, ended: Ended, *, task_status: TaskStatus[_Live]) -> None:
        """Hold the server until it ends or is closed; whatever happens after its start ends here.

        It is offered nothing of ours: no roots (some servers take them for leave to reach all of the workspace,
        whatever folder they were started with), no model to ask, and no person, whom it would keep waiting.
        """
        gate = Gate(self.name, self._terms.settings.message_max_bytes)
        is_started = False

        live: _Live | None = None

        async def hear(message: object) -> None:
            if live is not None and isinstance(message, ToolListChangedNotification):
                live.is_outdated = True

        try:
            async with Client(
                self._way.open(gate, ended),
                # Two questions may have to be asked before it is known which version it speaks.
                read_timeout_seconds=self._terms.settings.start_s / 2,
                client_info=Implementation(name="naestro", version=__version__),
                cache=None,
                message_handler=hear,
            ) as client:
                gate.version = client.protocol_version
                live = _Live(client, gate, ended, await list_tools(client, gate, self._way.veil))
                self.listing = live.listing
                task_status.started(live)
                is_started = True
                await self._until_closed(live)
        except Exception as error:
            if not is_started:
                raise
            words = self._way.words(f"{type(error).__name__}: {error}")
            log.info("The connection to the server %s broke: %s", self.name, words)
        finally:
            ended.by(None)

    async def _until_closed(self, live: _Live) -> None:
        async with anyio.create_task_group() as group:

            async def wait(event: anyio.Event) -> None:
                await event.wait()
                group.cancel_scope.cancel()

            group.start_soon(wait, live.closing)
            group.start_soon(wait, live.ended.event)
            group.start_soon(_watch, live)


def _is_closed(error: MCPError) -> bool:
    """Whether the library says that the connection is gone; servers use its code (-32000) for errors of their own."""
    return error.code == CONNECTION_CLOSED and "onnection closed" in error.message


def _told(error: Exception) -> str:
    """What is wrong with an answer, in a few words."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


async def _watch(live: _Live) -> None:
    """Hear of other tools where that has to be asked for: since protocol 2026-07-28."""
    capability = live.client.server_capabilities.tools
    is_told = bool(capability and capability.list_changed)
    if live.client.protocol_version not in MODERN_PROTOCOL_VERSIONS or not is_told:
        return
    try:
        async with live.client.listen(tools_list_changed=True) as news:
            async for _ in news:
                live.is_outdated = True
    except (MCPError, SubscriptionLost, TimeoutError) as error:
        log.info("A server tells of no other tools: %s", type(error).__name__)
