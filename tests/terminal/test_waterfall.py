"""The waterfall: bars on one axis, made of events alone."""

from naestro.runs.records import StepState
from naestro.runs.waterfall import seconds, usage_words, waterfall
from naestro.terminal.chart import BAR_WIDTH, bar_text
from naestro.terminal.picture import svg
from naestro.terminal.plain import describe
from naestro.types import (
    CallFinished,
    CallStarted,
    Event,
    EventData,
    Fault,
    InterruptAnswered,
    Origin,
    PatchUndone,
    RunCancelled,
    RunFailed,
    RunResumed,
    RunStarted,
    RunStopped,
    StepFailed,
    StepFinished,
    StepKind,
    StepPatched,
    StepReopened,
    StepStarted,
    Usage,
)

DIGEST = "0" * 64


class Story:
    """Events of one run, each at a second of the day."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def at(
        self, second: float, data: EventData, step: str | None = None, revision: int = 1, attempt: int = 1
    ):
        minutes, rest = divmod(second, 60)
        time = f"2026-01-31T12:{int(minutes):02}:{rest:06.3f}Z"
        of_step = (step, revision, attempt) if step else (None, None, None)
        self.events.append(
            Event(run="r1", seq=len(self.events) + 1, time=time, type=data.TYPE, step=of_step[0],
                  revision=of_step[1], attempt=of_step[2], data=data)
        )  # fmt: skip
        return self


def begun() -> Story:
    started = RunStarted(
        command="explain", task={"text": "x"}, workspace="/w", origin=Origin.CLI, settings={}, seed=1
    )
    return Story().at(0, started)


def proposed(story: Story, start: float, end: float, name: str = "propose.1") -> Story:
    call = f"{name}/1/1/1"
    story.at(start, StepStarted(StepKind.PROPOSE, {}, "alpha", "any engine may"), name)
    story.at(start, CallStarted(call, "alpha", DIGEST), name)
    usage = Usage(100, 20, 80)
    story.at(end, CallFinished(call, DIGEST, usage, 500, int((end - start) * 1000)), name)
    return story.at(end, StepFinished(DIGEST, usage, int((end - start) * 1000)), name)


def test_a_bar_lies_where_its_step_ran() -> None:
    fall = waterfall(proposed(begun(), 2, 6).events)
    bar = fall.bars[0]
    assert (bar.start_ms, bar.duration_ms, bar.first_token_ms) == (2000, 4000, 500)
    assert (bar.engine, bar.state, bar.usage.cached_tokens) == ("alpha", StepState.FINISHED, 80)
    assert fall.total_ms == 6000
    assert fall.usage == Usage(100, 20, 80)


def test_time_without_an_owner_is_cut_out_of_the_axis() -> None:
    story = proposed(begun(), 1, 2)
    story.at(3, RunStopped("gone")).at(600, RunResumed(fence=2))
    fall = waterfall(proposed(story, 601, 603, "propose.2").events)
    assert fall.bars[1].start_ms == 4000
    assert fall.total_ms == 6000


def test_a_running_step_grows_until_now() -> None:
    story = begun().at(1, StepStarted(StepKind.RETRIEVE, {}), "retrieve")
    fall = waterfall(story.events, now="2026-01-31T12:00:05.000Z")
    assert fall.bars[0].duration_ms == 4000
    assert fall.bars[0].state is StepState.RUNNING
    assert waterfall(story.events, is_left=True).bars[0].state is StepState.INTERRUPTED


def test_a_failure_and_a_new_revision_say_why() -> None:
    story = begun().at(1, StepStarted(StepKind.PROPOSE, {}, "alpha"), "propose.1")
    story.at(2, StepFailed(Fault("engine", "It broke."), is_dropped=True), "propose.1")
    proposed(story, 3, 4, "propose.2")
    story.at(5, StepReopened("retrieve"), "propose.2", revision=2)
    dropped, again = waterfall(story.events).bars
    assert (dropped.note, dropped.state) == ("It broke.", StepState.DROPPED)
    assert (again.label, again.note, again.state) == (
        "propose.2 r2",
        "again because of retrieve",
        StepState.OPEN,
    )


def test_a_patched_and_a_copied_step_say_so() -> None:
    story = proposed(begun(), 1, 2)
    story.at(3, StepPatched("output", DIGEST, DIGEST, DIGEST, "cli"), "propose.1", revision=2)
    story.at(4, StepFinished(DIGEST, Usage(), 0, copied_from="r0/propose.2/1"), "propose.2")
    patched = waterfall(story.events).bars[0]
    assert (patched.label, patched.note) == ("propose.1 r2", "output patched by cli")
    story.at(5, StepStarted(StepKind.PROPOSE, {}), "propose.2", revision=1)
    notes = [bar.note for bar in waterfall(story.events).bars]
    assert notes[1] == "kept from r0/propose.2/1"


def test_a_picture_tells_the_route_and_why_a_step_failed() -> None:
    story = begun().at(1, StepStarted(StepKind.PROPOSE, {}, "alpha", "any engine may"), "propose.1")
    story.at(2, StepFailed(Fault("engine", "It <broke>."), is_dropped=True), "propose.1")
    title = "propose.1: dropped, 1.0 s, by alpha (any engine may), It &lt;broke&gt;."
    assert f"<title>{title}</title>" in svg(waterfall(story.events))


def test_the_text_of_a_bar_never_leaves_its_column() -> None:
    fall = waterfall(proposed(proposed(begun(), 0, 0.001), 9.999, 10, "propose.2").events)
    texts = [bar_text(bar, fall.total_ms) for bar in fall.bars]
    assert [len(text) for text in texts] == [BAR_WIDTH, BAR_WIDTH]
    assert texts[0].startswith("━ ")
    assert texts[1].endswith(" ━")


def test_the_picture_holds_a_bar_for_each_step_and_escapes_names() -> None:
    picture = svg(waterfall(proposed(begun(), 1, 3, "<b>&").events))
    assert picture.count('class="bar propose finished"') == 1
    assert "&lt;b&gt;&amp;" in picture
    assert "<b>" not in picture


def test_durations_are_told_in_words_that_fit_their_size() -> None:
    assert [seconds(ms) for ms in (8, 1500, 61_000)] == ["0.01 s", "1.5 s", "1 min 1 s"]


def test_usage_tells_cached_tokens_and_cost_only_where_there_are_any() -> None:
    assert usage_words(Usage()) == ""
    assert usage_words(Usage(10, 2)) == "10 + 2 tokens"
    assert usage_words(Usage(10, 2, 8, 0.01)) == "10 + 2 tokens, 8 cached, $0.0100"


def test_what_a_person_did_and_what_went_wrong_has_a_line_without_control_characters() -> None:
    story = begun()
    story.at(1, RunFailed(Fault("engine", "It \x1b[2Jbroke.")))
    story.at(2, RunCancelled("Ctrl-C"))
    story.at(3, StepPatched("prompt", DIGEST, DIGEST, DIGEST, "cli"), "propose.1")
    story.at(4, StepFailed(Fault("engine", "Later.")), "propose.1")
    story.at(5, StepFinished(DIGEST, Usage(), 0, copied_from="r0/propose.2/1"), "propose.2")
    story.at(6, InterruptAnswered("apply", "yes", "cli"))
    story.at(7, PatchUndone(["a.py"]))
    story.at(8, StepReopened("retrieve"), "propose.1", revision=2)
    assert [describe(event) for event in story.events[1:]] == [
        "the run failed: It [2Jbroke.",
        "the run was cancelled: Ctrl-C",
        "propose.1      prompt patched by cli",
        "propose.1      failed: Later.",
        "propose.2      kept from r0/propose.2/1",
        "answered 'yes' by cli",
        "patch undone in a.py",
        "propose.1      runs again because of retrieve",
    ]


def test_every_event_that_a_person_should_see_has_a_line() -> None:
    story = proposed(begun(), 1, 2).at(3, RunStopped("gone")).at(4, RunResumed(fence=2))
    lines = [describe(event) for event in story.events]
    assert lines == [
        "explain started in /w, seed 1",
        "propose.1      asks alpha (any engine may)",
        None,
        None,
        "propose.1      done: 100 + 20 tokens, 80 cached, 1.0 s",
        "the run is parked: gone",
        "the run goes on",
    ]
