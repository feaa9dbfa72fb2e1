"""The rung that a written test has to pass first: it adds tests, in test files, and takes nothing away.

It runs nothing. `test` puts it before the other rungs; below stands the workspace, read as the person has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from naestro.council.execute import Evidence
from naestro.council.suites import Suite
from naestro.policy.buffers import reading
from naestro.policy.changes import Change
from naestro.policy.diff import compare
from naestro.policy.workspace import Workspace

_IMPORTS = ("import ", "from ", "use ", "const ", "}", ")")
"""Beginnings of lines that may change when a file is extended: what is imported, and what closes a block."""


@dataclass(slots=True)
class OnlyTests:
    """Each change makes or extends a test file, and there are more tests afterwards."""

    suite: Suite
    name: str = "tests only"

    async def run(self, workspace: Workspace, changes: Sequence[Change]) -> list[Evidence]:
        """One piece of evidence for each file."""
        return [await self._check(workspace, change) for change in changes]

    async def _check(self, workspace: Workspace, change: Change) -> Evidence:
        before = ""
        if change.before_sha256 is not None:
            before = (await reading(workspace.read, change.path)).text
        fault = self._fault(change, before)
        added = self.suite.tests_in(change.after or "") - self.suite.tests_in(before)
        detail = fault or f"adds {added} test{'s' * (added != 1)}"
        return Evidence(check=self.name, is_passed=fault is None, detail=detail, path=change.path)

    def _fault(self, change: Change, before: str) -> str | None:
        """Why the change is none that was asked for, or None."""
        if not self.suite.is_test(change.path):
            return f"it is no test file of {self.suite.runner}"
        lost = _lost(before, change.after or "")
        if lost is not None:
            return f"a line of the test file is lost: {lost.strip()[:80]!r}"
        if self.suite.tests_in(change.after or "") <= self.suite.tests_in(before):
            return "it adds no test"
        return None


def _lost(before: str, after: str) -> str | None:
    """The first line that says something and is gone or changed, imports aside."""
    old = before.split("\n")
    for is_equal, start, end, _, _ in compare(old, after.split("\n")):
        for line in old[start:end] if not is_equal else ():
            if line.strip() and not line.lstrip().startswith(_IMPORTS):
                return line
    return None
