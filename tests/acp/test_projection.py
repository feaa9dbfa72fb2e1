"""The projection of a run for editors: the same events give the same updates, compared with a recorded snapshot.

`python -m tests.acp.test_projection` writes the snapshot anew; look at the difference before it is committed.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from naestro import types
from naestro.policy.diff import file_diff
from naestro.types import Delta, Event, EventData, Fault, InterruptOpened, StepKind, Usage
from naestro_acp.projection import Projection

SNAPSHOT = Path(__file__).parent / "snapshots" / "change.jsonl"
BEFORE, AFTER = "def add(a, b):\n    return a - b\n", "def add(a, b):\n    return a + b\n"
DIFF = file_diff("calc.py", BEFORE, AFTER)
BLOBS = {
    "context": b'{"task": "t", "spans": [{"path": "calc.py", "start": 1, "end": 2, "why": "", "score": 1}]}',
    "prompt": b"Mend add.",
    "asked": b'{"tool": "grep", "arguments": {"pattern": "left"}}',
    "found": b'{"text": "(calc.py:4) def add(left, right):"}',
    "refused": b'{"text": "no such thing", "is_error": true}',
    "one": b'{"text": "It should add.", "engine": "alpha", "temperature": 0.5, "seed": 1}',
    "report": msgspec.json.encode({
        "changes": [{"path": "calc.py", "before_sha256": "0", "after": AFTER}],
        "diff": DIFF,
        "evidence": [{"check": "parses", "is_passed": True, "detail": "it compiles", "path": "calc.py", "line": 2}],
        "is_out": False,
    }),
    "verdict": b'{"winner": "propose.1", "certainty": "alone", "method": "The only one.", "consensus": "majority"}',
    "diff": DIFF.encode(),
    "plan": b"{}",
    "applied": b'{"paths": ["calc.py"]}',
    "result": msgspec.json.encode({
        "answer": "A change to calc.py.",
        "patch": DIFF,
        "is_applied": True,
        "verdict": {"winner": "propose.1", "certainty": "alone", "method": "The only one."},
        "warnings": ["Given with less: propose.2 was dropped: It broke off."],
    }),
}  # fmt: skip
USAGE = Usage(100, 20, 50, 0.001)


class Story:
    """Events of one run, numbered as they come."""

    def __init__(self) -> None:
        self.items: list[Event | Delta] = []
        self.seq = 0

    def tell(self, data: EventData, step: str | None = None) -> None:
        self.seq += 1
        at = None if step is None else 1
        self.items.append(
            Event(
                run="r", seq=self.seq, time="2026-01-31T12:00:00.000Z", type=data.TYPE,
                step=step, revision=at, attempt=at, data=data,
            )
        )  # fmt: skip

    def delta(self, step: str, text: str) -> None:
        self.items.append(Delta("r", step, f"{step}/1/1/1", text))

    def step(self, name: str, kind: StepKind, output: str, engine: str | None = None) -> None:
        self.tell(types.StepStarted(kind, {}, engine), name)
        self.tell(types.StepFinished(output, Usage(), 10), name)


def beginning() -> Story:
    story = Story()
    settings: dict[str, types.Json] = {"council": {"proposers": 2}}
    task: dict[str, types.Json] = {"text": "Mend add"}
    story.tell(types.RunStarted("orchestrate", task, "/w", types.Origin.ACP, settings, 7))
    story.step("retrieve", StepKind.RETRIEVE, "context")
    return story


def change() -> Sequence[Event | Delta]:
    """A change by one proposer while another is dropped, asked about, applied."""
    story = beginning()
    for number, engine in ((1, "alpha"), (2, "beta")):
        name = f"propose.{number}"
        story.tell(types.StepStarted(StepKind.PROPOSE, {"retrieve": 1}, engine, "first choice"), name)
        story.tell(types.StepInput("prompt", "prompt"), name)
        story.tell(types.CallStarted(f"{name}/1/1/1", engine, "request"), name)
    story.delta("propose.1", "It should")
    story.delta("propose.2", "Broken")
    story.tell(types.Tokens("propose.1/1/1/1", "It should"), "propose.1")
    story.delta("propose.1", " add.")
    story.tell(types.CallFinished("propose.1/1/1/1", "response", USAGE, 5, 10), "propose.1")
    story.tell(types.StepFailed(Fault("engine_malformed", "It broke off."), is_dropped=True), "propose.2")
    story.tell(types.StepFinished("one", USAGE, 10), "propose.1")
    story.step("execute.1", StepKind.EXECUTE, "report")
    story.tell(types.Notice("One usable proposal is left."))
    story.step("adjudicate", StepKind.ADJUDICATE, "verdict")
    story.tell(
        InterruptOpened("apply", "approve", "Apply this change to 1 file?", ["yes", "no"], "diff"),
        "adjudicate",
    )
    story.tell(types.InterruptAnswered("apply", "yes", "acp"))
    story.step("apply.plan", StepKind.APPLY, "plan")
    story.step("apply", StepKind.APPLY, "applied")
    story.tell(types.PatchApplied("change", ["calc.py"]), "apply")
    story.tell(types.RunFinished("result", USAGE, 100))
    return story.items


def shown(items: Sequence[Event | Delta]) -> list[dict[str, types.Json]]:
    """The updates as they go over the wire."""
    return list(_shown(Projection({"alpha": 4096}), items))


def _shown(projection: Projection, items: Sequence[Event | Delta]) -> Iterator[dict[str, types.Json]]:
    for item in items:
        blobs = {digest: BLOBS[digest] for digest in projection.needs(item)}
        for update in projection.show(item, blobs):
            yield update.model_dump(mode="json", by_alias=True, exclude_none=True)


def lines(updates: Sequence[dict[str, types.Json]]) -> list[str]:
    """One update a line."""
    return [msgspec.json.encode(update).decode() for update in updates]


def test_a_change_is_shown_as_it_was_when_the_snapshot_was_taken() -> None:
    assert lines(shown(change())) == SNAPSHOT.read_text(encoding="utf-8").splitlines()


def test_the_whole_list_of_the_plan_is_sent_only_when_it_changed() -> None:
    plans = [update for update in shown(change()) if update["sessionUpdate"] == "plan"]
    assert all(before != after for before, after in pairwise(plans))


def test_a_step_that_is_tried_again_goes_on_in_its_tool_call() -> None:
    story = beginning()
    story.tell(types.StepStarted(StepKind.PROPOSE, {}, "alpha"), "propose.1")
    story.tell(types.StepFailed(Fault("engine", "It is down.")), "propose.1")
    story.tell(types.StepStarted(StepKind.PROPOSE, {}, "beta"), "propose.1")
    calls = [one for one in shown(story.items) if one.get("toolCallId") == "r/propose.1/1"]
    assert [one.get("status") for one in calls] == ["in_progress", "failed", "in_progress"]
    assert [one.get("title") for one in calls] == ["Proposal 1 (alpha)", None, "Proposal 1 (beta)"]


def test_what_was_open_when_a_run_ended_is_shown_as_ended() -> None:
    for ending, words in (
        (types.RunCancelled("cancelled in the editor"), "cancelled: cancelled in the editor. `/resume r`"),
        (types.RunStopped("the daemon ends"), "parked: the daemon ends. `/resume r`"),
        (types.RunFailed(Fault("engine", "It is down.", "Start it.")), "failed: It is down.\n\nStart it."),
    ):
        story = beginning()
        story.tell(types.StepStarted(StepKind.PROPOSE, {}, "alpha"), "propose.1")
        story.tell(ending)
        last = shown(story.items)[-2:]
        assert (last[0]["toolCallId"], last[0]["status"]) == ("r/propose.1/1", "failed")
        assert words in str(msgspec.convert(last[1]["content"], dict[str, str])["text"])


def test_a_question_that_is_no_change_is_a_tool_call_of_its_own() -> None:
    story = beginning()
    story.tell(InterruptOpened("before_verdict", "pause", "Go on?", ["continue"]))
    story.tell(types.InterruptAnswered("before_verdict", "continue", "acp"))
    asked, answered = shown(story.items)[-2:]
    assert (asked["title"], asked["kind"], asked["status"]) == ("Go on?", "other", "pending")
    assert (answered["status"], answered["rawOutput"]) == ("completed", {"answer": "continue", "by": "acp"})


def test_what_a_person_gave_or_patched_is_told_without_a_step_that_ran() -> None:
    story = beginning()
    story.tell(types.StepPatched("output", "a", "b", "c", "cli"), "propose.1")
    story.tell(types.StepFinished("one", Usage(), 0, "r/propose.1/1"), "propose.1")
    story.tell(types.StepFailed(Fault("engine", "It is down.")), "judge.1")
    story.tell(types.CallFinished("c", "response", USAGE, 5, 10, "earlier"), "propose.1")
    story.tell(types.RunResumed(2))
    told = shown(story.items)
    assert "patched by cli" in str(told[-1])
    assert not [one for one in told if one["sessionUpdate"] == "usage_update"]


def test_a_review_shows_no_json_as_thoughts_and_its_findings_as_places() -> None:
    story = Story()
    task: dict[str, types.Json] = {"text": ""}
    story.tell(types.RunStarted("review", task, "/w", types.Origin.ACP, {}, 7))
    story.tell(types.StepStarted(StepKind.PROPOSE, {}, "alpha"), "propose.1")
    story.delta("propose.1", '{"findings": [')
    assert not [one for one in shown(story.items) if one["sessionUpdate"] == "agent_thought_chunk"]
    assert len(msgspec.convert(shown(story.items)[0]["entries"], list[object])) == 4


if __name__ == "__main__":
    SNAPSHOT.parent.mkdir(exist_ok=True)
    SNAPSHOT.write_text("\n".join(lines(shown(change()))) + "\n", encoding="utf-8")


def test_what_a_role_looks_up_is_a_tool_call_of_its_own() -> None:
    story = beginning()
    story.tell(types.StepStarted(StepKind.PROPOSE, {}, "alpha"), "propose.1")
    for number, (tool, answer) in enumerate(
        (("grep", "found"), ("search", "refused"), ("github__list", None)), 1
    ):
        call = f"propose.1/1/1/{number}"
        story.tell(types.CallStarted(call, "alpha", "asked", tool=tool), "propose.1")
        if answer is not None:
            story.tell(types.CallFinished(call, answer, Usage(), 3, 3), "propose.1")
    story.tell(types.CallFailed("propose.1/1/1/3", "cancelled"), "propose.1")
    made = [one for one in shown(story.items) if str(one.get("toolCallId")).startswith("r/propose.1/1/1/")]
    assert [(one["sessionUpdate"], one.get("kind"), one["status"]) for one in made] == [
        ("tool_call", "search", "in_progress"),
        ("tool_call_update", None, "completed"),
        ("tool_call", "search", "in_progress"),
        ("tool_call_update", None, "failed"),
        ("tool_call", "other", "in_progress"),
        ("tool_call_update", None, "failed"),
    ]
    assert made[0]["title"] == "grep left"
    assert "calc.py:4" in str(made[1]["content"])


def test_a_look_up_that_was_left_open_ends_with_the_run() -> None:
    story = beginning()
    story.tell(types.StepStarted(StepKind.PROPOSE, {}, "alpha"), "propose.1")
    story.tell(types.CallStarted("propose.1/1/1/1", "alpha", "asked", tool="grep"), "propose.1")
    story.tell(types.RunCancelled("enough"))
    made = [one for one in shown(story.items) if one.get("toolCallId") == "r/propose.1/1/1/1"]
    assert [one["status"] for one in made] == ["in_progress", "failed"]
