"""The real command with the real engine, killed by SIGKILL at five moments: nothing is lost, no engine is left over."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from naestro.runs.history import History
from naestro.types import Event
from tests.support.cli import Cli
from tests.support.processes import running, until

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.anyio]

KILLS = 5
SEED = 20261124
DEATH_S = 2.0
"""How long a local engine may outlive its holder."""

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
def engine_cli(tmp_path: Path, smallest_model: Path) -> Cli:
    """The command in a small workspace, with the smallest model as its only engine."""
    cli = Cli(tmp_path, "http://127.0.0.1:9/v1")
    (cli.home / "config.toml").write_text(CONFIG)
    cli.env["NAESTRO_CACHE"] = str(smallest_model.parents[1])
    (cli.workspace / "calc.py").write_text("def add(left, right):\n    return left - right\n")
    return cli


async def test_five_kills_at_random_moments_lose_nothing(engine_cli: Cli) -> None:
    moments = random.Random(SEED)
    run, shown = "", []
    for kill in range(KILLS):
        process = engine_cli.start(
            *(("resume", run) if run else ("explain", "What does add in calc.py do?")), "--json"
        )
        assert process.stdout is not None
        seen = [line for _ in range(moments.randint(3, 14)) if (line := process.stdout.readline())]
        process.kill()
        rest, _ = process.communicate(timeout=20)
        shown += [json.loads(line) for line in [*seen, *rest.splitlines()] if line.endswith(("}\n", "}"))]
        run = run or str(shown[0]["run"])
        await until(lambda: not _servers(engine_cli), DEATH_S)
        if (status := engine_cli.runs()[0]["status"]) == "finished":
            break
        assert status == "stopped", f"after kill {kill + 1}"
    ended = engine_cli.process("resume", run)
    assert ended.returncode in (0, 2), ended.stderr
    events = engine_cli.events(run)
    assert History.of(events).status == "finished"
    _assert_sound(events, shown)
    await until(lambda: not _servers(engine_cli), DEATH_S)


def _servers(cli: Cli) -> list[str]:
    """The local servers that belong to this test."""
    return [
        one.command
        for one in running()
        if "naestro.engines.llama_child" in one.command and _is_ours(one.pid, cli)
    ]


def _is_ours(pid: int, cli: Cli) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"NAESTRO_HOME={cli.home}".encode() in environment.split(b"\0")


def _assert_sound(events: list[Event], shown: list[dict]) -> None:
    """Numbers have no gap, nothing that was shown is missing, and no revision of a step finished twice."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    recorded = {event.seq: event.type for event in events}
    assert {one["seq"]: one["type"] for one in shown}.items() <= recorded.items()
    finished = Counter((event.step, event.revision) for event in events if event.type == "step.finished")
    assert set(finished.values()) == {1}
