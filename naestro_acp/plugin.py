"""The Agent Client Protocol as a plug-in of the daemon: `serve` speaks it on one connection.

The daemon (or a front end's own process) above hands over a stream of bytes and a client that is bound to the
caller; below stand the transport, the mended connection and the agent. A fault here ends this connection alone. What
is heavy is imported with the first connection.
"""

from importlib import import_module
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import ByteStream

from naestro.client.api import CallerClient

SETTLE_S = 0.5
"""How long quick requests may still be answered when the client has sent its last."""

CLOSE_S = 5.0
"""How long the work of a connection that ends may take to end."""


async def serve(stream: ByteStream, client: CallerClient, cwd: Path) -> None:
    """Speak the protocol on `stream` until the client has gone; the runs that it began go on.

    `cwd` is where the front end was started; each session names its own folder.
    """
    await anyio.to_thread.run_sync(import_module, "naestro_acp.agent")  # 0.8 s once: other connections go on
    from acp.router import MessageRouter

    from naestro_acp.agent import NaestroAgent, routes
    from naestro_acp.sdk_gaps import connect
    from naestro_acp.transport import LineTransport

    transport = LineTransport(stream)
    router = MessageRouter()
    editor, connection = connect(router, transport)
    agent = NaestroAgent(client, editor)
    routes(router, agent)
    connection.withdrawals["session/prompt"] = agent.withdraw
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.run_writer, name="acp writer")
        try:
            await editor.listen()
            await connection.settle(SETTLE_S, but="session/prompt")
        finally:
            for session_id in agent.sessions.lent_to:
                client.tooling.take_back(session_id)
            with anyio.move_on_after(CLOSE_S, shield=True):
                await editor.close()
            tasks.cancel_scope.cancel()
