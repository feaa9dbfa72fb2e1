"""The server as programs have it: `naestro mcp` before a daemon, and the daemon's HTTP; every client, both eras."""

import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client

from mcp import Client, MCPError, StdioServerParameters
from tests.acp.process.node import NotInstalled
from tests.acp.process.stage import Stage
from tests.mcp import node
from tests.mcp.desk import ERAS, LEGACY, MENDED, SOURCE, TASK, WAIT_S, text_of, yes
from tests.support.answers import say_tokens
from tests.support.processes import until
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio
SERVER = (sys.executable, "-m", "naestro", "mcp")
ALL_TOOLS = ["search_code", "read_code", "repo_map", "runs", "ask_council", "test", "review", "respond"]


@pytest.fixture(scope="module")
def npm_clients() -> None:
    """The clients from npm, installed."""
    try:
        node.install()
    except NotInstalled as error:
        pytest.fail(f"This test needs the MCP clients from npm, which cannot be installed: {error}.")


@pytest.fixture
def stage(scripted_server: ScriptedServer) -> Iterator[Stage]:
    """A home with this test's engine, and whatever daemon starts."""
    with (
        tempfile.TemporaryDirectory(prefix="naestro-", ignore_cleanup_errors=True) as folder,
        Stage(Path(folder)) as stage,
    ):
        stage.use_engine(scripted_server.base_url)
        yield stage


def _stdio(stage: Stage, workspace: Path, *options: str) -> StdioServerParameters:
    command, *arguments = SERVER
    return StdioServerParameters(command=command, args=[*arguments, *options], cwd=workspace, env=stage.env)


def _daemon(stage: Stage) -> dict[str, Any]:
    return json.loads((stage.home / "run" / "daemon.json").read_text())


@contextlib.asynccontextmanager
async def _http(stage: Stage, workspace: Path) -> AsyncGenerator[tuple[str, httpx2.AsyncClient]]:
    """The address of a daemon's server, and a client that may speak to it by hand."""
    async with Client(_stdio(stage, workspace), mode=LEGACY):
        about = _daemon(stage)
        headers = {
            "Authorization": f"Bearer {about['token']}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Naestro-Workspace": str(workspace),
        }
        async with httpx2.AsyncClient(headers=headers, timeout=WAIT_S) as http:
            yield f"http://127.0.0.1:{about['port']}/mcp", http


async def _say_yes(context: Any, params: Any) -> Any:
    return yes()


@pytest.mark.parametrize("mode", ERAS)
async def test_the_python_client_over_the_relay_and_over_http(
    stage: Stage, patching: ScriptedServer, mode: str
) -> None:
    workspace = stage.workspace()
    async with Client(_stdio(stage, workspace), mode=mode, elicitation_callback=_say_yes) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ALL_TOOLS
        read = await client.call_tool("read_code", {"target": "calc.py"})
        assert SOURCE.rstrip("\n") in text_of(read)
        changed = await client.call_tool("ask_council", {"task": TASK, "mode": "orchestrate"})
        assert changed.structured_content["is_applied"]
        assert (workspace / "calc.py").read_text() == MENDED
    about = _daemon(stage)
    headers = {"Authorization": f"Bearer {about['token']}", "Naestro-Workspace": str(workspace)}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=WAIT_S) as http,
        Client(
            streamable_http_client(f"http://127.0.0.1:{about['port']}/mcp", http_client=http),
            mode=mode,
            elicitation_callback=_say_yes,
        ) as client,
    ):
        assert [tool.name for tool in (await client.list_tools()).tools] == ALL_TOOLS
        assert MENDED.rstrip("\n") in text_of(await client.call_tool("read_code", {"target": "calc.py"}))
        assert len((await client.call_tool("runs", {})).structured_content["runs"]) == 1


async def test_who_has_no_token_or_comes_from_elsewhere_is_refused(stage: Stage) -> None:
    workspace = stage.workspace()
    async with Client(_stdio(stage, workspace), mode=LEGACY) as client:
        await client.list_tools()
        about = _daemon(stage)
        url = f"http://127.0.0.1:{about['port']}/mcp"
        good = {"Authorization": f"Bearer {about['token']}", "Accept": "application/json, text/event-stream"}
        bad = [
            {**good, "Authorization": "Bearer x"},
            {**good, "Host": "127.0.0.1.evil.example"},
            {**good, "Host": f"localhost:{about['port']}.evil.example"},
            {**good, "Origin": f"http://127.0.0.1:{about['port']}.evil.example"},
            {**good, "Origin": "null"},
        ]
        async with httpx2.AsyncClient() as http:
            for headers in bad:
                assert (await http.post(url, headers=headers, json={})).status_code in {401, 403}
            assert (await http.post(url, headers=good, json={})).status_code == 400
            assert (await http.post(url.replace("mcp", "acp"), headers=good, json={})).status_code == 404
            huge = b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * (20 << 20) + b'"}'
            assert (await http.post(url, headers=good, content=huge)).status_code == 413


