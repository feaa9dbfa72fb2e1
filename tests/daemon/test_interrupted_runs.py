"""What becomes of a run whose daemon ends: told to end, killed, or replaced. The next daemon goes on with it."""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from tests.daemon.stage import WAIT_S, Stage
from tests.support.answers import say_tokens
from tests.support.cli import CONFIG
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio


async def _rpc(stage: Stage, method: str, **params: Any) -> Any:
    transport = httpx2.AsyncHTTPTransport(uds=stage.places.http_socket)
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with httpx2.AsyncClient(transport=transport, timeout=WAIT_S) as client:
        return (await client.post("http://naestro/rpc", json=request)).json()["result"]


async def _working(stage: Stage, server: ScriptedServer) -> str:
    """A run in the middle of its first call; later calls are answered."""
    stage.settings(CONFIG.format(url=server.base_url) + "\n[daemon]\nidle_stop_s = 0.5\ndrain_s = 0.1\n")
    server.then(say_tokens(20, stall_after=3), say_tokens(20, stall_after=3))
    server.otherwise("It adds.")
    await stage.command("daemon", "start")
    command = {
        "name": "explain",
        "task": {"text": "what"},
        "workspace": str(stage.workspace),
        "origin": "http",
        "settings": {"council": {"proposers": 1}},
    }
    run = (await _rpc(stage, "runs.start", command=command))["run"]
    await server.until(lambda: any(chat.pieces_sent >= 3 for chat in server.chats))
    return run


async def _finished(stage: Stage, run: str) -> dict[str, Any]:
    """What the journal says when nobody works on `run` any more."""
    transport = httpx2.AsyncHTTPTransport(uds=stage.places.http_socket)
    async with (
        httpx2.AsyncClient(transport=transport, timeout=WAIT_S) as client,
        client.stream("GET", f"http://naestro/runs/{run}/events") as response,
    ):
        async for line in response.aiter_lines():
            if line == "event: end":
                break
    return await _rpc(stage, "runs.get", run=run)


async def _kill(stage: Stage) -> None:
    os.kill(stage.pid, signal.SIGKILL)


async def _stop(stage: Stage) -> None:
    assert (await stage.command("daemon", "stop"))[0] == 0


async def _replace(stage: Stage) -> None:
    (stage.site / "scripted_protocol.py").touch()
    await stage.command("daemon", "start")


@pytest.mark.parametrize("end", [_kill, _stop, _replace], ids=["killed", "stopped", "replaced"])
async def test_the_next_daemon_goes_on_with_the_run(
    stage: Stage, scripted_server: ScriptedServer, end: Callable[[Stage], Awaitable[None]]
) -> None:
    run = await _working(stage, scripted_server)
    first = stage.pid
    await end(stage)
    scripted_server.release()
    await (await stage.editor()).open()
    assert stage.pid not in {0, first}
    assert (await _finished(stage, run))["status"] == "finished"
    assert f"The run {run} goes on." in stage.log


async def test_a_daemon_with_a_run_in_hand_is_not_idle(stage: Stage, scripted_server: ScriptedServer) -> None:
    run = await _working(stage, scripted_server)
    status = (await stage.command("daemon", "status"))[1]
    assert f"runs         {run}\n" in status
    scripted_server.release()
    await stage.gone()
    assert "nobody needed it" in stage.log
