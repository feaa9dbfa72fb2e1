"""What the methods of the control API share: the client behind them, and the kinds of params that several take.

`api` and `index_api` hold the methods; below stands `naestro.client`. No method is known here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from naestro.client.api import CallerClient
from naestro.client.local import LocalClient
from naestro.errors import InputError
from naestro.types import Value

Folder = Annotated[str, Meta(description="Absolute path of a folder in the workspace.")]
Environment = Annotated[
    dict[str, str] | None,
    Meta(description="The caller's variables that count for settings and keys; null: the daemon's own."),
]


class DaemonInfo(Value, frozen=True, kw_only=True):
    """The process that answers."""

    version: str
    pid: int
    prefix: str
    """The Python environment that it runs from."""
    home: str
    """The folder of the journal."""
    started: str
    """UTC, RFC 3339."""
    port: int | None = None
    """The loopback port for HTTP; null where there is none."""
    working: list[str] = []
    """The runs that it works on now."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every method is given."""

    client: LocalClient
    info: DaemonInfo

    def of(self, environment: dict[str, str] | None) -> CallerClient:
        """The client as a caller with this environment sees it."""
        return self.client if environment is None else self.client.bound(environment)


def absolute(path: str) -> Path:
    """`path` as a path. Raises `InputError` for one that is not absolute."""
    if not Path(path).is_absolute() or "\0" in path:
        raise InputError(f"{path!r} is no absolute path.", hint="Name the folder from the root.")
    return Path(path)
