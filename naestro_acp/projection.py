"""A run's events as the protocol's updates: the projection for editors.

`turn` above follows the run, hands over the recorded texts that an event names (`needs`), and sends what comes out.
Below stand the pure views of a step, the plan, the thoughts, a diff and the result. It reads nothing, sends nothing,
and answers no question; the same events give the same updates.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from acp.helpers import (
    SessionUpdate,
    ToolCallContentVariant,
    start_tool_call,
    update_agent_message_text,
    update_agent_thought_text,
    update_plan,
    update_tool_call,
)
from acp.schema import Cost, FileEditToolCallContent, PlanEntry, ToolCallLocation, UsageUpdate

from naestro import types
from naestro.types import Delta, Digest, Event, InterruptOpened, StepKind, Usage
from naestro_acp.answer import answer_text, read_result
from naestro_acp.diffs import diff_contents, diff_locations, parse_diff
from naestro_acp.lookups import begun, broken, ended
from naestro_acp.plan import Plan
from naestro_acp.steps import HIDDEN, KINDS, Shown, read_output, shown, title_of
from naestro_acp.thoughts import Thoughts
from naestro_acp.words import cut, raw_json

Update = SessionUpdate | UsageUpdate
Blobs = Mapping[Digest, bytes]

WRITING = (StepKind.PROPOSE, StepKind.SYNTHESIZE)
"""What is worth reading while it is written; critics, judges and reviewers write JSON."""
NO = ("no", "skip")


@dataclass(slots=True)
class Change:
    """The change that a person is asked about."""

    content: list[FileEditToolCallContent] = field(default_factory=list[FileEditToolCallContent])
    locations: list[ToolCallLocation] = field(default_factory=list[ToolCallLocation])
    tool_call: str = ""
    """The tool call that shows it."""
    command: str = ""
    """The command that wants it: a yes for one is none for another, which may run what it writes."""
    root: str = ""
    """The workspace that it changes."""


@dataclass(slots=True)
class Step:
    """A step that is shown."""

    kind: StepKind
    tool_call: str
    is_open: bool = True


@dataclass(slots=True)
class Projection:
    """One run as an editor sees it, folded from its events."""

    contexts: Mapping[str, int] = field(default_factory=dict[str, int])
    """Tokens that each engine's context takes."""
    cost_before_usd: float = 0.0
    """What the session's earlier turns cost."""
    run: str = ""
    command: str = ""
    root: str = ""
    change: Change = field(default_factory=Change)
    usage: Usage = field(default_factory=Usage)
    reply: str = ""
    """What the run came to, as told."""
    plan: Plan = field(default_factory=Plan)
    thoughts: Thoughts = field(default_factory=Thoughts)
    _steps: dict[str, Step] = field(default_factory=dict[str, Step])
    _engines: dict[str, str] = field(default_factory=dict[str, str])
    """The engine of each call."""
    _lookups: dict[str, bool] = field(default_factory=dict[str, bool])
    """The calls of tools, and whether each is still under way."""
    _texts: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """The whole new text of each file that a candidate changes, the newest candidate's."""
    _candidates: dict[str, dict[str, str | None]] = field(default_factory=dict[str, dict[str, str | None]])
    _told_plan: list[PlanEntry] = field(default_factory=list[PlanEntry])

    def needs(self, item: Event | Delta) -> list[Digest]:
        """The artifacts that `show` wants with `item`."""
        if isinstance(item, Delta):
            return []
        match item.data:
            case types.StepInput(value=digest) | types.StepFinished(output=digest):
                return [] if _is_hidden(item.step) else [digest]
            case types.CallStarted(request=digest) if item.data.tool and not _is_hidden(item.step):
                return [digest]
            case types.CallFinished(response=digest) if item.data.call in self._lookups:
                return [digest]
            case types.RunFinished(result=digest):
                return [digest]
            case InterruptOpened(payload=str(digest)):
                return [digest]
            case _:
                return []

    def show(self, item: Event | Delta, blobs: Blobs) -> list[Update]:
        """The updates that `item` is worth, in order; `blobs` holds what `needs` named."""
        if isinstance(item, Delta):
            return list(self._thought(self.thoughts.live(item.step, item.call, item.text)))
        updates = [
            *self._run(item, blobs),
            *self._step(item, blobs),
            *self._looked_up(item, blobs),
            *self._rest(item, blobs),
        ]
        entries = self.plan.entries()
        if entries != self._told_plan:
            self._told_plan = entries
            updates.insert(0, update_plan(entries))
        return updates

    # -- the run

    def _run(self, event: Event, blobs: Blobs) -> Iterator[Update]:
        match event.data:
            case types.RunStarted() as data:
                self.run, self.command, self.root = event.run, data.command, data.workspace
                self.plan = Plan.of(data.command, data.settings)
            case types.RunFinished() as data:
                self.plan.close()
                result = read_result(blobs[data.result])
                yield from self._end_all("completed")
                yield from self._say(answer_text(result, self.root, self.run))
            case types.RunFailed() as data:
                yield from self._end_all("failed")
                yield from self._say(f"The run failed: {data.fault.message}\n\n{data.fault.hint}".strip())
            case types.RunCancelled() as data:
                yield from self._end_all("failed")
                yield from self._say(
                    f"The run was cancelled: {data.reason}. `/resume {self.run}` goes on with it."
                )
            case types.RunStopped() as data:
                yield from self._end_all("failed")
                yield from self._say(
                    f"The run is parked: {data.reason}. `/resume {self.run}` goes on with it."
                )
            case _:
                return

    def _end_all(self, status: str) -> Iterator[Update]:
        for step in self._steps.values():
            if step.is_open:
                step.is_open = False
                yield update_tool_call(
                    step.tool_call, status="completed" if status == "completed" else "failed"
                )

        for call, is_open in self._lookups.items():
            if is_open:
                self._lookups[call] = False
                yield update_tool_call(f"{self.run}/{call}", status="failed")

    def _say(self, text: str) -> Iterator[Update]:
        self.reply = text
        yield update_agent_message_text(text)

    # -- its steps

    def _step(self, event: Event, blobs: Blobs) -> Iterator[Update]:
        if event.step is None or _is_hidden(event.step):
            return
        match event.data:
            case types.StepStarted() as data:
                yield from self._start(event, data)
            case types.StepInput() as data:
                text = blobs[data.value].decode("utf-8", "replace")
                yield update_tool_call(self._id(event), raw_input={data.name: cut(text)})
            case types.StepFinished() as data:
                yield from self._finish(event, data, blobs[data.output])
            case types.StepFailed() as data:
                yield from self._fail(event, data)
            case types.StepPatched() as data:
                yield from self._thought(f"\n\n*{event.step}: {data.target} patched by {data.by}.*\n\n")
            case _:
                return

    def _start(self, event: Event, data: types.StepStarted) -> Iterator[Update]:
        name, title = str(event.step), title_of(str(event.step), data.engine)
        tool_call = self._id(event, data.kind)
        is_new = tool_call != self.change.tool_call and (
            name not in self._steps or self._steps[name].tool_call != tool_call
        )
        self._steps[name] = Step(data.kind, tool_call)
        self.plan.begin(data.kind, name)
        if data.kind in WRITING and self.command != "review":
            self.thoughts.begin(name, title)
        if not is_new:
            yield update_tool_call(tool_call, title=title, status="in_progress")
            return
        raw = {"step": name, "reads": sorted(data.reads), "engine": data.engine, "route": data.route}
        yield start_tool_call(
            tool_call,
            title,
            kind=KINDS[data.kind],
            status="in_progress",
            raw_input={key: value for key, value in raw.items() if value},
        )

    def _finish(self, event: Event, data: types.StepFinished, recorded: bytes) -> Iterator[Update]:
        name = str(event.step)
        step = self._steps.get(name)
        if step is None:  # a person gave the output before the step ever began
            return
        output = read_output(recorded)
        self._keep_changes(name, {change.path: change.after for change in output.changes}, output.winner)
        seen = shown(step.kind, output, self.root)
        yield from self._thought(self.thoughts.end(name))
        self.plan.end(step.kind, name)
        step.is_open = False
        yield self._finished(step, seen, recorded)

    def _finished(self, step: Step, seen: Shown, recorded: bytes) -> Update:
        is_change = step.tool_call == self.change.tool_call
        content: list[ToolCallContentVariant] = [*self.change.content] if is_change else seen.content
        return update_tool_call(
            step.tool_call,
            title=seen.title,
            status="completed",
            content=content or None,
            locations=(self.change.locations if is_change else seen.locations) or None,
            raw_output=raw_json(recorded),
        )

    def _fail(self, event: Event, data: types.StepFailed) -> Iterator[Update]:
        step = self._steps.get(str(event.step))
        if step is None:
            return
        yield from self._thought(self.thoughts.end(str(event.step)))
        if data.is_dropped:
            self.plan.end(step.kind, str(event.step))
        step.is_open = False
        yield update_tool_call(
            step.tool_call,
            status="failed",
            raw_output={"code": data.fault.code, "message": data.fault.message},
        )

    def _keep_changes(self, step: str, changes: dict[str, str | None], winner: str) -> None:
        """Keep what a candidate makes of its files; the winner's stands in the end."""
        if changes:
            self._candidates[step] = changes
            self._texts.update(changes)
        if winner:
            self._texts.update(self._candidates.get(f"execute.{winner.rpartition('.')[2]}", {}))

    def _id(self, event: Event, kind: StepKind | None = None) -> str:
        """The tool call of a step; a change goes on in the one that asked about it."""
        if kind is StepKind.APPLY and self.change.tool_call:
            return self.change.tool_call
        known = self._steps.get(str(event.step))
        if known is not None and kind is None:
            return known.tool_call
        return f"{self.run}/{event.step}/{event.revision or 1}"

    # -- what they look up

    def _looked_up(self, event: Event, blobs: Blobs) -> Iterator[Update]:
        match event.data:
            case types.CallStarted() as data if data.tool and not _is_hidden(event.step):
                self._lookups[data.call] = True
                yield begun(f"{self.run}/{data.call}", data, blobs[data.request])
            case types.CallFinished() as data if data.call in self._lookups:
                self._lookups[data.call] = False
                yield ended(f"{self.run}/{data.call}", blobs[data.response])
            case types.CallFailed() as data if data.call in self._lookups:
                self._lookups[data.call] = False
                yield broken(f"{self.run}/{data.call}", data)
            case _:
                return

    # -- what is said, asked and spent

    def _rest(self, event: Event, blobs: Blobs) -> Iterator[Update]:
        match event.data:
            case types.Tokens() as data:
                yield from self._thought(self.thoughts.journalled(str(event.step), data.call, data.text))
            case types.CallStarted() as data:
                self._engines[data.call] = data.engine
            case types.CallFinished() as data if data.copied_from is None and data.call not in self._lookups:
                yield from self._spend(data)
            case types.Notice() as data:
                sign = "⚠" if data.level == "warning" else "ℹ"
                yield from self._thought(f"\n\n{sign} {data.text}\n\n")
            case InterruptOpened() as data:
                yield from self._ask(data, blobs)
            case types.InterruptAnswered() as data:
                yield from self._answered(data)
            case _:
                return

    def _spend(self, data: types.CallFinished) -> Iterator[Update]:
        self.usage += data.usage
        used = data.usage.prompt_tokens + data.usage.completion_tokens
        size = self.contexts.get(self._engines.get(data.call, ""), 0)
        cost = self.cost_before_usd + self.usage.cost_usd
        yield UsageUpdate(
            session_update="usage_update",
            used=used,
            size=max(size, used),
            cost=Cost(amount=round(cost, 6), currency="USD") if cost else None,
        )

    def _ask(self, data: InterruptOpened, blobs: Blobs) -> Iterator[Update]:
        tool_call = question_id(self.run, data.interrupt)
        payload = blobs.get(data.payload or "", b"").decode("utf-8", "replace")
        if data.kind != "approve":
            yield start_tool_call(tool_call, data.question, kind="other", status="pending")
            return
        files = parse_diff(payload)
        self.change = Change(
            diff_contents(self.root, files, self._texts),
            diff_locations(self.root, files),
            tool_call,
            self.command,
            self.root,
        )
        self.plan.is_waiting = True
        names = ", ".join(file.path for file in files)
        yield start_tool_call(
            tool_call,
            f"Change {names}" if names else data.question,
            kind="edit",
            status="pending",
            content=self.change.content,
            locations=self.change.locations,
        )

    def _answered(self, data: types.InterruptAnswered) -> Iterator[Update]:
        tool_call = question_id(self.run, data.interrupt)
        is_change = tool_call == self.change.tool_call
        self.plan.is_waiting = False
        if is_change and data.answer not in NO:
            yield update_tool_call(tool_call, status="in_progress")
            return
        status = "failed" if is_change else "completed"
        yield update_tool_call(tool_call, status=status, raw_output={"answer": data.answer, "by": data.by})

    def _thought(self, text: str) -> Iterator[Update]:
        if text:
            yield update_agent_thought_text(text)


def question_id(run: str, interrupt: str) -> str:
    """The tool call that shows a question of a run."""
    return f"{run}/?/{interrupt}"


def _is_hidden(step: str | None) -> bool:
    return step is not None and HIDDEN.fullmatch(step) is not None
