"""Which servers of tools there are: from the settings, a trusted workspace's `.mcp.json`, and the person's editor.

`source` above connects to them. Definitions are read anew whenever they are needed, so that no secret lies in a
journal: values that may be secret stay `SecretStr` until a server is started. This module starts nothing.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec
from pydantic import SecretStr

from naestro.config import Settings, ToolServerSettings, variable
from naestro.errors import ConfigError
from naestro.policy.trust import is_file_trusted
from naestro.types import Json

FILE_NAME = ".mcp.json"
FILE_SIZE_MAX = 1 << 20
"""Bytes: a list of servers has a page."""
SERVERS_MAX = 64
"""Of one source."""
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")

Origin = Literal["settings", ".mcp.json", "editor"]


@dataclass(frozen=True, slots=True)
class Definition:
    """A server of tools, before anything is started."""

    name: str
    origin: Origin
    root: Path
    """The workspace that it is for."""
    command: str = ""
    args: tuple[str, ...] = ()
    cwd: str = ""
    url: str = ""
    env: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])
    headers: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])
    bearer_env: str | None = None
    pass_env: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()

    @property
    def is_remote(self) -> bool:
        """Whether it is reached by an address instead of started."""
        return bool(self.url)

    @property
    def shown(self) -> str:
        """What is started or reached, for a person; secrets are not among it."""
        return self.url or " ".join((self.command, *self.args))

    @property
    def key(self) -> str:
        """What permissions are kept under: another command, address or origin is another server.

        A `.mcp.json` counts for its own workspace only.
        """
        place = str(self.root) if self.origin == ".mcp.json" else ""
        parts = [self.name, self.origin, place, self.command, *self.args, self.cwd, self.url]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        return f"{self.name}@{digest}"


@dataclass(frozen=True, slots=True)
class Definitions:
    """The servers by name, and what is wrong with others."""

    servers: Mapping[str, Definition]
    troubles: tuple[str, ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    """A server of `.mcp.json`; fields that other programs add are passed over."""

    command: str = ""
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    type: str = ""


class _Pair(msgspec.Struct, frozen=True):
    name: str
    value: str


class _Lent(msgspec.Struct, frozen=True):
    """A server as an editor hands it over by the Agent Client Protocol."""

    name: str
    command: str = ""
    args: list[str] = []
    env: list[_Pair] = []
    url: str = ""
    headers: list[_Pair] = []
    type: str = ""


def all_definitions(
    root: Path, settings: Settings, *, is_trusted: bool, lent: Sequence[Mapping[str, Json]] = ()
) -> Definitions:
    """Every server that counts in the workspace `root`; of two with one name the settings' wins, then the file's."""
    servers: dict[str, Definition] = {}
    troubles: list[str] = []
    content = read_file(root)
    if content is not None and not is_trusted:
        troubles.append(f"The servers in {FILE_NAME} are not used: the workspace's file is not trusted.")
        content = None
    for found in (_of_settings(root, settings), _of_file(root, content), _of_editor(root, lent)):
        for one in found:
            if isinstance(one, str):
                troubles.append(one)
            elif one.name not in servers:
                servers[one.name] = replace(one, allow=(*one.allow, *_allowed(one.name, settings)))
            else:
                first = servers[one.name].origin
                troubles.append(
                    f"The server {one.name} of the {one.origin} is left out: the {first} has one, too."
                )
    return Definitions(servers, tuple(troubles))


def _allowed(server: str, settings: Settings) -> list[str]:
    """The patterns of `tools.allow` that are meant for tools of `server`."""
    pairs = (pattern.partition("/") for pattern in settings.tools.allow)
    return [tool for name, _, tool in pairs if tool and fnmatchcase(server, name)]


def read_file(root: Path) -> bytes | None:
    """The workspace's `.mcp.json`; None where there is none that can be read."""
    try:
        with (root / FILE_NAME).open("rb") as file:
            content = file.read(FILE_SIZE_MAX + 1)
    except OSError:
        return None
    return content if len(content) <= FILE_SIZE_MAX else None


