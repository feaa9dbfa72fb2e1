"""Candidates and votes for tests of the pure parts."""

from naestro.council.execute import Evidence, ExecutionReport
from naestro.council.verdict import Candidate, Vote
from naestro.policy.changes import Change


def answer(name: str, text: str = "", *, engine: str = "one", cites: bool = True) -> Candidate:
    """A candidate in words."""
    evidence = Evidence(check="citations", is_passed=cites, detail="")
    report = ExecutionReport(changes=[], diff="", evidence=[evidence], is_out=False)
    return Candidate(name=name, engine=engine, text=text or name, report=report)


def change(
    name: str,
    after: str | None = "x",
    *,
    engine: str = "one",
    fails: Evidence | None = None,
    is_out: bool = False,
) -> Candidate:
    """A candidate that changes `a.py`."""
    evidence = [Evidence(check="applies", is_passed=True, detail=""), *([fails] if fails else [])]
    changes = [Change(path="a.py", before_sha256="0" * 64, after=after)]
    report = ExecutionReport(changes=changes, diff="", evidence=evidence, is_out=is_out)
    return Candidate(name=name, engine=engine, text=f"patch of {name}", report=report)


def vote(choice: str | None, *, engine: str = "one", judge: str = "judge.1") -> Vote:
    """A vote."""
    return Vote(judge=judge, engine=engine, choice=choice, reason="because")
