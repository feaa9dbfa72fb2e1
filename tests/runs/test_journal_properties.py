"""Whatever happens in whatever order: numbers have no gap, nothing shown is missing, and the views can be made anew."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naestro.errors import NotInJournal, StaleAttempt
from naestro.runs.journal import AttemptGuard, Draft, Journal, digest_of, open_journal
from naestro.types import (
    CallFinished,
    EventData,
    Fault,
    InterruptAnswered,
    InterruptOpened,
    Notice,
    RunCancelled,
    RunFailed,
    RunResumed,
    RunStopped,
    StepFailed,
    StepFinished,
    StepKind,
    StepPatched,
    StepReopened,
    StepStarted,
    Usage,
)
from tests.conformance.journal import assert_sound, begun

WAIT_S = 60

ARTIFACTS = st.sampled_from([b"", b"a", b"b" * 5000, b"\x00\xff"])
STEPS = st.sampled_from(["propose.1", "propose.2"])
NUMBERS = st.integers(1, 3)


@dataclass(frozen=True)
class Facts:
    """One write: events of one step with an artifact, guarded or not."""

    run: int
    data: tuple[EventData, ...]
    artifact: bytes
    step: str
    revision: int
    attempt: int
    is_guarded: bool


@dataclass(frozen=True)
class AtOnce:
    """Writes that wait at the same time; those of `cancelled` are given up while they wait."""

    facts: tuple[Facts, ...]
    cancelled: frozenset[int]


@dataclass(frozen=True)
class Crash:
    """The owner is gone at once; of its last transactions, the log keeps so many of a hundred parts."""

    kept_parts: int


@dataclass(frozen=True)
class Reopen:
    """The owner ends, and another begins."""


@dataclass(frozen=True)
class Rebuild:
    """The views are made anew."""


def _events(artifact: bytes) -> st.SearchStrategy[EventData]:
    digest = digest_of(artifact)
    return st.sampled_from(
        [
            Notice("a word"),
            StepStarted(StepKind.PROPOSE, {}),
            StepFinished(digest, Usage(), 1),
            StepFailed(Fault("engine", "gone")),
            StepPatched("output", digest, digest, digest, "me"),
            StepPatched("prompt", digest, digest, digest, "me"),
            StepReopened("propose.1"),
            CallFinished("c", digest, Usage(10, 5, 2, 0.125), 1, 1),
            InterruptOpened("approve", "approve", "Apply it?", ["yes"], payload=digest),
            InterruptAnswered("approve", "yes", "me"),
            RunStopped("shut down"),
            RunResumed(1),
            RunFailed(Fault("engine", "gone")),
            RunCancelled("asked to"),
        ]
    )


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    artifact = draw(ARTIFACTS)
    return Facts(
        run=draw(st.integers(0, 2)),
        data=tuple(draw(st.lists(_events(artifact), min_size=1, max_size=3))),
        artifact=artifact,
        step=draw(STEPS),
        revision=draw(NUMBERS),
        attempt=draw(NUMBERS),
        is_guarded=draw(st.booleans()),
    )


AT_ONCE = st.builds(
    AtOnce,
    st.lists(facts(), min_size=1, max_size=6).map(tuple),
    st.frozensets(st.integers(0, 5), max_size=3),
)
HAPPENINGS = st.lists(
    st.one_of(
        AT_ONCE,
        AT_ONCE,
        AT_ONCE,
        st.builds(Crash, st.integers(0, 100)),
        st.just(Reopen()),
        st.just(Rebuild()),
    ),
    min_size=1,
    max_size=10,
)


@dataclass
class World:
    """The journal, and what was shown of it."""

    folder: Path
    runs: list[str] = field(default_factory=list[str])
    shown: dict[tuple[str, int], EventData] = field(default_factory=dict[tuple[str, int], EventData])
    homes: int = 0

    @property
    def home(self) -> Path:
        return self.folder / str(self.homes)

    async def play(self, happenings: list[object]) -> None:
        left = list(happenings)
        while left:
            async with open_journal(self.home, holder="property") as journal:
                self.assert_nothing_is_missing(journal)
                await self.begin_runs(journal)
                await self.play_until_it_ends(journal, left)

    async def begin_runs(self, journal: Journal) -> None:
        while len(self.runs) < 3:
            self.runs.append(await journal.create_run(begun()))
            self.shown[self.runs[-1], 1] = begun()

    async def play_until_it_ends(self, journal: Journal, left: list[object]) -> None:
        while left:
            match left.pop(0):
                case AtOnce() as at_once:
                    await self.write_at_once(journal, at_once)
                case Rebuild():
                    await journal.apply(lambda tx: None)  # so that what a cancelled caller had queued is kept
                    before = views(journal)
                    await journal.rebuild()
                    assert views(journal) == before
                case Crash(kept_parts=kept_parts):
                    self.crash(kept_parts)
                    return
                case _:
                    return

    async def write_at_once(self, journal: Journal, at_once: AtOnce) -> None:
        async with anyio.create_task_group() as tasks:
            for number, one in enumerate(at_once.facts):
                scope = anyio.CancelScope()
                tasks.start_soon(self.write, journal, one, scope)
                await anyio.lowlevel.checkpoint()
                if number in at_once.cancelled:
                    scope.cancel()

    async def write(self, journal: Journal, one: Facts, scope: anyio.CancelScope) -> None:
        run = self.runs[one.run]
        guard = (
            AttemptGuard(run, one.step, one.revision, one.attempt, journal.fence) if one.is_guarded else None
        )
        drafts = [Draft(data, one.step, one.revision, one.attempt) for data in one.data]
        with scope:
            try:
                events = await journal.write(run, *drafts, artifacts=[one.artifact], guard=guard)
            except StaleAttempt:
                assert one.is_guarded
                return
            self.shown |= {(run, event.seq): event.data for event in events}

    def crash(self, kept_parts: int) -> None:
        """What a killed process leaves; with a part of the log missing, what a machine without power leaves."""
        old = self.home
        self.homes += 1
        self.home.mkdir()
        shutil.copy(old / "journal.db", self.home)
        log = (old / "journal.db-wal").read_bytes()
        (self.home / "journal.db-wal").write_bytes(log[: len(log) * kept_parts // 100])
        if kept_parts < 100:
            self.runs.clear()
            self.shown.clear()

    def assert_nothing_is_missing(self, journal: Journal) -> None:
        assert_sound(journal.reader)
        found = {(event.run, event.seq): event.data for _, event in journal.reader.all_events()}
        assert self.shown.items() <= found.items()
        for _, event in journal.reader.all_events():
            if isinstance(event.data, StepFinished):
                journal.reader.artifact(event.data.output)
        for info in journal.reader.runs():
            assert info.last_seq == max(seq for run, seq in found if run == info.id)


def views(journal: Journal) -> list[object]:
    infos = journal.reader.runs(limit=1000)
    return [*infos, *(journal.reader.steps(info.id) for info in infos)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HAPPENINGS)
def test_the_journal_stays_sound_whatever_happens(happenings: list[object]) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as folder, anyio.fail_after(WAIT_S):
            world = World(Path(folder))
            await world.play(happenings)
            async with open_journal(world.home, holder="property") as journal:
                world.assert_nothing_is_missing(journal)
                before = views(journal)
                await journal.rebuild()
                assert views(journal) == before

    anyio.run(play)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=8), st.lists(st.integers(0, 7), max_size=8))
def test_an_artifact_is_what_its_name_says_or_not_there(stored: list[bytes], asked: list[int]) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with open_journal(Path(folder), holder="property") as journal:
                run = await journal.create_run(begun())
                await journal.write(run, artifacts=stored)
                for number in asked:
                    data = stored[number] if number < len(stored) else b"never stored" * 50
                    try:
                        assert journal.reader.artifact(digest_of(data)) == data
                    except NotInJournal:
                        assert data not in stored

    anyio.run(play)
