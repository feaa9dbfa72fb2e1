"""A process killed by SIGKILL at any moment loses nothing that was shown, and runs no finished step twice."""

import multiprocessing
import os
import random
import select
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from naestro.runs.history import History
from naestro.runs.journal import open_reader
from naestro.runs.records import StepState
from naestro.types import Event, RunResumed, RunStatus, decode_event
from tests.kill.victim import RESULT, STEPS, Order, live
from tests.support.answers import Answer
from tests.support.scripted_server import Received, ScriptedServer

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.kill.victim"])

WAIT_S = 20.0
KILLS = 50
COMMIT_POINTS = (
    "run.started",
    "step.started",
    "step.input",
    "call.started",
    "tokens",
    "call.finished",
    "step.finished",
    "interrupt.opened",
    "interrupt.answered",
    "run.finished",
)


class Victim:
    """One process, from its start to its end."""

    def __init__(self, order: Order) -> None:
        self.lines: list[str] = []
        self._rest = b""
        self._ear, mouth = SERVER.Pipe(duplex=False)
        self._process = SERVER.Process(target=live, args=(order, mouth))
        self._process.start()
        mouth.close()

    def read_until(self, count: int, wait_s: float = WAIT_S) -> bool:
        """Read until there are `count` lines; whether there are (not when it ended, or took too long)."""
        deadline = time.monotonic() + wait_s
        while len(self.lines) < count and (left_s := deadline - time.monotonic()) > 0:
            if not self._read(left_s):
                return False
        return len(self.lines) >= count

    def _read(self, wait_s: float) -> bool:
        if not select.select([self._ear], [], [], wait_s)[0]:
            return True
        data = os.read(self._ear.fileno(), 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += [line.decode() for line in lines]
        return bool(data)

    def kill(self) -> None:
        self._process.kill()
        self.wait()

    def wait(self) -> int | None:
        """Read everything up to its end; its exit status."""
        assert self.read_until(sys.maxsize) is False
        self._process.join(WAIT_S)
        self._ear.close()
        return self._process.exitcode

    @property
    def shown(self) -> list[Event]:
        return [decode_event(line.encode()) for line in self.lines if line.startswith("{")]

    @property
    def run(self) -> str | None:
        return next((line.removeprefix("run ") for line in self.lines if line.startswith("run ")), None)

    @property
    def has_ended(self) -> bool:
        return any(line.startswith("ended ") for line in self.lines)


@pytest.fixture
def engine(scripted_server: ScriptedServer) -> ScriptedServer:
    """It answers a prompt with its last letter, four times."""

    def answer(request: Received) -> Answer:
        return Answer(pieces=[request.last[-1]] * 4, token_delay_s=0.004)

    scripted_server.otherwise(answer)
    return scripted_server


@dataclass
class Witness:
    """What must hold after each kill, over the whole life of one run."""

    home: Path
    base_url: str
    run: str | None = None
    finished: dict[tuple[str, int], int] = field(default_factory=dict)
    """Each finished revision, and how many side effects its step had when it was first seen finished."""
    open_calls: list[str] = field(default_factory=list)
    resumes: int = 0

    def order(self, **changes: object) -> Order:
        return msgspec.convert(
            {"home": str(self.home), "base_url": self.base_url, "run": self.run, **changes}, Order
        )

    def check(self, victim: Victim) -> History:
        """Compare the journal with what the dead process was shown."""
        with closing(open_reader(self.home)) as reader:
            assert reader.damage() == []
            self.run = self.run or (reader.runs()[0].id if reader.runs() else None)
            events = reader.events(self.run) if self.run else []
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            for shown in victim.shown:
                assert events[shown.seq - 1] == shown
            history = History.of(events)
            assert events == [] or reader.run(str(self.run)).status in (
                (RunStatus.FINISHED,) if history.result else (RunStatus.STOPPED, RunStatus.WAITING)
            )
        self._check_calls(events)
        self._check_effects(history)
        self.open_calls = [call.call for call in history.open_calls]
        return history

    def _check_calls(self, events: list[Event]) -> None:
        """Calls that were open at the last kill are closed as unknown by who went on, if anybody did."""
        resumed = [event.data for event in events if isinstance(event.data, RunResumed)]
        if len(resumed) > self.resumes:
            assert resumed[self.resumes].unknown_calls == self.open_calls
        self.resumes = len(resumed)

    def _check_effects(self, history: History) -> None:
        effects = self.home / "effects"
        lines = effects.read_text().splitlines() if effects.exists() else []
        for step in history.steps.values():
            count = sum(line.startswith(f"{self.run}/{step.name}/{step.revision}/") for line in lines)
            if step.state is StepState.FINISHED:
                assert self.finished.setdefault((step.name, step.revision), count) == count
        assert all(history.step(name).last.revision == revision for name, revision in self.finished)

    def check_end(self, victim: Victim) -> None:
        assert victim.wait() == 0, victim.lines
        assert victim.lines[-1] == "ended finished"
        history = self.check(victim)
        assert tuple(sorted(history.steps)) == tuple(sorted(STEPS))
        assert history.open_calls == []
        with closing(open_reader(self.home)) as reader:
            assert reader.artifact(str(history.result)) == RESULT


@pytest.mark.slow
def test_fifty_kills_at_random_moments_lose_nothing_and_repeat_nothing(
    tmp_path: Path, engine: ScriptedServer
) -> None:
    chance = random.Random(20261124)
    kills = lives = kills_in_calls = 0
    while kills < KILLS:
        lives += 1
        witness = Witness(tmp_path / f"home{lives}", engine.base_url)
        while True:
            victim = Victim(witness.order())
            victim.read_until(chance.randrange(2, 40))
            victim.read_until(sys.maxsize, chance.random() * 0.02)
            if victim.has_ended:
                witness.check_end(victim)
                break
            victim.kill()
            kills += 1
            if not victim.has_ended:
                kills_in_calls += bool(witness.check(victim).open_calls)
    assert lives > 3
    assert kills_in_calls > KILLS / 6


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMMIT_POINTS)
def test_a_kill_at_each_kind_of_commit_point_loses_nothing(
    kind: str, tmp_path: Path, engine: ScriptedServer
) -> None:
    chance = random.Random(kind)
    for when in ("before", "during", "after"):
        witness = Witness(tmp_path / when, engine.base_url)
        nth = 1 if kind.startswith(("run.", "interrupt.")) else chance.randrange(1, 6)
        victim = Victim(witness.order(kind=kind, nth=nth, when=when, delay_s=chance.random() * 0.001))
        assert victim.wait() == -9
        history = witness.check(victim)
        is_written = sum(event_type == kind for event_type in types(witness)) >= nth
        assert is_written or when != "after"
        assert not is_written or when != "before"
        if history.result is None:
            victim = Victim(witness.order())
            witness.check_end(victim)


def types(witness: Witness) -> list[str]:
    with closing(open_reader(witness.home)) as reader:
        return [event.type for event in reader.events(witness.run or "")]
