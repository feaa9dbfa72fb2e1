"""What a run came to, as Markdown for the agent's message: warnings first, the answer, then what qualifies it.

`projection` above sends it. Pure. A citation becomes a link that an editor opens at its lines. The result is read
leniently from its recorded JSON, so that a command that comes later is told too.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from naestro_acp.steps import Evidence, Finding

DISSENT_MAX = 3
"""Voices against the verdict that are told; the trace has all of them."""
FINDINGS_MAX = 20
COLLECTED = "collected"
"""The certainty of a result that is its findings: the answer tells them already."""


class Citation(msgspec.Struct):
    """Lines that the answer rests on."""

    path: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """As it stands in an answer."""
        return f"{self.path}:{self.start}" + (f"-{self.end}" if self.end != self.start else "")


class Voice(msgspec.Struct):
    """A voice against the verdict."""

    source: str = ""
    candidate: str = ""
    text: str = ""


class Verdict(msgspec.Struct):
    """How it was decided."""

    winner: str = ""
    certainty: str = ""
    method: str = ""
    tied: list[str] = []
    dissent: list[Voice] = []


class Result(msgspec.Struct):
    """Whatever of a command's result is told."""

    answer: str = ""
    patch: str | None = None
    is_applied: bool = False
    citations: list[Citation] = []
    citations_removed: int = 0
    evidence: list[Evidence] = []
    verdict: Verdict | None = None
    findings: list[Finding] = []
    warnings: list[str] = []


def read_result(recorded: bytes) -> Result:
    """The result of a run as far as it is known here."""
    try:
        return msgspec.json.decode(recorded, type=Result)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return Result(answer=f"```json\n{recorded.decode('utf-8', 'replace')}\n```")


def answer_text(result: Result, root: str, run: str) -> str:
    """The result of `run` in the workspace `root` as Markdown."""
    return "\n\n".join(part for part in _parts(result, root, run) if part)


def linked(text: str, citations: list[Citation], root: str) -> str:
    """`text` with its citations as links, but in blocks of code."""
    by_name = {one.name: one for one in citations}
    if not by_name:
        return text
    names = "|".join(re.escape(name) for name in sorted(by_name, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w/\[`])(`?)({names})\1(?![\w:`\]-])")

    def link(match: re.Match[str]) -> str:
        return f"[{match[0]}]({uri(by_name[match[2]], root)})"

    pieces = re.split(r"(^```.*?^```[^\n]*$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(piece if piece.startswith("```") else pattern.sub(link, piece) for piece in pieces)


def uri(citation: Citation, root: str) -> str:
    """The address of cited lines, as Zed writes it."""
    return f"file://{quote(f'{root}/{citation.path}')}#L{citation.start}:{citation.end}"


def _parts(result: Result, root: str, run: str) -> Iterator[str]:
    yield "\n".join(f"> ⚠ {warning}" for warning in result.warnings)
    yield linked(result.answer, result.citations, root)
    if result.patch and not result.is_applied:
        yield f"```diff\n{result.patch.rstrip()}\n```"
    if result.verdict is None or result.verdict.certainty != COLLECTED:
        yield "\n".join(_finding(one) for one in result.findings[:FINDINGS_MAX])
    yield "\n".join(_facts(result, root, run))


def _facts(result: Result, root: str, run: str) -> Iterator[str]:
    """What qualifies the answer, one point a line."""
    places = [f"[`{one.name}`]({uri(one, root)})" for one in result.citations]
    if places:
        yield f"- Cites {', '.join(places)}"
    if result.citations_removed:
        yield f"- {result.citations_removed} citations named lines that do not exist and were removed"
    if result.verdict is not None and result.verdict.winner:
        yield from _verdict(result.verdict)
    for piece in result.evidence:
        place = f" `{piece.path}:{piece.line or 1}`" if piece.path else ""
        yield f"- {'pass' if piece.is_passed else '**FAIL**'} {piece.check}{place} {piece.detail}".rstrip()
    if result.patch:
        yield f"- Applied; `/undo {run}` takes it back" if result.is_applied else "- No file was changed"


def _verdict(verdict: Verdict) -> Iterator[str]:
    words = "" if verdict.certainty == COLLECTED else f"Verdict: {verdict.winner}, {verdict.certainty}. "
    yield f"- {words}{verdict.method}".rstrip()
    if verdict.tied:
        yield f"- Tied: {', '.join(verdict.tied)}"
    for voice in verdict.dissent[:DISSENT_MAX]:
        yield f"- Dissent of {voice.source} for {voice.candidate}: {' '.join(voice.text.split())[:200]}"


def _finding(one: Finding) -> str:
    place = f" `{one.path}:{one.line}`" if one.path else ""
    return f"- {one.severity}, {one.standing}:{place} {one.claim}"
