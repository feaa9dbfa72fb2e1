"""Clients that others wrote drive the agent as they are: the Python SDK's, and `acpx`."""

import json
from pathlib import Path
from typing import cast

import anyio
import pytest
from acp.helpers import text_block
from acp.schema import AllowedOutcome, RequestPermissionResponse

import acp
from tests.acp.process.node import ACPX, node, node_on_path
from tests.acp.process.stage import AGENT, Stage
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

WAIT_S = 90


class Editor:
    """A client that allows everything once, and offers neither files nor terminals."""

    def __init__(self) -> None:
        self.said = ""
        self.asked = 0

    async def request_permission(self, session_id, tool_call, options, **kwargs):
        self.asked += 1
        chosen = next(option for option in options if option.kind == "allow_once")
        return RequestPermissionResponse(
            outcome=AllowedOutcome(outcome="selected", option_id=chosen.option_id)
        )

    async def session_update(self, session_id, update, **kwargs):
        if update.session_update == "agent_message_chunk":
            self.said += update.content.text


async def test_the_python_sdk_s_client_has_a_change_made(
    stage: Stage, workspace: Path, patching: ScriptedServer
) -> None:
    editor = Editor()
    command, *arguments = AGENT
    with anyio.fail_after(WAIT_S):
        async with acp.spawn_agent_process(
            lambda _: cast("acp.Client", editor), command, *arguments, env=stage.env, cwd=workspace
        ) as (agent, process):
            said = await agent.initialize(protocol_version=acp.PROTOCOL_VERSION)
            assert said.protocol_version == 1
            session = await agent.new_session(cwd=str(workspace), mcp_servers=[])
            answer = await agent.prompt(
                session_id=session.session_id, prompt=[text_block("/orchestrate Mend add in calc.py.")]
            )
        assert answer.stop_reason == "end_turn"
        assert process.returncode is not None
    assert editor.asked == 1
    assert "calc.py" in editor.said
    assert "left + right" in (workspace / "calc.py").read_text()


async def test_acpx_gets_an_answer(
    stage: Stage, workspace: Path, answering: ScriptedServer, npm_clients: None
) -> None:
    with node_on_path() as env, anyio.fail_after(WAIT_S):
        done = await anyio.run_process(
            [
                str(node()),
                str(ACPX),
                "--agent",
                " ".join(AGENT),
                "--format",
                "json",
                "--json-strict",
                "exec",
                "What does add in calc.py do?",
            ],
            cwd=workspace,
            env={**env, **stage.env, "PATH": env["PATH"], "HOME": str(stage.folder)},
            check=False,
        )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert done.stderr == b""
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert "adds two numbers" in "".join(map(json.dumps, messages))
    assert any((one.get("result") or {}).get("stopReason") == "end_turn" for one in messages)