BODIES = [
    (b"{", 400, "no JSON"),
    (b'[{"jsonrpc":"2.0","id":7,"method":"ping"}]', 400, "a batch of several is not taken"),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, "An id of a request"),
    (b'{"jsonrpc":"2.0","id":7,"method":3}', 400, "A method must be a string"),
    (b'{"jsonrpc":"2.0","id":7,"result":[]}', 400, "none of JSON-RPC 2.0"),
    (b'"' + b"x" * (5 << 20) + b'"', 413, "longer than 4 MiB"),
]


async def test_over_http_a_body_that_is_no_message_is_told_in_a_sentence(stage: Stage) -> None:
    async with _http(stage, stage.workspace()) as (url, http):
        for body, status, words in BODIES:
            answer = await http.post(url, content=body)
            assert (answer.status_code, answer.json()["jsonrpc"]) == (status, "2.0"), body[:80]
            assert words in answer.json()["error"]["message"]
            assert "pydantic" not in answer.text


async def test_over_http_a_stream_that_broke_off_is_opened_anew_and_a_session_can_be_ended(
    stage: Stage,
) -> None:
    async with _http(stage, stage.workspace()) as (url, http):
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        }
        opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        session = (await http.post(url, json=opening)).headers["mcp-session-id"]
        headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
        resuming = {**headers, "Last-Event-ID": "7", "Accept": "text/event-stream"}
        async with http.stream("GET", url, headers=resuming) as stream:
            assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream")
        assert (await http.delete(url, headers=headers)).status_code == 200
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert (await http.post(url, json=listing, headers=headers)).status_code == 404


async def test_setup_prints_how_the_daemon_is_reached_over_http(stage: Stage) -> None:
    workspace = stage.workspace()
    command = [sys.executable, "-m", "naestro", "setup", "generic", "--http"]
    done = await anyio.run_process(command, env=stage.env, cwd=workspace)
    assert b"until this daemon ends" in done.stderr
    entry = json.loads(done.stdout)["mcpServers"]["naestro"]
    assert entry["type"] == "http"
    async with (
        httpx2.AsyncClient(headers=entry["headers"], timeout=WAIT_S) as http,
        Client(streamable_http_client(entry["url"], http_client=http), mode=LEGACY) as client,
    ):
        assert SOURCE.rstrip("\n") in text_of(await client.call_tool("read_code", {"target": "calc.py"}))


async def test_the_flag_switches_both_doors_off(stage: Stage) -> None:
    workspace = stage.workspace()
    stage.env["MCP_ENABLED"] = "0"
    with pytest.RaisesGroup(pytest.RaisesExc(MCPError, match="MCP_ENABLED"), flatten_subgroups=True):
        async with Client(_stdio(stage, workspace), mode=LEGACY):
            pass
    about = _daemon(stage)
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {about['token']}"}) as http:
        answer = await http.post(f"http://127.0.0.1:{about['port']}/mcp", json={})
    assert answer.status_code == 404
    assert "MCP_ENABLED" in answer.text


async def test_it_serves_without_a_daemon(stage: Stage) -> None:
    workspace = stage.workspace()
    async with Client(_stdio(stage, workspace, "--standalone"), mode=LEGACY) as client:
        assert SOURCE.rstrip("\n") in text_of(await client.call_tool("read_code", {"target": "calc.py"}))
    assert stage.daemon is None


async def test_a_lost_daemon_is_started_again_and_the_connection_goes_on(
    stage: Stage, answering: ScriptedServer
) -> None:
    workspace = stage.workspace()
    answering.then(say_tokens(9, stall_after=2), say_tokens(9, stall_after=2))
    lost = list[MCPError]()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        pass

    async with Client(_stdio(stage, workspace), mode=LEGACY) as client:
        await client.list_tools()

        async def ask() -> None:
            try:
                await client.call_tool(
                    "ask_council", {"task": "What does add do?"}, progress_callback=progress
                )
            except MCPError as error:
                lost.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await answering.until(lambda: bool(answering.chats and answering.chats[0].pieces_sent))
            before = stage.daemon
            assert before is not None
            os.kill(before, signal.SIGKILL)
        answering.release()
        run = lost[0].error.data["run"]
        assert "tool `runs`" in lost[0].error.data["hint"]
        with anyio.fail_after(WAIT_S):
            told = await client.call_tool("respond", {"run": run})
        assert told.structured_content["status"] == "finished"
        assert stage.daemon != before


