"""A crash leaves no call of a tool without its result, and makes none twice that must not be made twice."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from naestro.runs.history import History
from naestro.runs.journal import open_reader
from naestro.runs.records import CallRecord
from naestro.tools.tool import ToolRequest, ToolResult
from tests.council.desk import SOURCE
from tests.support.answers import Answer, call_tool, say
from tests.support.scripted_server import Received, ScriptedServer
from tests.toolbox.victim import Life

WAIT_S = 60.0

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(scripted_server: ScriptedServer) -> ScriptedServer:
    def answer(request: Received) -> Answer:
        return (
            say("- (calc.py:4-6): it subtracts")
            if request.messages[-1]["role"] == "tool"
            else call_tool("mark", {})
        )

    scripted_server.otherwise(answer)
    return scripted_server


class Lives:
    """One run over several processes."""

    def __init__(self, home: Path, engine: ScriptedServer, *, is_idempotent: bool) -> None:
        self.home, self._url, self._is_idempotent = home, engine.base_url, is_idempotent
        (home / "workspace").mkdir(parents=True)
        (home / "workspace" / "calc.py").write_text(SOURCE)
        self.run: str | None = None

    def live(self, **changes: object) -> int:
        """One life; its exit status."""
        order = {"home": str(self.home), "base_url": self._url, "run": self.run}
        life = msgspec.convert({**order, "is_idempotent": self._is_idempotent, **changes}, Life)
        command = [sys.executable, "-m", "tests.toolbox.victim", msgspec.json.encode(life).decode()]
        done = subprocess.run(command, capture_output=True, timeout=WAIT_S, check=False, text=True)
        lines = done.stdout.splitlines()
        assert lines, done.stderr
        self.run = lines[0].removeprefix("run ")
        return done.returncode

    @property
    def effects(self) -> int:
        """How often the tool was called."""
        path = self.home / "effects"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def calls(self) -> list[CallRecord]:
        """The calls of tools in the journal."""
        with closing(open_reader(self.home)) as reader:
            history = History.of(reader.events(str(self.run)))
        assert history.result is not None
        assert history.open_calls == []
        return [call for call in history.step("propose.1").last.calls if call.tool]

    def read(self, digest: str | None) -> bytes:
        """An artifact."""
        with closing(open_reader(self.home)) as reader:
            return reader.artifact(str(digest))


def test_a_call_that_a_kill_broke_off_is_made_again_where_that_changes_nothing(
    tmp_path: Path, engine: ScriptedServer
) -> None:
    lives = Lives(tmp_path, engine, is_idempotent=True)
    assert lives.live(is_deadly=True) == -9
    assert lives.live() == 0
    assert lives.effects == 2
    assert lives.calls()[-1].state == "finished"


def test_a_call_that_may_have_taken_effect_is_not_made_again_and_the_engine_is_told(
    tmp_path: Path, engine: ScriptedServer
) -> None:
    lives = Lives(tmp_path, engine, is_idempotent=False)
    assert lives.live(is_deadly=True) == -9
    assert lives.live() == 0
    assert lives.effects == 1
    broken, withheld = lives.calls()
    assert (broken.state, withheld.state) == ("unknown", "finished")
    request = msgspec.json.decode(lives.read(withheld.request), type=ToolRequest)
    result = msgspec.json.decode(lives.read(withheld.response), type=ToolResult)
    assert request.is_withheld
    assert "may have taken effect" in result.text
    assert "may have taken effect" in engine.chats[-1].messages[-1]["content"]


@pytest.mark.parametrize("is_idempotent", [True, False])
@pytest.mark.parametrize(("kind", "nth"), [("call.started", 2), ("call.finished", 2)])
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_kill_at_each_commit_point_of_a_call_leaves_a_run_that_ends(
    when: str, kind: str, nth: int, is_idempotent: bool, tmp_path: Path, engine: ScriptedServer
) -> None:
    lives = Lives(tmp_path, engine, is_idempotent=is_idempotent)
    assert lives.live(kind=kind, nth=nth, when=when) == -9
    assert lives.live() == 0
    assert lives.effects <= (2 if is_idempotent else 1)
    calls = lives.calls()
    assert calls[-1].state == "finished"
    if kind == "call.finished" and when == "after":
        assert lives.effects == 1
        assert calls[-1].copied_from is not None
