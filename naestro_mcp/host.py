"""What all requests to one server share: the client, where it was started, threads, keys, who watches which run.

`plugin` opens one for each connection, and one for HTTP; `call` above makes of it what one request sees. It knows no
method of the protocol.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from naestro.client.api import CallerClient
from naestro_mcp.options import Options
from naestro_mcp.signing import Signer
from naestro_mcp.watching import Watching

CALLS_MAX = 8
"""Questions of one client that are worked on at once; the rest wait in order, so that nobody else has to."""
FRESH_S = 2.0
"""How long settings that were read and a root that was found count: calls come in bursts."""
FOLDERS_MAX = 64
"""Folders whose roots are remembered."""
ROOTS_MAX = 1024
"""Sessions whose roots are remembered; more are asked again."""


@dataclass(slots=True)
class Host:
    """One server's surroundings."""

    client: CallerClient
    cwd: Path | None
    """Where the client's front end was started; None over HTTP."""
    tasks: TaskGroup
    """Ends with the connection."""
    watching: Watching
    signer: Signer = field(default_factory=Signer)
    calls: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(CALLS_MAX))
    roots: OrderedDict[str, tuple[str, ...]] = field(default_factory=OrderedDict[str, tuple[str, ...]])
    """The roots that clients named, as absolute paths, by session."""
    _used: set[str] = field(default_factory=set[str])
    _found: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    _options: dict[str, tuple[float, Options]] = field(default_factory=dict[str, tuple[float, Options]])

    async def root(self, folder: str) -> str:
        """The root of the workspace that `folder` lies in, as it was at most `FRESH_S` ago."""
        found_at, root = self._found.get(folder, (float("-inf"), ""))
        if anyio.current_time() < found_at + FRESH_S:
            return root
        root = await self.client.files.root(folder)
        if len(self._found) >= FOLDERS_MAX:
            self._found.clear()
        self._found[folder] = (anyio.current_time(), root)
        return root

    async def use(self, workspace: str) -> None:
        """Say that a workspace is worked in, the first time that it is."""
        if workspace not in self._used:
            self._used.add(workspace)
            await self.client.index.use(workspace)

    async def options(self, workspace: str) -> Options:
        """The settings that count in a workspace, at most `FRESH_S` old."""
        read_at, options = self._options.get(workspace, (float("-inf"), Options()))
        if anyio.current_time() < read_at + FRESH_S:
            return options
        options = Options.of(await self.client.machine.settings(workspace))
        self._options = {workspace: (anyio.current_time(), options)}
        return options

    def remember_roots(self, session: str, roots: tuple[str, ...]) -> None:
        """Keep what the client of `session` named; the oldest session is forgotten where there are too many."""
        self.roots[session] = roots
        self.roots.move_to_end(session)
        while len(self.roots) > ROOTS_MAX:
            self.roots.popitem(last=False)


@asynccontextmanager
async def open_host(client: CallerClient, cwd: Path | None) -> AsyncGenerator[Host]:
    """A host, whose tasks end with the block; the runs go on."""
    async with anyio.create_task_group() as tasks:
        yield Host(client, cwd, tasks, Watching(client, tasks))
        tasks.cancel_scope.cancel()
