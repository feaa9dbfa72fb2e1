"""How a run of tests ended, and what its output says of their number. Values and pure functions over text.

`run_tests` makes it, the result of a run carries it. Counting is best effort: runners differ, and where the output
tells nothing, nothing is said.
"""

import re

from naestro.types import Value

_GO_PASSED = re.compile(r"^\s*--- PASS:", re.MULTILINE)
_GO_FAILED = re.compile(r"^\s*--- FAIL:", re.MULTILINE)
_NODE = re.compile(r"^(?:#|ℹ) (pass|fail) (\d+)\s*$", re.MULTILINE)
_RAN = re.compile(r"^Ran (\d+) tests?\b", re.MULTILINE)
_UNITTEST = re.compile(r"\b(failures|errors|skipped|expected failures)=(\d+)")
_COUNTED = re.compile(r"\b(\d+) (passed|failed|errors?)\b")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class SuiteOutcome(Value, frozen=True, kw_only=True):
    """One run of the workspace's tests."""

    command: str
    """As a shell would take it."""
    exit_code: int | None
    """None when it was ended: by a signal, or because it took too long."""
    passed: int | None = None
    """How many tests passed; None where the output does not say."""
    failed: int | None = None
    output: str
    """What it printed, the end of it where that is long."""
    is_cut: bool = False
    is_timed_out: bool = False
    is_in_editor: bool = False
    """Whether it ran in a terminal of the editor."""

    @property
    def is_passed(self) -> bool:
        """Whether all went well and at least one test ran, as far as the output tells."""
        return self.exit_code == 0 and self.passed != 0 and not self.failed

    @property
    def told(self) -> str:
        """The outcome in a few words: `2 passed, 1 failed, exit code 1`."""
        parts = [
            f"{count} {word}" for count, word in ((self.passed, "passed"), (self.failed, "failed")) if count
        ]
        if self.is_timed_out:
            return ", ".join([*parts, "ended because it took too long"])
        if self.passed == 0 and not self.failed:
            parts.append("no test ran")
        ended = "ended by a signal" if self.exit_code is None else f"exit code {self.exit_code}"
        return ", ".join([*parts, ended])


def counts(output: str) -> tuple[int | None, int | None]:
    """How many tests passed and failed by what pytest, unittest, node, jest, vitest, go or cargo print.

    None where it does not say. Of several summaries (cargo prints one for each file) the sum counts.
    """
    text = _COLOUR.sub("", output)
    if ran := _RAN.findall(text):
        bad = [(word, int(number)) for word, number in _UNITTEST.findall(text)]
        failed = sum(number for word, number in bad if word in {"failures", "errors"})
        return max(0, int(ran[-1]) - sum(number for _, number in bad)), failed
    if node := {word: int(number) for word, number in _NODE.findall(text)}:
        return node.get("pass", 0), node.get("fail", 0)
    go = len(_GO_PASSED.findall(text)), len(_GO_FAILED.findall(text))
    return go if any(go) else _summed(text)


def _summed(text: str) -> tuple[int | None, int | None]:
    """The numbers of the lines that sum up, which name both at once or stand at the end."""
    lines = [line for line in text.splitlines() if _COUNTED.search(line)]
    summing = [line for line in lines if line.startswith("test result:")] or [
        line for line in lines if not line.lstrip().startswith(("Test Files", "Test Suites"))
    ][-1:]
    found = [(int(number), word) for line in summing for number, word in _COUNTED.findall(line)]
    if not found:
        return (0, 0) if "no tests ran" in text else (None, None)
    passed = sum(number for number, word in found if word == "passed")
    return passed, sum(number for number, word in found if word != "passed")
