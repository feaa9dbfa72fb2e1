"""A scripted session with the embedded engine and the smallest model, and what is left when its daemon is killed."""

from pathlib import Path

import pytest

from naestro.types import RunStatus
from tests.acp.process.stage import Stage
from tests.acp.process.test_daemon_lost import kill_daemon
from tests.acp.process.typescript import typescript_client
from tests.support.processes import until

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.anyio, pytest.mark.usefixtures("npm_clients")]

ENGINE_WAIT_S = 240
DEATH_S = 5.0
"""How long a local engine may outlive its daemon."""
CONFIG = """
[flags]
local_models = ["smollm2-135m"]
[council]
proposers = 2
judges = 1
context_tokens = 200
[roles.proposer]
max_tokens = 48
[roles.critic]
max_tokens = 48
[roles.synthesizer]
max_tokens = 48
[roles.judge]
max_tokens = 48
[embedded]
slots = 2
context_tokens = 2048
llama_server = "wheel"
"""


@pytest.fixture
def engine_stage(own_stage: Stage, smallest_model: Path) -> Stage:
    """A home whose only engine is the smallest model."""
    (own_stage.home / "config.toml").write_text(CONFIG)
    own_stage.env["NAESTRO_CACHE"] = str(smallest_model.parents[1])
    return own_stage


async def test_a_session_with_the_smallest_model(engine_stage: Stage) -> None:
    workspace = engine_stage.workspace()
    async with typescript_client(engine_stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        prompt = await client.ask_prompt(session, "/explain What does add in calc.py do?")
        assert (await prompt.answer(ENGINE_WAIT_S))["stopReason"] == "end_turn"
        assert client.text(session, "agent_thought_chunk").strip()
        assert client.of_kind("usage_update", session)[-1]["used"] > 0
        (run,) = client.runs()
        assert engine_stage.status(run) in (RunStatus.FINISHED, RunStatus.FAILED)

        prompt = await client.ask_prompt(session, "/explain Why is it called add?")
        before = len(client.text(session, "agent_thought_chunk"))
        await client.until(lambda: len(client.text(session, "agent_thought_chunk")) > before, ENGINE_WAIT_S)
        await client.notify("session/cancel", sessionId=session)
        assert (await prompt.answer())["stopReason"] == "cancelled"


async def test_a_killed_daemon_takes_its_engine_along_and_its_run_goes_on(engine_stage: Stage) -> None:
    workspace = engine_stage.workspace()
    async with typescript_client(engine_stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        prompt = await client.ask_prompt(session, "/explain What does add in calc.py do?")
        await client.until(lambda: client.text(session, "agent_thought_chunk"), ENGINE_WAIT_S)
        (run,) = client.runs()
        engines = set(engine_stage.engines())
        assert engines
        kill_daemon(engine_stage)
        await client.until(lambda: prompt.is_answered)
        assert prompt.error is not None
        assert prompt.error.data["run"] == run
        await until(lambda: not engines & set(engine_stage.engines()), DEATH_S)
        await until(lambda: engine_stage.status(run) in (RunStatus.FINISHED, RunStatus.FAILED), ENGINE_WAIT_S)
