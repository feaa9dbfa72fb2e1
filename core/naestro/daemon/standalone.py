"""`naestro acp --standalone`: the protocol server in the front end's own process, without a daemon.

For debugging, and where no daemon may run. `naestro.__main__` above calls `main`; the plug-in is loaded as the daemon
loads it, and its client is the core in this process, which holds the journal until the editor is gone.
"""

import os
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import ByteStream

from naestro.daemon.listener import Refusal, check_enabled, load_plugin
from naestro.daemon.log import open_log
from naestro.daemon.process import OpenCore
from naestro.errors import NaestroError
from naestro.relay.places import Trouble, find_places
from naestro.relay.pump import refuse

STDIN, STDOUT = 0, 1


class Pipes(ByteStream):
    """Standard input and output. They may be files, which no event loop waits for: so threads do."""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """As of any stream."""
        data = await anyio.to_thread.run_sync(os.read, STDIN, max_bytes, abandon_on_cancel=True)
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """As of any stream."""
        await anyio.to_thread.run_sync(_write, item, abandon_on_cancel=True)

    async def send_eof(self) -> None:
        """Nothing: the editor sees the end when the process ends."""

    async def aclose(self) -> None:
        """Nothing, as above."""


def _write(data: bytes) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(STDOUT, rest) :]
    except OSError as error:
        raise anyio.BrokenResourceError from error


def main(protocol: str, open_core: OpenCore) -> int:
    """Serve `protocol` until the editor is gone; the exit code. What prevents it answers every request."""
    try:
        open_log(Path(find_places().home, "logs", f"{protocol}.log"))
        anyio.run(_serve, protocol, open_core)
    except NaestroError as error:
        return refuse(protocol, Trouble(error.message, error.hint, is_final=True))
    except Refusal as refusal:
        return refuse(protocol, Trouble(str(refusal), str(refusal.answer["hint"]), is_final=True))
    except Trouble as trouble:
        return refuse(protocol, trouble)
    return 0


async def _serve(protocol: str, open_core: OpenCore) -> None:
    plugin = load_plugin(protocol)
    check_enabled(protocol, None)
    async with open_core(f"naestro {protocol} --standalone") as core:
        await plugin.serve(Pipes(), core.bound(None), Path.cwd())
