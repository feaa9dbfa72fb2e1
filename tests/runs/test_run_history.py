"""The history: a pure fold of events, rich enough for the trace, and the texts in which differences are shown."""

from dataclasses import dataclass, field

import pytest

from naestro.errors import EngineOverloaded, JournalError, NaestroError, NotInJournal
from naestro.runs.faults import error_of, fault_of
from naestro.runs.history import History
from naestro.runs.readable import COMPARED_MAX, diff_of, readable
from naestro.runs.records import StepState
from naestro.types import (
    CallFailed,
    CallFinished,
    CallStarted,
    Event,
    EventData,
    Fault,
    Notice,
    PatchApplied,
    PatchUndone,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStatus,
    RunStopped,
    StepFailed,
    StepFinished,
    StepKind,
    StepReopened,
    StepStarted,
    Tokens,
    Usage,
    decode_event,
    encode,
)
from tests.runs.flows import started


@dataclass
class Tape:
    """Events of one run, made by hand; each a second after the one before."""

    events: list[Event] = field(default_factory=list)

    def add(self, data: EventData, place: str | None = None, after_s: int = 1) -> "Tape":
        step, revision, attempt = place.split("/") if place else (None, None, None)
        seconds = (
            int(self.events[-1].time[14:16]) * 60 + int(self.events[-1].time[17:19]) + after_s
            if self.events
            else 0
        )
        self.events.append(
            Event(
                run="r",
                seq=len(self.events) + 1,
                time=f"2026-01-31T12:{seconds // 60:02}:{seconds % 60:02}.000Z",
                type=data.TYPE,
                step=step,
                revision=None if revision is None else int(revision),
                attempt=None if attempt is None else int(attempt),
                data=data,
            )
        )
        return self

    @property
    def history(self) -> History:
        return History.of(self.events)


def begun() -> Tape:
    return Tape().add(started())


def step_started(*reads: str) -> StepStarted:
    return StepStarted(StepKind.PROPOSE, dict.fromkeys(reads, 1), engine="small")


def test_no_events_are_a_run_of_which_nothing_is_known() -> None:
    history = History()
    assert (history.run, history.last_seq, history.started, history.status) == (
        "",
        0,
        None,
        RunStatus.RUNNING,
    )


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (RunStopped("bye"), RunStatus.STOPPED),
        (RunCancelled("enough"), RunStatus.CANCELLED),
        (RunFailed(Fault("x", "y")), RunStatus.FAILED),
        (RunFinished("digest", Usage(), 1), RunStatus.FINISHED),
    ],
)
def test_each_ending_has_its_status_and_interrupts_what_still_ran(
    ending: EventData, status: RunStatus
) -> None:
    history = begun().add(step_started(), "a/1/1").add(ending).history
    assert (history.status, history.step("a").state) == (status, StepState.INTERRUPTED)
    assert history.step("a").last.attempts[0].ended == "2026-01-31T12:00:02.000Z"


def test_a_resumed_run_forgets_why_it_had_ended() -> None:
    history = begun().add(RunFailed(Fault("x", "y"))).add(RunResumed(2)).history
    assert (history.status, history.fault, history.reason) == (RunStatus.RUNNING, None, "")


def test_time_counts_only_while_an_owner_works() -> None:
    tape = begun().add(Notice("x"), after_s=3).add(RunStopped("bye"), after_s=2)
    assert tape.history.active_ms == 5000
    tape.add(RunResumed(2), after_s=600).add(Notice("y"), after_s=4)
    assert tape.history.active_ms == 9000


def test_a_crash_leaves_the_time_up_to_the_last_event() -> None:
    tape = begun().add(Notice("x"), after_s=3).add(RunResumed(2), after_s=900).add(Notice("y"), after_s=1)
    assert tape.history.active_ms == 4000


def test_a_clock_that_goes_back_takes_no_time_away() -> None:
    tape = begun().add(Notice("x"), after_s=5).add(Notice("y"), after_s=-3)
    assert tape.history.active_ms == 5000


def test_dependents_are_found_through_others_and_in_order() -> None:
    tape = begun()
    for name, *reads in (["a"], ["b", "a"], ["x"], ["c", "b"], ["d", "x", "c"], ["e", "x"]):
        tape.add(step_started(*reads), f"{name}/1/1").add(StepFinished("o", Usage(), 1), f"{name}/1/1")
    assert tape.history.dependents("a") == ["b", "c", "d"]
    assert tape.history.dependents("x") == ["d", "e"]
    assert tape.history.dependents("e") == []


def test_a_revision_that_was_not_tried_yet_reads_what_the_last_one_did() -> None:
    tape = begun().add(step_started(), "a/1/1").add(step_started("a"), "b/1/1")
    tape.add(StepReopened("b"), "b/2/0")
    assert tape.history.step("b").reads == {"a": 1}
    assert tape.history.dependents("a") == ["b"]


def test_a_step_that_was_only_patched_has_no_engine() -> None:
    history = begun().add(StepFinished("o", Usage(), 1), "a/1/0").history
    step = history.step("a")
    assert (step.engine, step.route, step.kind, step.reads) == (None, "", None, {})


def test_a_step_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(NotInJournal, match="The run r has no step 'a'; its steps: none yet"):
        begun().history.step("a")


