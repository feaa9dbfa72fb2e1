"""The way to a server of tools: its program or its address, with what it is given, and what of that is never shown.

`connection` above opens it; below stand the two transports. Variables are filled in here, when a server is started, and
from the caller's environment; what came of them is masked in everything that the server says. It keeps no connection.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from naestro.config import ToolsSettings, variable
from naestro.engines.addresses import is_loopback
from naestro.errors import ToolUnavailable
from naestro.tools.servers.definition import Definition, expanded, variables_in
from naestro.tools.servers.gate import Gate
from naestro.tools.servers.http import open_address
from naestro.tools.servers.stdio import Ended, Program, open_program
from naestro.tools.servers.veil import Veil

INHERITED: Final = (
    *("PATH", "HOME", "LOGNAME", "USER", "SHELL", "TERM"),
    *("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
"""Variables that a server gets without being named: where things lie, and how text is written. No key is among them."""
WORDS_MAX: Final = 300
"""Characters of a server's own words in an error."""


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
        self.veil = Veil()
        """What it is given in secret, from its start on."""

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

    def words(self, text: str) -> str:
        """A server's own words, as an error may repeat them."""
        return " ".join(self.veil.text(text).split())[:WORDS_MAX]

    def _program(self, gate: Gate, ended: Ended) -> AbstractAsyncContextManager[Any]:
        one = self._definition
        given = {name: value for name in (*INHERITED, *one.pass_env) if (value := variable(name)) is not None}
        secret = {name: expanded(value.get_secret_value()) for name, value in one.env.items()}
        named = (given[name] for name in one.pass_env if name in given)
        self.veil.hide(*secret.values(), *named, *_filled_in(one.command, *one.args))
        with suppress(OSError):  # without a log it works too
            self._terms.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        program = Program(
            name=one.name,
            argv=[expanded(one.command), *(expanded(argument) for argument in one.args)],
            environment={**given, **secret},
            cwd=Path(os.path.normpath(one.root / expanded(one.cwd))),
            log=log_path(self._terms.logs, one),
            veil=self.veil,
        )
        return open_program(program, gate, ended)

    def _address(self, gate: Gate) -> AbstractAsyncContextManager[Any]:
        one = self._definition
        headers = {name: expanded(value.get_secret_value()) for name, value in one.headers.items()}
        if one.bearer_env is not None:
            headers["authorization"] = f"Bearer {expanded(f'${{{one.bearer_env}}}')}"
        self.veil.hide(*headers.values(), *_credentials(headers), *_filled_in(one.url))
        return open_address(expanded(one.url), headers, gate)


def _credentials(headers: Mapping[str, str]) -> Iterator[str]:
    """What stands behind the scheme of an authorization: the token of `Bearer …`."""
    return (
        value.partition(" ")[2] for name, value in headers.items() if name.lower().endswith("authorization")
    )


def _filled_in(*texts: str) -> Iterator[str]:
    """The values that variables give to `texts`, but for plain ones: what every server gets anyway, and real paths."""
    for name in variables_in(*texts):
        value = variable(name) or ""
        if name not in INHERITED and not _is_path(value):
            yield value


def _is_path(value: str) -> bool:
    try:
        return Path(value).exists()
    except (OSError, ValueError):
        return False


def log_path(folder: Path, definition: Definition) -> Path:
    """Where the standard error of a server lies."""
    plain = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in definition.key)
    return folder / f"tools-{plain[:120]}.log"
