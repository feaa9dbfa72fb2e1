"""The way to a server of tools: its program or its address, with what it is given, and what of that is never shown.

`connection` above opens it; below stand the two transports. Variables are filled in here, when a server is started, and
from the caller's environment; what came of them is masked in everything that the server says. It keeps no connection.
"""

import os
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from naestro.config import ToolsSettings, variable
from naestro.engines.addresses import is_loopback
from naestro.errors import ToolUnavailable
from naestro.tools.servers.definition import Definition, expanded
from naestro.tools.servers.gate import Gate
from naestro.tools.servers.http import open_address
from naestro.tools.servers.stdio import Ended, Program, open_program

INHERITED: Final = (
    *("PATH", "HOME", "LOGNAME", "USER", "SHELL", "TERM"),
    *("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
"""Variables that a server gets without being named: where things lie, and how text is written. No key is among them."""
WORDS_MAX: Final = 300
"""Characters of a server's own words in an error."""
MASK: Final = "********"
SECRET_CHARS_MIN: Final = 6
"""A shorter value is no secret, and stands in every other word."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a connection is held to."""

    settings: ToolsSettings
    logs: Path
    """The folder for what servers write to their standard error."""
    is_isolated: bool = False


class Way:
    """How one server is reached."""

    def __init__(self, definition: Definition, terms: Terms) -> None:
        """Open nothing yet."""
        self._definition, self._terms = definition, terms
        self._secrets: list[str] = []

    # The transports' streams differ in their types; the protocol's library takes both.
    def open(self, gate: Gate, ended: Ended) -> AbstractAsyncContextManager[Any]:
        """The streams to the server, as a context. Raises `ToolUnavailable`, `ConfigError`."""
        one = self._definition
        if self._terms.is_isolated and not (one.is_remote and is_loopback(expanded(one.url))):
            raise ToolUnavailable(
                f"The server {one.name} is not used in isolation mode: it might reach the network.",
                hint="A server at a loopback address may be used; or switch isolation mode off.",
            )
        return self._address(gate) if one.is_remote else self._program(gate, ended)

    def masked(self, text: str) -> str:
        """`text` without what the server was given in secret."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def words(self, text: str) -> str:
        """A server's own words, as an error may repeat them."""
        return " ".join(self.masked(text).split())[:WORDS_MAX]

    def _program(self, gate: Gate, ended: Ended) -> AbstractAsyncContextManager[Any]:
        one = self._definition
        given = {name: value for name in (*INHERITED, *one.pass_env) if (value := variable(name)) is not None}
        secret = {name: expanded(value.get_secret_value()) for name, value in one.env.items()}
        self._hide(*secret.values(), *(given[name] for name in one.pass_env if name in given))
        with suppress(OSError):  # without a log it works too
            self._terms.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        program = Program(
            name=one.name,
            argv=[expanded(one.command), *(expanded(argument) for argument in one.args)],
            environment={**given, **secret},
            cwd=Path(os.path.normpath(one.root / expanded(one.cwd))),
            log=log_path(self._terms.logs, one),
        )
        return open_program(program, gate, ended)

    def _address(self, gate: Gate) -> AbstractAsyncContextManager[Any]:
        one = self._definition
        headers = {name: expanded(value.get_secret_value()) for name, value in one.headers.items()}
        if one.bearer_env is not None:
            headers["authorization"] = f"Bearer {expanded(f'${{{one.bearer_env}}}')}"
        self._hide(*(value.removeprefix("Bearer ") for value in headers.values()))
        return open_address(expanded(one.url), headers, gate)

    def _hide(self, *values: str) -> None:
        self._secrets = sorted({one for one in values if len(one) >= SECRET_CHARS_MIN}, key=len, reverse=True)


def log_path(folder: Path, definition: Definition) -> Path:
    """Where the standard error of a server lies."""
    plain = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in definition.key)
    return folder / f"tools-{plain[:120]}.log"
