"""A process that runs `explain` with a tool that leaves a mark at each call; made to be killed at a commit point."""

import sys
from pathlib import Path

import anyio
import msgspec

from naestro.engines.engine import EngineInfo
from naestro.engines.openai import OpenAIEngine, OpenAISettings
from naestro.runs.journal import open_journal
from naestro.tools.tool import ToolResult, ToolSpec
from tests.kill.victim import MortalJournal, Order, die, note, say
from tests.toolbox.test_look_up import Given, ToolingDesk, tooled

ASK = "What does add do?"


class Marking:
    """A tool whose calls lie in a file; it can die in the middle of the first one."""

    def __init__(self, effects: Path, *, is_idempotent: bool, is_deadly: bool) -> None:
        self.spec = ToolSpec("mark", "Marks.", {"type": "object", "properties": {}}, is_idempotent)
        self._effects, self._is_deadly = effects, is_deadly

    async def call(self, arguments: object) -> ToolResult:
        note(self._effects, "called")
        if self._is_deadly:
            die()
        return ToolResult("marked")


class Life(Order):
    """An order, and what its tool is like."""

    is_idempotent: bool = True
    is_deadly: bool = False


async def live(life: Life) -> None:
    home = Path(life.home)
    async with open_journal(home, holder="victim") as opened:
        journal = MortalJournal.__new__(MortalJournal)
        vars(journal).update(vars(opened), order=life, count=0)
        info = EngineInfo("one", "scripted", 8192, is_local=True)
        async with OpenAIEngine(info, OpenAISettings(life.base_url, retries=0)) as engine:
            desk = ToolingDesk(journal, home / "workspace", [engine], tooled())
            tool = Marking(home / "effects", is_idempotent=life.is_idempotent, is_deadly=life.is_deadly)
            desk.given = Given((tool,))
            run = life.run or await desk.start("explain", {"text": ASK})
            say(b"run " + run.encode())
            say(b"ended " + (await desk.execute(run, "explain")).encode())


if __name__ == "__main__":
    anyio.run(live, msgspec.json.decode(sys.argv[1].encode(), type=Life))
