"""What the person allowed of each server's tools, and whether it still is what they looked at.

A tool is off until its name, or a pattern that it fits, is allowed. With the permission the digests of what was seen
are kept (name, description, schema, hints); a server of which an allowed tool says something else by now is off as a
whole until the person looks again, and a tool that came since is off alone. The record lies in the journal's documents.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Literal, Protocol

import msgspec

from naestro.tools.servers.definition import Definition
from naestro.types import Json, Value

COLLECTION = "tools.allowed"

Standing = Literal["allowed", "off", "new", "changed"]


class Store(Protocol):
    """Where permissions are kept: the documents of the journal."""

    async def get(self, collection: str, key: str) -> Json | None:
        """What lies under `key`; None where nothing does."""
        ...

    async def put(self, collection: str, key: str, value: Json) -> None:
        """Keep `value` under `key`; durable when this returns."""
        ...

    async def list(self, collection: str) -> list[tuple[str, Json]]:
        """All of a collection as (key, value)."""
        ...

    async def delete(self, collection: str, key: str) -> None:
        """Remove what lies under `key`."""
        ...


class Described(Value, frozen=True):
    """A tool as its server describes it."""

    name: str
    description: str
    schema: dict[str, Json]
    title: str = ""
    hints: dict[str, Json] = {}

    @property
    def digest(self) -> str:
        """Of everything that a model or the person is told of it."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


class Permission(Value, frozen=True):
    """What the person allowed of one server."""

    server: str
    patterns: list[str]
    seen: dict[str, str]
    """Digest of each tool as it was looked at."""
    at: str = ""
    """When: UTC, RFC 3339."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How the tools of a server stand."""

    standings: Mapping[str, Standing]
    """By the tool's name."""

    @property
    def changed(self) -> list[str]:
        """The tools for which the whole server is off."""
        return [name for name, standing in self.standings.items() if standing == "changed"]

    @property
    def allowed(self) -> list[str]:
        """The tools that may be called."""
        if self.changed:
            return []
        return [name for name, standing in self.standings.items() if standing == "allowed"]


class Permissions:
    """The permissions of all servers."""

    def __init__(self, store: Store) -> None:
        """Keep them in `store`."""
        self._store = store

    async def of(self, definition: Definition) -> Permission | None:
        """What is allowed of a server; None where nobody said anything."""
        raw = await self._store.get(COLLECTION, definition.key)
        try:
            return None if raw is None else msgspec.convert(raw, Permission)
        except msgspec.ValidationError:
            return None

    async def judge(self, definition: Definition, tools: Sequence[Described]) -> Judged:
        """How `tools` stand. The first look at tools that the settings allow by pattern is kept as what was seen."""
        permission = await self.of(definition)
        if permission is None and definition.allow:
            permission = await self.allow(definition, [], tools)
        if permission is None:
            return Judged(dict.fromkeys((tool.name for tool in tools), "off"))
        patterns = [*permission.patterns, *definition.allow]
        return Judged({tool.name: _standing(tool, patterns, permission.seen) for tool in tools})

    async def allow(
        self, definition: Definition, patterns: Sequence[str], tools: Sequence[Described]
    ) -> Permission:
        """Allow what fits `patterns`, besides what was allowed before, and take those of `tools` as looked at.

        Without a pattern everything that was allowed before is taken as looked at again.
        """
        before = await self.of(definition)
        kept: list[str] = list(dict.fromkeys([*(before.patterns if before else []), *patterns]))
        looked_at = patterns or [*kept, *definition.allow]
        seen = {tool.name: tool.digest for tool in tools if fits(tool.name, looked_at)}
        seen = {**(before.seen if before else {}), **seen}
        return await self._keep(definition, Permission(definition.name, kept, seen, _now()))

    async def deny(self, definition: Definition, patterns: Sequence[str]) -> Permission | None:
        """Take back `patterns`, or everything where none is named; what is left."""
        before = await self.of(definition)
        left = [one for one in (before.patterns if before else []) if patterns and one not in patterns]
        if before is None:
            return None
        if not left and not definition.allow:
            await self._store.delete(COLLECTION, definition.key)
            return None
        return await self._keep(definition, msgspec.structs.replace(before, patterns=left, at=_now()))

    async def forget(self, server: str) -> bool:
        """Take back everything that was allowed of servers of that name, whatever they start; whether there was any."""
        keys = [key for key, _ in await self._store.list(COLLECTION) if key.rpartition("@")[0] == server]
        for key in keys:
            await self._store.delete(COLLECTION, key)
        return bool(keys)

    async def _keep(self, definition: Definition, permission: Permission) -> Permission:
        await self._store.put(COLLECTION, definition.key, msgspec.to_builtins(permission))
        return permission


def fits(name: str, patterns: Sequence[str]) -> bool:
    """Whether a tool's name is one of `patterns`, or fits one."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _standing(tool: Described, patterns: Sequence[str], seen: Mapping[str, str]) -> Standing:
    if not fits(tool.name, patterns):
        return "off"
    if tool.name not in seen:
        return "new"
    return "allowed" if seen[tool.name] == tool.digest else "changed"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
