"""`test`: a test for a part of the code base, written from its specification, shown, and run after a yes.

The flow of the command, top to bottom; `client` above starts it, each stage is a file of `council` below. The change
may only make or extend test files; the workspace's program runs only after the yes that the question asks for.
"""

import shlex
from functools import partial

import msgspec

from naestro.council.apply import apply_on_yes
from naestro.council.context import retrieve_by
from naestro.council.deliberate import Brief, deliberate
from naestro.council.execute import FIRST_RUNG, Evidence
from naestro.council.only_tests import OnlyTests
from naestro.council.outcome import SuiteOutcome
from naestro.council.run_tests import run_tests
from naestro.council.sitting import Kit, Sitting
from naestro.council.specification import Ground, gather
from naestro.council.task import Task
from naestro.council.verdict import CouncilResult
from naestro.runs.run import Run, StepSpec
from naestro.types import StepKind

TARGET_WORDS = 4
"""Fewer words are a target; from so many on they are a sentence that says what to test."""
TESTS_MAX = 5
"""Tests asked for: what a small model writes in its token limit without being cut."""
UNDOCUMENTED = "No documentation says what the tested code should do: the tests rest on names and your words."

FAILED = "The new tests do not pass ({}): the code may be wrong, or the test."


async def test(run: Run, kit: Kit) -> CouncilResult:
    """The council's test for the task's target, applied and run after a yes.

    Raises `InputError` where nothing is found to test or no convention for tests is known, `WorkspaceError` for a
    named file that is not there or not read, `NoProposal`, `NoEngine`, `ContextTooLong`, and what the journal raises.
    """
    sitting = Sitting.open(run, kit)
    task = Task.of(run.started.task)
    is_target = len(task.words.split()) < TARGET_WORDS
    ground = await retrieve_by(gather, Ground, sitting, task, _sentence(task), must_exist=is_target)
    result = await deliberate(sitting, ground, "change", _brief(ground))
    if not ground.is_documented:
        result = msgspec.structs.replace(result, warnings=[*result.warnings, UNDOCUMENTED])
    argv = ground.suite.argv([change.path for change in result.changes])
    more = f"The new tests then run in the workspace, as your user: {shlex.join(argv)}"
    result = await apply_on_yes(sitting, result, more)
    return await _run(sitting, result, argv) if result.is_applied else result


def _sentence(task: Task) -> str:
    """The task for the roles."""
    return f"Write tests for this: {task.words}"


def _brief(ground: Ground) -> Brief:
    suite = ground.suite
    place = (
        f"The file {suite.destination} is there already, see above: keep every line of it and add your tests."
        if suite.is_extended
        else ""
    )
    blanks = {
        "most": str(TESTS_MAX),
        "form": suite.form,
        "place": place,
        "path": suite.destination,
        "language": suite.language,
        "start": suite.start,
    }
    return Brief("test", blanks, (OnlyTests(suite), *FIRST_RUNG))


async def _run(sitting: Sitting, result: CouncilResult, argv: list[str]) -> CouncilResult:
    """`result` with what running the tests showed; a failing test is told first."""
    spec = StepSpec("execute.tests", StepKind.EXECUTE, reads=("apply",), route=shlex.join(argv))
    outcome = await sitting.run.step(spec, partial(run_tests, sitting.kit, argv), SuiteOutcome)
    sitting.ended.append(spec.name)
    evidence = Evidence(
        check="tests", is_passed=outcome.is_passed, detail=outcome.told, path=result.changes[0].path
    )
    failed = [] if outcome.is_passed else [FAILED.format(outcome.told)]
    return msgspec.structs.replace(
        result,
        answer=f"{result.answer}\n\n{_told(outcome)}",
        tests=outcome,
        evidence=[*result.evidence, evidence],
        warnings=[*failed, *result.warnings],
    )


def _told(outcome: SuiteOutcome) -> str:
    """The outcome in Markdown, with the end of the output."""
    output = outcome.output.strip().replace("```", "'''")
    return f"`{outcome.command}`: {outcome.told}\n\n```text\n{output}\n```"
