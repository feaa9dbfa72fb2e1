"""`naestro trace RUN --html FILE`: a run as one self-contained page.

The page carries its own style and no script, and forbids all loading, so that what models and files said is shown
as text and can do nothing. It is made from the recorded events alone.
"""

from collections.abc import Callable, Iterator, Sequence
from html import escape

import msgspec

from naestro.council.execute import Evidence
from naestro.council.verdict import CERTAINTY_TEXT, CouncilResult, Finding
from naestro.runs.history import History
from naestro.runs.records import CallRecord, RevisionRecord, StepRecord
from naestro.runs.waterfall import Waterfall, seconds, usage_words, waterfall
from naestro.terminal.page_style import STYLE
from naestro.terminal.picture import svg
from naestro.terminal.text import readable
from naestro.types import Digest, Event, RunInfo, RunStatus

Artifact = Callable[[Digest], bytes]


def page(info: RunInfo, events: Sequence[Event], artifact: Artifact) -> str:
    """The page of a run. `artifact` gives recorded blobs."""
    history = History.of(events)
    fall = waterfall(events, is_left=info.status is RunStatus.STOPPED)
    title = f"{info.command} {info.id}"
    body = [
        *_header(info, fall),
        *_result(history, artifact),
        "<h2>Waterfall</h2>",
        f'<div class="fall">{svg(fall)}</div>',
        *_numbers(fall),
        *_notices(history),
        "<h2>Steps</h2>",
        *(line for step in history.steps.values() for line in _step(step, artifact)),
        *_interrupts(history, artifact),
    ]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
            *body,
            "</main></body></html>",
        ]
    )


def _header(info: RunInfo, fall: Waterfall) -> Iterator[str]:
    facts = [info.status.value, seconds(fall.total_ms), usage_words(fall.usage), info.started[:19] + " UTC"]
    yield f"<h1>{escape(info.command)} <small>{escape(info.id)}</small></h1>"
    yield f'<p class="task">{escape(str(info.task.get("text", "")))}</p>'
    yield f'<p class="facts">{" · ".join(escape(f) for f in facts if f)}</p>'
    if info.fault is not None:
        yield f'<p class="warning">{escape(info.fault.message)} {escape(info.fault.hint)}</p>'
    if info.forked_from is not None:
        yield f'<p class="facts">forked from {escape(info.forked_from)}</p>'


def _result(history: History, artifact: Artifact) -> Iterator[str]:
    if history.result is None:
        return
    result = msgspec.json.decode(artifact(history.result), type=CouncilResult)
    verdict = result.verdict
    yield "<h2>Answer</h2>"
    yield from (f'<p class="warning">{escape(warning)}</p>' for warning in result.warnings)
    yield _text(result.answer, "answer")
    if result.patch:
        state = "applied" if result.is_applied else "not applied"
        yield f"<h3>Patch, {state}</h3>"
        yield _diff(result.patch)
    if result.citations:
        places = ", ".join(f"{c.path}:{c.start}-{c.end}" for c in result.citations)
        yield f'<p class="facts">cites {escape(places)}</p>'
    if result.citations_removed:
        yield f'<p class="facts">{result.citations_removed} citations named lines that do not exist: removed</p>'
    yield "<h2>Verdict</h2>"
    yield f"<p><b>{escape(verdict.winner)}</b>, {verdict.certainty.value}: {CERTAINTY_TEXT[verdict.certainty]}.</p>"
    yield f"<p>{escape(verdict.method)}</p>"
    if verdict.is_tie:
        yield f"<p>Tied: {escape(', '.join(verdict.tied))}.</p>"
    yield from _list("Evidence", [_evidence(piece) for piece in result.evidence])
    yield from _list(
        "Votes", [f"{v.judge} ({v.engine}): {v.choice or 'abstains'}. {v.reason}" for v in verdict.votes]
    )
    yield from _list("Dissent", [f"{d.source} for {d.candidate}: {d.text}" for d in verdict.dissent])
    yield from _list("Findings", [_finding(one) for one in result.findings])


def _evidence(piece: Evidence) -> str:
    return f"{'pass' if piece.is_passed else 'FAIL'} {piece.check} {piece.path or ''} {piece.detail}"


def _finding(one: Finding) -> str:
    return (
        f"{one.candidate}, {one.severity}, {one.standing}: {one.path}:{one.line} {one.claim} ({one.critic})"
    )


