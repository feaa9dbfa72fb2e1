"""Random flows, crashes, patches and re-runs, held against a model: hypothesis looks for the order that breaks one."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from naestro.runs.attempt import Attempt
from naestro.runs.execution import Execution
from naestro.runs.history import History
from naestro.runs.interrupts import patch_output, rerun
from naestro.runs.journal import Journal, open_reader
from naestro.runs.loading import read_history
from naestro.runs.records import StepState
from naestro.runs.run import Run
from naestro.types import RunStatus, Usage
from tests.runs.flows import WAIT_S, Text, after_crash, journal_in, spec, started


@dataclass(frozen=True)
class Shape:
    """One step of a random flow: which earlier steps it reads, and how many calls it makes."""

    reads: frozenset[int]
    calls: int
    is_concurrent: bool
    """Whether it begins without waiting for the step before it."""


@st.composite
def shapes(draw: st.DrawFn) -> list[Shape]:
    count = draw(st.integers(1, 6))
    return [
        Shape(
            frozenset(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else frozenset(),
            draw(st.integers(0, 2)),
            draw(st.booleans()),
        )
        for number in range(count)
    ]


class Lives(RuleBasedStateMachine):
    """One run over its lives."""

    @initialize(flow=shapes())
    def begin(self, flow: list[Shape]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.home = Path(self.folder.name) / "home0"
        self.crashes = 0
        self.flow = flow
        self.revisions = [1] * len(flow)
        self.given: dict[int, str] = {}
        """Outputs that a person gave, by step, until it is opened again."""
        self.finished: set[tuple[str, int]] = set()
        self.run = anyio.run(self._create)
        self.is_finished = False

    async def _create(self) -> str:
        async with journal_in(self.home) as journal:
            return await journal.create_run(started())

    @rule(moment=st.integers(1, 25))
    def crash(self, moment: int) -> None:
        """Go on, and be killed at the `moment`-th thing that happens; perhaps the run finishes before."""
        self.crashes += 1
        crashed = Path(self.folder.name) / f"home{self.crashes}"
        anyio.run(self._live, moment, crashed)
        if crashed.exists():
            self.home = crashed
        self._look()

    @rule()
    def finish(self) -> None:
        anyio.run(self._live, None, None)
        self._look()
        assert self.is_finished

    @precondition(lambda self: self.finished)
    @rule(data=st.data())
    def patch(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self._known()))
        text = f"given {self.revisions[number] + 1}"
        anyio.run(self._change, patch_output, f"s{number}", f'"{text}"'.encode(), "me")
        self._open(number)
        self.given[number] = text
        self._look()

    @precondition(lambda self: self.finished)
    @rule(data=st.data())
    def run_again(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self._known()))
        anyio.run(self._change, rerun, f"s{number}", "me")
        self._open(number)
        self._look()

    @invariant()
    def revisions_are_those_of_the_model(self) -> None:
        if hasattr(self, "run"):
            for number in self._known():
                assert self._history().step(f"s{number}").revision == self.revisions[number]

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    async def _change(self, change, step: str, *args: object) -> None:
        async with journal_in(self.home) as journal:
            await change(journal, self.run, step, *args)

    def _known(self) -> list[int]:
        return sorted(int(name[1:]) for name in self._history().steps)

    def _open(self, number: int) -> None:
        """The model of a new revision: of the step and of all known steps that depend on it."""
        opened = {number}
        for later in range(number + 1, len(self.flow)):
            if later in self._known() and self.flow[later].reads & opened:
                opened.add(later)
        for one in opened:
            self.revisions[one] += 1
            self.given.pop(one, None)

    def _history(self) -> History:
        with open_reader(self.home) as reader:
            return read_history(reader, self.run)

    def _look(self) -> None:
        """What the journal says now; everything that it calls finished must have the model's output."""
        with open_reader(self.home) as reader:
            events = reader.events(self.run)
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            history = History.of(events)
            for step in history.steps.values():
                if step.state is StepState.FINISHED:
                    output = reader.artifact(str(step.last.output)).decode()
                    assert output == f'"{self._value(int(step.name[1:]))}"'
        self.finished = {
            (step.name, one.revision)
            for step in history.steps.values()
            for one in step.revisions
            if one.state is StepState.FINISHED
        }
        self.is_finished = history.status is RunStatus.FINISHED
        if self.is_finished:
            assert len(history.steps) == len(self.flow)
            assert history.open_calls == []

    def _value(self, number: int) -> str:
        """What the model says a step gives at its present revision."""
        if number in self.given:
            return self.given[number]
        read = ",".join(self._value(one) for one in sorted(self.flow[number].reads))
        return f"s{number}.{self.revisions[number]}({read}){'!' * self.flow[number].calls}"

    async def _live(self, moment: int | None, crashed: Path | None) -> None:
        async with journal_in(self.home) as journal:
            life = Life(self, journal, moment, crashed)
            with anyio.fail_after(WAIT_S):
                await life.execution.run()


class Life:
    """One execution, which may be killed at a moment."""

    def __init__(self, lives: Lives, journal: Journal, moment: int | None, crashed: Path | None) -> None:
        self.lives = lives
        self.moment = moment
        self.crashed = crashed
        self.count = 0
        self.execution = Execution(journal, lives.run, self)

    async def __call__(self, run: Run) -> Text:
        outputs: dict[int, str] = {}
        done = [anyio.Event() for _ in self.lives.flow]

        async def step(number: int, shape: Shape) -> None:
            for read in shape.reads:
                await done[read].wait()

            async def work(attempt: Attempt) -> str:
                _, name, revision, _ = attempt.key.split("/")
                assert (name, int(revision)) not in self.lives.finished
                read = ",".join(outputs[one] for one in sorted(shape.reads))
                called = "".join([await self._call(attempt, f"{number}.{one}") for one in range(shape.calls)])
                await self._happens()
                return f"{name}.{revision}({read}){called}"

            reads = [f"s{one}" for one in sorted(shape.reads)]
            outputs[number] = await run.step(spec(f"s{number}", *reads), work, str)
            await self._happens()
            done[number].set()

        async with anyio.create_task_group() as group:
            for number, shape in enumerate(self.lives.flow):
                group.start_soon(step, number, shape)
                if not shape.is_concurrent:
                    await done[number].wait()
        return Text("done")

    async def _call(self, attempt: Attempt, text: str) -> str:
        async with attempt.call("engine", Text(text)) as call:
            if call.recorded is None:
                call.token(text)
                await self._happens()
                await call.finish(Text("!"), Usage())
        return "!"

    async def _happens(self) -> None:
        """Something happened; it may be the last."""
        await anyio.lowlevel.checkpoint()
        self.count += 1
        if self.count == self.moment and self.crashed is not None:
            after_crash(self.lives.home, self.crashed)
            self.execution.park()
            await anyio.sleep_forever()


Lives.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
test_any_order_of_crashes_patches_and_re_runs_keeps_the_promises = pytest.mark.slow(Lives.TestCase)
