"""A whole council on the smallest real model: prompts, schemas, seeds and the prefix cache as they are in use."""

from pathlib import Path

import anyio
import pytest

from naestro.config import EmbeddedSettings, RoleSettings, RolesSettings, Settings, TimeoutSettings
from naestro.council.verdict import CouncilResult
from naestro.engines.embedded import Home, embedded_engine
from naestro.engines.engine import EngineInfo
from naestro.types import RunStatus
from tests.council.desk import QUICK, desk_in

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow]

BRIEF = RoleSettings(max_tokens=48)
SETTINGS = Settings(
    council=QUICK.model_copy(update={"context_tokens": 500, "schema_retries": 1}),
    roles=RolesSettings(proposer=BRIEF),
)
SHAPE = 'def area_{n}(width: int, height: int) -> int:\n    """The area of shape {n}."""\n    return width * height\n'
SOURCE = '"""Shapes and their sizes."""\n\n' + "\n".join(SHAPE.format(n=n) for n in range(12))


async def test_a_council_of_the_smallest_model_comes_to_a_verdict_and_reads_the_prefix_once(
    tmp_path: Path, smallest_model: Path
) -> None:
    info = EngineInfo(name="tiny", model="smollm2-135m", context_tokens=2048, is_local=True)
    slots = EmbeddedSettings(slots=2, context_tokens=2048)
    async with anyio.create_task_group() as tasks, desk_in(tmp_path, SETTINGS) as desk:
        (desk.workspace / "shapes.py").write_text(SOURCE)
        engine = embedded_engine(
            info, smallest_model, slots, TimeoutSettings(), Home(tmp_path / "logs", tasks)
        )
        desk.engines = [engine]
        with anyio.fail_after(240):
            run = await desk.start("explain", {"text": "shapes.py"})
            status = await desk.execution(run, "explain").run()
        done = await desk.done(run, status)
        await engine.aclose()
        result: CouncilResult = await done.result()
        tasks.cancel_scope.cancel()
    assert status is RunStatus.FINISHED, done.history.fault
    assert result.answer
    assert "propose.2" in done.steps
    calls = [call for step in done.history.steps.values() for call in step.last.calls if call.response]
    first, shared, *_ = sorted(call.usage.cached_tokens for call in calls if call.call.startswith("propose"))
    assert first == 0
    assert shared > 400
    assert all(
        call.usage.cached_tokens >= 0.9 * shared for call in calls if not call.call.startswith("propose")
    )