def _numbers(fall: Waterfall) -> Iterator[str]:
    cost = ["cost"] if fall.usage.cost_usd else []
    columns = ("step", "state", "engine", "time", "first token", "prompt", "cached", "new", *cost)
    yield '<p class="facts">The dark part of a bar is the time until the first token.</p>'
    yield '<div class="fall"><table><tr>' + "".join(f"<th>{column}" for column in columns)
    for bar in fall.bars:
        first = seconds(bar.first_token_ms) if bar.first_token_ms is not None else ""
        usage = bar.usage
        counts = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        cells = [str(count) if usage.prompt_tokens else "" for count in counts]
        cells += [f"${usage.cost_usd:.4f}" for _ in cost]
        yield (
            f'<tr title="{escape(bar.route)}"><td>{escape(bar.label)}<td>{bar.state.value}<td>{escape(bar.engine)}'
            f"<td>{seconds(bar.duration_ms)}<td>{first}<td>" + "<td>".join(cells)
        )
    yield "</table></div>"


def _notices(history: History) -> Iterator[str]:
    yield from _list("Notices", [f"{one.level}: {one.text}" for one in history.notices])


def _step(step: StepRecord, artifact: Artifact) -> Iterator[str]:
    kind = step.kind.value if step.kind else "step"
    yield f'<details id="{escape(step.name)}"><summary><b>{escape(step.name)}</b> {kind}, {step.state.value}'
    yield f" {escape(step.engine or '')} {usage_words(step.usage)}</summary>"
    for revision in step.revisions:
        yield from _revision(revision, artifact)
    yield "</details>"


def _revision(revision: RevisionRecord, artifact: Artifact) -> Iterator[str]:
    reads = ", ".join(f"{name} r{number}" for name, number in revision.reads.items())
    yield f"<h4>Revision {revision.revision}{', reads ' + escape(reads) if reads else ''}</h4>"
    if revision.patch is not None:
        yield f"<p>{escape(revision.patch.target)} patched by {escape(revision.patch.by)}</p>"
        yield _diff(readable(artifact(revision.patch.diff)))
    for given in revision.inputs.values():
        yield f"<h5>{escape(given.name)}{', patched' if given.is_patched else ''}</h5>"
        yield _blob(artifact(given.value))
    for attempt in revision.attempts:
        if attempt.fault is not None:
            yield f'<p class="warning">attempt {attempt.attempt}: {escape(attempt.fault.message)}</p>'
        for call in attempt.calls:
            yield from _call(call, artifact)
    if revision.output is not None:
        yield "<h5>output</h5>"
        yield _blob(artifact(revision.output))


def _call(call: CallRecord, artifact: Artifact) -> Iterator[str]:
    took = seconds(call.duration_ms) if call.duration_ms is not None else ""
    facts = ", ".join(filter(None, [call.state, usage_words(call.usage), took]))
    yield f"<h5>call {escape(call.call)} to {escape(call.callee)}: {facts}</h5>"
    if call.fault is not None:
        yield f'<p class="warning">{escape(call.fault.message)}</p>'
    yield f"<details><summary>request</summary>{_blob(artifact(call.request))}</details>"
    if call.response is not None:
        yield _blob(artifact(call.response))
    elif call.text:
        yield _text(call.text)


def _interrupts(history: History, artifact: Artifact) -> Iterator[str]:
    if history.interrupts:
        yield "<h2>Questions</h2>"
    for one in history.interrupts.values():
        answer = f"{one.answer} (by {one.by})" if one.answer is not None else "waits"
        yield f"<p>{escape(one.question)} <b>{escape(answer)}</b></p>"
        if one.payload is not None:
            yield _diff(readable(artifact(one.payload)))


def _list(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"<h3>{title}</h3><ul>"
        yield from (f"<li>{escape(line)}" for line in lines)
        yield "</ul>"


def _blob(data: bytes) -> str:
    return _text(readable(data).replace("\\n", "\n"))


def _text(text: str, name: str = "") -> str:
    return f'<pre class="{name}">{escape(text)}</pre>'


def _diff(text: str) -> str:
    signs = {"+": "ins", "-": "del", "@": "at"}
    lines = (f'<span class="{signs.get(line[:1], "")}">{escape(line)}</span>' for line in text.splitlines())
    return "<pre>" + "\n".join(lines) + "</pre>"
