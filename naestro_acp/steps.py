"""What a step of a run looks like as a tool call: title, kind, content, places. One pure function a question.

`projection` above sends it. The outputs of the council's steps are read leniently from their recorded JSON: a field
that is not there is empty, so that a command that comes later is shown too.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from acp.helpers import ToolCallContentVariant, text_block, tool_content
from acp.schema import ToolCallLocation, ToolKind

from naestro.types import StepKind
from naestro_acp.words import cut

KINDS: Mapping[StepKind, ToolKind] = {
    StepKind.RETRIEVE: "search",
    StepKind.PROPOSE: "think",
    StepKind.CRITIQUE: "think",
    StepKind.SYNTHESIZE: "think",
    StepKind.ADJUDICATE: "think",
    StepKind.EXECUTE: "execute",
    StepKind.APPLY: "edit",
}
HIDDEN = re.compile(r".*\.plan")
"""Steps that only prepare another one."""
LOCATIONS_MAX = 24
"""Places of one tool call that an editor is told to follow."""
_TITLES = {
    "retrieve": "Look for the code that matters",
    "synthesize": "Merge the proposals",
    "weigh": "Weigh the engines by their record",
    "adjudicate": "Decide",
    "apply": "Apply the change",
    "execute.merged": "Check the merged proposal",
    "execute.tests": "Run the tests",
}
_NUMBERED = {"propose": "Proposal", "critique": "Critique", "judge": "Judge", "execute": "Check proposal"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a finished step shows."""

    content: list[ToolCallContentVariant] = field(default_factory=list[ToolCallContentVariant])
    locations: list[ToolCallLocation] = field(default_factory=list[ToolCallLocation])
    title: str | None = None
    """A new title, where the outcome says more than the plan did."""


class Span(msgspec.Struct):
    """Lines that the council was shown."""

    path: str
    start: int = 1
    end: int = 1
    why: str = ""


class Evidence(msgspec.Struct):
    """What one check showed."""

    check: str = ""
    is_passed: bool = False
    detail: str = ""
    path: str | None = None
    line: int | None = None


class Change(msgspec.Struct):
    """What one file becomes."""

    path: str
    after: str | None = None


class Finding(msgspec.Struct):
    """A critic's claim."""

    path: str = ""
    line: int = 0
    claim: str = ""
    severity: str = ""
    standing: str = ""
    candidate: str = ""


class Output(msgspec.Struct):
    """Whatever of a step's output is shown."""

    text: str = ""
    spans: list[Span] = []
    evidence: list[Evidence] = []
    changes: list[Change] = []
    findings: list[Finding] = []
    paths: list[str] = []
    winner: str = ""
    method: str = ""
    choice: str | None = None
    reason: str = ""
    command: str = ""
    output: str = ""
    """What a program printed."""


def read_output(recorded: bytes) -> Output:
    """The output of a step as far as it is known here."""
    try:
        return msgspec.json.decode(recorded, type=Output)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return Output()


def title_of(step: str, engine: str | None) -> str:
    """What a step does, in a few words, with the engine that it asks."""
    name, _, number = step.rpartition(".")
    words = _TITLES.get(step) or (f"{_NUMBERED[name]} {number}" if name in _NUMBERED else None)
    words = words or step.replace(".", " ").replace("_", " ").capitalize()
    return f"{words} ({engine})" if engine else words


def shown(kind: StepKind, output: Output, root: str) -> Shown:
    """What a finished step of `kind` shows of its `output`."""
    if output.findings:
        return _criticised(output, root)
    return _SHOWN.get(kind, _text)(output, root)


def _retrieved(output: Output, root: str) -> Shown:
    places = [f"- `{span.path}:{span.start}-{span.end}`" for span in output.spans]
    files = len({span.path for span in output.spans})
    locations = [ToolCallLocation(path=f"{root}/{span.path}", line=span.start) for span in output.spans]
    title = f"Read {len(places)} place{'s' * (len(places) != 1)} in {files} file{'s' * (files != 1)}"
    return Shown(_texts("\n".join(places)), locations[:LOCATIONS_MAX], title)


def _executed(output: Output, root: str) -> Shown:
    lines = [_evidence_line(piece) for piece in output.evidence]
    locations = [
        ToolCallLocation(path=f"{root}/{piece.path}", line=piece.line)
        for piece in output.evidence
        if piece.path
    ]
    if output.command:
        lines.append(f"`{output.command}`\n\n```text\n{cut(output.output.replace('```', chr(39) * 3))}\n```")
    return Shown(_texts("\n".join(lines)), _each_once(locations))


def _criticised(output: Output, root: str) -> Shown:
    lines = [
        f"- {one.severity}, {one.standing}: {cut(one.claim, 400)}"
        + (f" (`{one.path}:{one.line}`)" if one.path else "")
        for one in output.findings
    ]
    locations = [
        ToolCallLocation(path=f"{root}/{one.path}", line=one.line)
        for one in output.findings
        if one.path and one.standing in ("verified", "checked")
    ]
    return Shown(_texts("\n".join(lines) or "Nothing was found."), _each_once(locations))


def _decided(output: Output, root: str) -> Shown:
    if output.winner:
        return Shown(_texts(f"{output.winner}: {output.method}"), title=f"Decided for {output.winner}")
    if output.choice or output.reason:
        return Shown(_texts(f"{output.choice or 'no vote'}: {cut(output.reason, 400)}"))
    return Shown()


def _applied(output: Output, root: str) -> Shown:
    return Shown(title=f"Changed {', '.join(output.paths)}" if output.paths else None)


def _text(output: Output, root: str) -> Shown:
    return Shown(_texts(cut(output.text)))


_SHOWN: Mapping[StepKind, Callable[[Output, str], Shown]] = {
    StepKind.RETRIEVE: _retrieved,
    StepKind.EXECUTE: _executed,
    StepKind.CRITIQUE: _criticised,
    StepKind.ADJUDICATE: _decided,
    StepKind.APPLY: _applied,
}


def _evidence_line(piece: Evidence) -> str:
    place = (
        f" `{piece.path}:{piece.line}`"
        if piece.path and piece.line
        else f" `{piece.path}`"
        if piece.path
        else ""
    )
    return f"- {'pass' if piece.is_passed else 'FAIL'} {piece.check}{place}: {piece.detail}"


def _texts(text: str) -> list[ToolCallContentVariant]:
    return [tool_content(text_block(text))] if text else []


def _each_once(locations: list[ToolCallLocation]) -> list[ToolCallLocation]:
    return list(_unique(locations))[:LOCATIONS_MAX]


def _unique(locations: list[ToolCallLocation]) -> Iterator[ToolCallLocation]:
    seen: set[tuple[str, int | None]] = set()
    for one in locations:
        if (one.path, one.line) not in seen:
            seen.add((one.path, one.line))
            yield one
