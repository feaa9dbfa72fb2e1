"""One step, whole, as text: what it was given, what it gave, every revision, attempt and call."""

from collections.abc import Callable, Iterator

from rich.console import Group
from rich.text import Text

from naestro.runs.records import AttemptRecord, CallRecord, RevisionRecord, StepRecord
from naestro.runs.waterfall import seconds, usage_words
from naestro.terminal.text import printable, readable
from naestro.types import Digest

Artifact = Callable[[Digest], bytes]


def step_text(step: StepRecord, artifact: Artifact) -> Group:
    """Everything recorded of `step`, oldest revision first. `artifact` gives recorded blobs."""
    return Group(*(line for revision in step.revisions for line in _revision(step, revision, artifact)))


def _revision(step: StepRecord, revision: RevisionRecord, artifact: Artifact) -> Iterator[Text]:
    kind = step.kind.value if step.kind else "step"
    yield _head(f"{step.name}, {kind}, revision {revision.revision}: {revision.state.value}")
    if revision.reads:
        yield Text("reads " + ", ".join(f"{name} r{number}" for name, number in revision.reads.items()))
    if revision.patch is not None:
        yield Text(f"{revision.patch.target} patched by {revision.patch.by}:")
        yield _block(artifact(revision.patch.diff))
    elif revision.cause is not None:
        yield Text(f"opened because of {revision.cause}")
    for given in revision.inputs.values():
        yield _head(f"{given.name}{' (patched)' if given.is_patched else ''}")
        yield _block(artifact(given.value))
    for attempt in revision.attempts:
        yield from _attempt(attempt, artifact)
    if revision.output is not None:
        yield _head("output" if revision.copied_from is None else f"output, kept from {revision.copied_from}")
        yield _block(artifact(revision.output))


def _attempt(attempt: AttemptRecord, artifact: Artifact) -> Iterator[Text]:
    route = f" by {attempt.engine} ({attempt.route})" if attempt.engine else ""
    yield _head(f"attempt {attempt.attempt}{route}: {attempt.state.value}")
    if attempt.fault is not None:
        yield Text(f"{attempt.fault.code}: {printable(attempt.fault.message)}", style="red")
    for call in attempt.calls:
        yield from _call(call, artifact)


def _call(call: CallRecord, artifact: Artifact) -> Iterator[Text]:
    facts = [call.state, usage_words(call.usage)]
    if call.duration_ms is not None:
        facts.append(seconds(call.duration_ms))
    if call.first_token_ms is not None and not call.tool:
        facts.append(f"first token after {seconds(call.first_token_ms)}")
    if call.copied_from is not None:
        facts.append(f"taken from {call.copied_from}")
    yield Text(f"call {call.call} to {call.callee}: {', '.join(filter(None, facts))}")
    if call.fault is not None:
        yield Text(f"{call.fault.code}: {printable(call.fault.message)}", style="red")
    yield _block(artifact(call.request))
    if call.response is not None:
        yield _block(artifact(call.response))
    elif call.text:
        yield _block(call.text.encode())


def _head(words: str) -> Text:
    return Text(words, style="bold")


def _block(data: bytes) -> Text:
    return Text(readable(data), style="dim")
