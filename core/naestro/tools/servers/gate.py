"""What a server may send: its messages are counted, and of a list of tools the broken ones are taken out.

`stdio` and `http` pass each message through here before the protocol's library sees it, which would refuse a whole list
for one tool. It reads no stream and knows no permission.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

import anyio.to_thread
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCRequest, JSONRPCResponse
from mcp_types.methods import validate_server_result
from pydantic import ValidationError

from naestro.config_sources import is_table
from naestro.errors import ToolUnavailable

FLOOD_MESSAGES: Final = 20_000
"""Messages between two requests of ours: a long call with progress has a few hundred."""
FLOOD_SHARE: Final = 8
"""Messages of full size between two requests of ours: one is the answer."""
JUNK_MAX: Final = 1_000
"""Lines that are no messages: programs greet, and some log to the wrong place."""
SCHEMA_BYTES_MAX: Final = 65_536
NAME_CHARS_MAX: Final = 128
"""Of a tool's name, as the protocol has it."""
TOOLS_MAX: Final = 500
"""Of one server; a model can make use of a few dozen."""


@dataclass(slots=True)
class Gate:
    """Counts what one server sends, and mends its lists."""

    server: str
    message_max_bytes: int
    version: str = "2025-11-25"
    """The protocol's version that was agreed; lists are held to it."""
    lost: dict[str, str] = field(default_factory=dict[str, str])
    """The tools that were taken out, each with the reason."""
    further: int = 0
    """How many tools there are beyond the first `TOOLS_MAX`, none of which is looked at."""
    _taken: int = 0
    pending: set[int] = field(default_factory=set[int])
    """The ids of our requests that are open."""
    _messages: int = 0
    _bytes: int = 0
    _junk: int = 0

    def sent(self, message: JSONRPCMessage) -> None:
        """Note what we send: a request opens a new count."""
        if isinstance(message, JSONRPCRequest):
            self._messages = self._bytes = 0
            if isinstance(message.id, int):
                self.pending.add(message.id)

    def count(self, size_bytes: int) -> None:
        """Count what came. Raises `ToolUnavailable` for a flood."""
        self._messages += 1
        self._bytes += size_bytes
        if self._messages > FLOOD_MESSAGES or self._bytes > FLOOD_SHARE * self.message_max_bytes:
            raise ToolUnavailable(
                f"The server {self.server} was ended: it sent {self._messages:,} messages, {self._bytes:,} bytes, "
                "for one request."
            )

    def junk(self) -> None:
        """Count a line that is no message. Raises `ToolUnavailable` for too many."""
        self._junk += 1
        if self._junk > JUNK_MAX:
            raise ToolUnavailable(f"The server {self.server} was ended: it does not speak the protocol.")

    def begin_list(self) -> None:
        """The next list of tools is the first page of all."""
        self._taken = self.further = 0
        self.lost.clear()

    async def admit(self, message: JSONRPCMessage) -> JSONRPCMessage:
        """The message as the library may see it; a long list is looked through in a thread, for as long as it takes."""
        if isinstance(message, JSONRPCResponse | JSONRPCError) and isinstance(message.id, int):
            self.pending.discard(message.id)
        if not isinstance(message, JSONRPCResponse) or not _is_listing(message.result):
            return message
        result: dict[str, Any] = dict(message.result)
        result["tools"] = await anyio.to_thread.run_sync(self._sound, message.result)
        return message.model_copy(update={"result": result})

    def _sound(self, listing: Mapping[str, Any]) -> list[Any]:
        """The tools of a list that are sound; the others are remembered as lost."""
        kept: list[Any] = []
        tools: Sequence[Any] = listing["tools"]
        room = max(0, TOOLS_MAX - self._taken)
        self._taken += len(tools[:room])
        self.further += len(tools[room:])
        for number, tool in enumerate(tools[:room]):
            reason = self._fault(listing, tool)
            if reason is None:
                kept.append(tool)
            else:
                self.lost[_name_of(tool, number)] = reason
        return kept

    def _fault(self, listing: Mapping[str, Any], tool: Any) -> str | None:
        """Why a tool cannot be used; None where it can."""
        try:
            validate_server_result("tools/list", self.version, {**listing, "tools": [tool]})
        except KeyError:  # a version that has no such list: then nothing is held against it
            return None
        except (ValidationError, RecursionError) as error:
            return f"its description is wrong ({_first(error)})"
        if not 0 < len(tool["name"]) <= NAME_CHARS_MAX:
            return f"its name has not 1 to {NAME_CHARS_MAX} characters"
        return schema_fault(tool["inputSchema"])


def schema_fault(schema: Any) -> str | None:
    """Why the schema of a tool's arguments cannot be used; None where it can."""
    import msgspec
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if not is_table(schema) or schema.get("type") != "object":
        return "its schema is not one of an object"
    try:
        if len(msgspec.json.encode(schema)) > SCHEMA_BYTES_MAX:
            return f"its schema has more than {SCHEMA_BYTES_MAX:,} bytes"
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"its schema is wrong ({error.message[:120]})"
    except RecursionError:
        return "its schema is too deep"
    return None


def _is_listing(result: Any) -> TypeGuard[dict[str, Any]]:
    return is_table(result) and isinstance(result.get("tools"), list)


def _name_of(tool: Any, number: int) -> str:
    name = tool.get("name") if is_table(tool) else None
    return name[:80] if isinstance(name, str) and name else f"tool {number + 1}"


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        details = error.errors()[0]
        place = ".".join(str(part) for part in details["loc"][-2:])
        return f"{place}: {details['msg']}"[:160]
    return "it is too deep"