def test_calls_have_their_states_and_their_text() -> None:
    tape = begun().add(step_started(), "a/1/1")
    for ordinal in range(1, 5):
        tape.add(CallStarted(f"a/1/1/{ordinal}", "small", "request"), "a/1/1")
    tape.add(Tokens("a/1/1/1", "one "), "a/1/1").add(Tokens("a/1/1/1", "two"), "a/1/1")
    tape.add(CallFinished("a/1/1/1", "response", Usage(1, 2, 1, 0.5), 10, 20), "a/1/1")
    tape.add(CallFailed("a/1/1/2", "failed", Fault("x", "y")), "a/1/1")
    tape.add(CallFailed("a/1/1/3", "unknown"), "a/1/1")
    history = tape.history
    first, second, third, fourth = history.step("a").last.calls
    assert (first.text, first.first_token_ms, first.duration_ms) == ("one two", 10, 20)
    assert [call.state for call in (first, second, third, fourth)] == [
        "finished",
        "failed",
        "unknown",
        "open",
    ]
    assert second.fault == Fault("x", "y")
    assert history.open_calls == [fourth]
    assert history.usage == Usage(1, 2, 1, 0.5)
    assert [call.is_unsettled for call in (first, third)] == [False, False]


def test_a_later_attempt_interrupts_the_one_before() -> None:
    tape = begun().add(step_started(), "a/1/1").add(step_started(), "a/1/2")
    tape.add(StepFailed(Fault("x", "y")), "a/1/2")
    step = tape.history.step("a")
    assert [one.state for one in step.last.attempts] == [StepState.INTERRUPTED, StepState.FAILED]
    assert (step.state, step.last.fault) == (StepState.FAILED, Fault("x", "y"))


def test_applied_patches_are_listed_and_marked_when_undone() -> None:
    tape = begun().add(PatchApplied("c1", ["a", "b"])).add(PatchApplied("c2", ["c"]))
    tape.add(PatchUndone(["b", "a"])).add(PatchUndone(["elsewhere"]))
    first, second = tape.history.changes
    assert (first.change, first.undone) == ("c1", "2026-01-31T12:00:03.000Z")
    assert (second.paths, second.undone) == (["c"], None)


def test_a_history_is_the_same_from_events_that_went_through_json() -> None:
    tape = begun().add(step_started(), "a/1/1").add(StepFinished("o", Usage(), 1), "a/1/1")
    again = History.of([decode_event(encode(event)) for event in tape.events])
    assert encode(list(again.steps.values())) == encode(list(tape.history.steps.values()))


def test_a_fault_becomes_the_error_that_it_was() -> None:
    error = error_of(fault_of(EngineOverloaded("Busy.", hint="Wait.")))
    assert (type(error), error.message, error.hint) == (EngineOverloaded, "Busy.", "Wait.")
    assert type(error_of(Fault("journal", "x"))) is JournalError
    assert type(error_of(Fault("of a newer version", "x"))) is NaestroError


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b'"one\\ntwo"', ["one", "two"]),
        (b"no json", ["no json"]),
        (b"\xff", ["\ufffd"]),
        (b"", []),
        (b"7", ["7"]),
        (b"{}", ["{}"]),
        (b"[]", ["[]"]),
        (b'{"a":[],"b":{}}', ["a: []", "b: {}"]),
        (b'["x",{"a":1}]', ['- "x"', "-", "  a: 1"]),
        (b'{"text":"one\\ntwo","n":null}', ["text:", "  one", "  two", "n: null"]),
    ],
)
def test_recorded_json_is_shown_line_by_line(raw: bytes, lines: list[str]) -> None:
    assert readable(raw) == lines


def test_texts_too_long_to_compare_are_shown_one_after_the_other() -> None:
    count = int(COMPARED_MAX**0.5) + 1
    before, after = b"a\n" * count, b"b\n" * count
    lines = diff_of("x", before, after).decode().splitlines()
    assert lines[:3] == ["--- x", "+++ x", "-a"]
    assert lines[-1] == "+b"
    assert len(lines) == 2 + 2 * count


@pytest.mark.parametrize(
    ("endings", "waits"),
    [
        ([], True),
        ([RunStopped("parked")], False),
        ([RunStopped("shut down", True)], True),
        ([RunStopped("shut down", True), RunResumed(2)], True),
        ([RunStopped("shut down", True), RunResumed(2), RunStopped("parked")], False),
        ([RunStopped("shut down", True), RunCancelled("enough")], False),
        ([RunFailed(Fault("error", "x"))], False),
        ([RunFinished("0" * 64, Usage(), 1)], False),
        ([RunFinished("0" * 64, Usage(), 1), StepReopened("a")], False),
    ],
)
def test_the_next_owner_goes_on_with_what_the_last_one_left_in_the_middle(
    endings: list[EventData], waits: bool
) -> None:
    tape = Tape().add(started()).add(StepStarted(StepKind.PROPOSE, {}), "a/1/1")
    for data in endings:
        tape.add(data, "a/2/0" if isinstance(data, StepReopened) else None)
    assert History.of(tape.events).waits_for_an_owner is waits


def test_a_fork_waits_for_a_person_and_a_run_that_was_just_made_for_an_owner() -> None:
    assert not History().waits_for_an_owner
    assert History.of(Tape().add(started()).events).waits_for_an_owner
    forked = Tape().add(started(forked_from="x"))
    assert not History.of(forked.events).waits_for_an_owner
    assert History.of(forked.add(RunResumed(2)).events).waits_for_an_owner


def test_a_finished_step_ends_the_count_of_those_who_went_on_in_vain() -> None:
    tape = Tape().add(started()).add(RunResumed(2)).add(RunResumed(3))
    assert History.of(tape.events).resumed_since_finish == 2
    tape.add(StepStarted(StepKind.PROPOSE, {}), "a/1/1").add(StepFinished("0" * 64, Usage(), 1), "a/1/1")
    assert History.of(tape.events).resumed_since_finish == 0
