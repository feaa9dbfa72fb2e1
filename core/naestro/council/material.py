"""How proposals, evidence and findings are shown to the roles that read them: by letter, fenced, nameless.

Critics and the synthesizer get the same text, byte for byte, so that the second of them finds it in the engine's
cache. Nothing here tells who wrote what.
"""

import string
from collections.abc import Mapping, Sequence

from naestro.council.ladder import show_evidence
from naestro.council.prefix import fence
from naestro.council.verdict import Candidate, Finding

STANDING_TEXT = {
    "verified": "proved by an executed check",
    "checked": "the cited line exists",
    "opinion": "opinion, not checked",
}


def letters(count: int) -> list[str]:
    """The labels of `count` candidates: A, B, ... Z, AA, ..."""
    alphabet = string.ascii_uppercase
    return [alphabet[n] if n < 26 else alphabet[n // 26 - 1] + alphabet[n % 26] for n in range(count)]


def by_letter(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """The candidates in the order in which they are shown, each under its letter."""
    return dict(zip(letters(len(candidates)), candidates, strict=True))


def show_candidates(shown: Mapping[str, Candidate], title: str) -> str:
    """The section with all candidates, each with what executing it showed."""
    return "\n\n".join([f"# {title}s", *(_show(letter, one, title) for letter, one in shown.items())])


def show_findings(findings: Sequence[Finding], shown: Mapping[str, Candidate]) -> str:
    """The section with the critics' findings, or nothing where there are none."""
    letter_of = {candidate.name: letter for letter, candidate in shown.items()}
    lines = [_show_finding(finding, letter_of) for finding in findings if finding.candidate in letter_of]
    return "\n".join(["# Findings", fence("findings", "\n".join(lines))]) if lines else ""


def _show(letter: str, candidate: Candidate, title: str) -> str:
    checks = "; ".join(map(show_evidence, candidate.report.evidence))
    section = f"## {title} {letter}\n{fence('text', candidate.text.strip())}"
    return f"{section}\nChecks: {checks}" if checks else section


def _show_finding(finding: Finding, letter_of: Mapping[str, str]) -> str:
    place = f" at {finding.path}:{finding.line}" if finding.path else ""
    standing = STANDING_TEXT[finding.standing]
    return f"- {letter_of[finding.candidate]}, {finding.severity}{place} ({standing}): {finding.claim}"
