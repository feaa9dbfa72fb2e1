"""A prompt that the smallest real model answers: tokens as thoughts, and a plan that is done."""

from pathlib import Path

import anyio
import pytest
from acp.helpers import text_block

from naestro.types import RunStatus
from tests.acp.desk import NOTHING, Person, connected, core_in

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow]
LIMIT_S = 200.0
CONFIG = """
[flags]
local_models = ["smollm2-135m"]
[council]
proposers = 1
[embedded]
slots = 1
context_tokens = 2048
[roles.proposer]
max_tokens = {most}
"""


def configure(folder: Path, model: Path, most: int) -> None:
    """The smallest model where the cache has it, and settings that keep it brief."""
    (folder / "home").mkdir()
    (folder / "home" / "config.toml").write_text(CONFIG.format(most=most))
    (folder / "cache").mkdir()
    (folder / "cache" / "models").symlink_to(model.parent)


async def test_the_smallest_model_answers_a_prompt_of_the_editor(
    tmp_path: Path, smallest_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, smallest_model, 48)
    async with (
        core_in(tmp_path, "", monkeypatch) as core,
        connected(core, Person(), tmp_path / "workspace", NOTHING) as desk,
    ):
        await desk.open()
        with anyio.fail_after(LIMIT_S):
            response = await desk.agent.prompt(
                session_id=desk.session, prompt=[text_block("What does add in calc.py do?")]
            )
        assert (await core.get("last")).status is RunStatus.FINISHED
    assert response.stop_reason == "end_turn"
    assert response.usage is not None
    assert response.usage.output_tokens > 0
    assert len(desk.person.of("agent_thought_chunk")) > 3
    assert {entry.status for entry in desk.person.of("plan")[-1].entries} == {"completed"}
