"""Whatever happens to the process that holds an engine, no server of it is left, in any phase."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import Running, children, group_is_gone, until

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
PHASE_S = 60
GONE_S = 2
"""Promised: no process is left two seconds after its holder's end."""

HOLDER = """
import sys
from pathlib import Path
import anyio
from naestro.config import EmbeddedSettings, TimeoutSettings
from naestro.engines.embedded import Home, embedded_engine
from naestro.engines.engine import ChatRequest, EngineInfo, Message

async def main():
    settings = EmbeddedSettings(llama_server="wheel", slots=2, context_tokens=2048)
    async with anyio.create_task_group() as tasks:
        home = Home(Path(sys.argv[2]) / "logs", tasks)
        info = EngineInfo("small", "small", 0, is_local=True)
        engine = embedded_engine(info, Path(sys.argv[1]), settings, TimeoutSettings(), home)
        request = ChatRequest(messages=[Message(role="user", content=sys.argv[3])], max_tokens=1500)
        async with engine.chat(request) as stream:
            async for piece in stream:
                Path(sys.argv[2], "generating").touch()

anyio.run(main)
"""

SHORT = "Count from one to one thousand."
LONG = "word " * 1500


def log_says(folder: Path, words: str) -> bool:
    log = folder / "logs" / "engine-small.log"
    return log.exists() and words in log.read_text()


PHASES: dict[str, tuple[str, Callable[[Path, list[Running]], object]]] = {
    "starting": (SHORT, lambda _folder, guards: guards),
    "loading": (SHORT, lambda folder, _guards: log_says(folder, "loading model")),
    "reading the prompt": (LONG, lambda folder, _guards: log_says(folder, "processing task")),
    "generating": (SHORT, lambda folder, _guards: (folder / "generating").exists()),
}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
@pytest.mark.parametrize("phase", PHASES)
async def test_no_process_is_left_when_the_holder_ends(
    tmp_path: Path, smallest_model: Path, phase: str, number: signal.Signals
) -> None:
    prompt, is_reached = PHASES[phase]
    environment = {**os.environ, "NAESTRO_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(smallest_model), str(tmp_path), prompt],
        env=environment,
        stderr=subprocess.DEVNULL,
    ) as holder:
        await until(lambda: is_reached(tmp_path, children(holder.pid)), PHASE_S)
        guard = children(holder.pid)[0]
        holder.send_signal(number)
        holder.wait()
    await group_is_gone(guard.pid, GONE_S)
    # A guard whose holder ended before it gave the order was not told of the folder.
    assert phase == "starting" or list((tmp_path / "cache" / "slots").glob("*")) == []