async def test_what_was_subscribed_to_is_subscribed_to_again_at_the_next_daemon(
    stage: Stage, answering: ScriptedServer
) -> None:
    workspace = stage.workspace()
    notices = list[Any]()

    async def hear(message: Any) -> None:
        notices.append(message)

    async with Client(_stdio(stage, workspace), mode=LEGACY, message_handler=hear) as client:
        run = (await client.call_tool("ask_council", {"task": "What does add do?"})).structured_content["run"]
        params = {"uri": f"naestro://runs/{run}"}
        await client.session._dispatcher.send_raw_request("resources/subscribe", params)
        before = stage.daemon
        assert before is not None
        os.kill(before, signal.SIGKILL)
        # What was on its way to the lost daemon is answered with an error; what is asked then reaches the next one.
        with contextlib.suppress(MCPError):
            await client.call_tool("runs", {})
        await client.call_tool("runs", {})
        await until(lambda: stage.daemon not in {None, before}, WAIT_S)
        notices.clear()
        done = await anyio.run_process(
            [sys.executable, "-m", "naestro", "rerun", run, "propose.1"],
            env=stage.env,
            cwd=workspace,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with anyio.fail_after(WAIT_S):
            while not any(params["uri"] in str(one) for one in notices):
                await anyio.lowlevel.checkpoint()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_the_typescript_client_goes_through_every_tool(
    npm_clients: None, stage: Stage, patching: ScriptedServer, mode: str, kind: str
) -> None:
    workspace = stage.workspace()
    if kind == "http":
        async with Client(_stdio(stage, workspace), mode=LEGACY):
            about = _daemon(stage)
        target = [f"http://127.0.0.1:{about['port']}/mcp", about["token"], str(workspace)]
    else:
        target = list(SERVER)
    done = await anyio.to_thread.run_sync(
        lambda: node.run(node.CLIENT, mode, kind, *target, cwd=workspace, **stage.env)
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["tools"] == ALL_TOOLS
    results = {one["name"]: one for one in told["results"][:-1]}
    assert results["search_code"]["value"]["results"][0]["text"] == "def add(left, right):"
    assert results["ask_council"]["value"]["is_applied"]
    assert "+    return left + right" in told["asked"][0]
    assert {name for name, one in results.items() if one["isError"]} == {"respond", "repo_map"}
    assert "unknown field" in told["results"][-1]["text"]
    assert (told["file"], told["prompt"]) == (MENDED.rstrip("\n"), 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_the_inspector_finds_no_fault_in_the_tools(npm_clients: None, stage: Stage, kind: str) -> None:
    workspace = stage.workspace()
    async with Client(_stdio(stage, workspace), mode=LEGACY):
        about = _daemon(stage)
    if kind == "http":
        target = ["--transport", "http", "--server-url", f"http://127.0.0.1:{about['port']}/mcp"]
        target += ["--header", f"Authorization: Bearer {about['token']}", f"Naestro-Workspace: {workspace}"]
    else:
        target = ["--cwd", str(workspace)]
        for name in ("NAESTRO_HOME", "NAESTRO_CACHE"):
            target += ["-e", f"{name}={stage.env[name]}"]
        target += SERVER

    async def ask(*options: str) -> Any:
        inspector = node.FOLDER / "node_modules" / ".bin" / "mcp-inspector"
        arguments = [inspector.resolve(), "--cli", *target, *options]
        done = await anyio.to_thread.run_sync(lambda: node.run(*arguments, cwd=workspace, **stage.env))
        assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
        return json.loads(done.stdout)

    tools = (await ask("--method", "tools/list", "--strict"))["tools"]
    assert [tool["name"] for tool in tools] == ALL_TOOLS
    read = await ask("--method", "tools/call", "--tool-name", "read_code", "--tool-arg", "target=calc.py")
    assert SOURCE.rstrip("\n") in read["content"][0]["text"]
    assert len((await ask("--method", "prompts/list"))["prompts"]) == 5