def file_trust(root: Path) -> bool:
    """Whether the person trusts the workspace's `.mcp.json` as it is now."""
    content = read_file(root)
    return content is not None and is_file_trusted(root / FILE_NAME, content)


def variables_of(definitions: Definitions) -> set[str]:
    """The names of the variables of the person's environment that the servers need."""
    names: set[str] = set()
    for one in definitions.servers.values():
        names |= {*one.pass_env, *([one.bearer_env] if one.bearer_env else [])}
        secrets = (value.get_secret_value() for value in (*one.env.values(), *one.headers.values()))
        names |= variables_in(one.command, *one.args, one.url, *secrets)
    return names


def variables_in(*texts: str) -> set[str]:
    """The names of the variables that `texts` ask for."""
    return {found["name"] for text in texts for found in _VARIABLE.finditer(text)}


def expanded(text: str) -> str:
    """`text` with its `${NAME}` filled in from the person's environment. Raises `ConfigError` where one is not set."""

    def value(found: re.Match[str]) -> str:
        given = variable(found["name"]) or found["default"]
        if given is None:
            raise ConfigError(
                f"The variable {found['name']}, which a server of tools needs, is not set.",
                hint=f"Set {found['name']}, or write ${{{found['name']}:-default}}.",
            )
        return given

    return _VARIABLE.sub(value, text)


def _of_settings(root: Path, settings: Settings) -> Iterator[Definition | str]:
    for name, one in settings.tools.servers.items():
        if one.enabled:
            yield _definition(name, root, one)


def _definition(name: str, root: Path, one: ToolServerSettings) -> Definition:
    return Definition(
        name=name,
        origin="settings",
        root=root,
        command=one.command,
        args=one.args,
        cwd=one.cwd,
        url=one.url,
        env=one.env,
        headers=one.headers,
        bearer_env=one.bearer_env,
        pass_env=one.pass_env,
        allow=one.allow,
    )


def _of_file(root: Path, content: bytes | None) -> Iterator[Definition | str]:
    if content is None:
        return
    try:
        entries = msgspec.json.decode(content, type=dict[str, Json]).get("mcpServers", {})
        listed = msgspec.convert(entries, dict[str, Json])
    except msgspec.DecodeError as error:
        yield f"The file {FILE_NAME} cannot be read: {error}."
        return
    for name, raw in list(listed.items())[:SERVERS_MAX]:
        try:
            entry = msgspec.convert(raw, _Entry)
        except msgspec.ValidationError as error:
            yield f"The server {name[:80]!r} of {FILE_NAME} cannot be read: {error}."
            continue
        if entry.type == "sse" or bool(entry.command) == bool(entry.url):
            yield _unusable(name, FILE_NAME)
            continue
        yield Definition(
            name=name,
            origin=".mcp.json",
            root=root,
            command=entry.command,
            args=tuple(entry.args),
            cwd=entry.cwd,
            url=entry.url,
            env=_secret(entry.env),
            headers=_secret(entry.headers),
        )


def _of_editor(root: Path, lent: Sequence[Mapping[str, Json]]) -> Iterator[Definition | str]:
    for raw in lent[:SERVERS_MAX]:
        try:
            one = msgspec.convert(dict(raw), _Lent)
        except msgspec.ValidationError as error:
            yield f"A server of tools of the editor cannot be read: {error}."
            continue
        if one.type == "sse" or bool(one.command) == bool(one.url):
            yield _unusable(one.name, "the editor")
            continue
        yield Definition(
            name=one.name,
            origin="editor",
            root=root,
            command=one.command,
            args=tuple(one.args),
            url=one.url,
            env=_secret({pair.name: pair.value for pair in one.env}),
            headers=_secret({pair.name: pair.value for pair in one.headers}),
        )


def _unusable(name: str, origin: str) -> str:
    return f"The server {name[:80]!r} of {origin} has neither a command nor an address for streamable HTTP."


def _secret(values: Mapping[str, str]) -> dict[str, SecretStr]:
    return {name: SecretStr(value) for name, value in values.items()}
