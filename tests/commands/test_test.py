"""`test` from a target to an outcome: written from the specification, shown, and run after a yes."""

from pathlib import Path

import pytest

from naestro.council.outcome import SuiteOutcome
from naestro.council.specification import Ground
from naestro.policy.editor import TerminalOutcome
from naestro.types import RunStatus
from tests.council.desk import Desk, Done, council, desk_in
from tests.support.editor import BufferEditor
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

TEST = """test_calc.py
```python
import unittest

from calc import add


class AddTest(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(add({left}, {right}), {sum})
```
"""
RIGHT = TEST.format(left=2, right=0, sum=2)
WRONG = TEST.format(left=2, right=1, sum=3)
"""Right by the docstring; the code subtracts."""


async def asked(desk: Desk, answer: str, text: str = "calc.py") -> Done:
    """A run of `test`, its question answered."""
    run = await desk.start("test", {"text": text})
    return await desk.done(run, await desk.answering(run, "test", answer))


async def test_a_test_is_written_shown_and_run_after_a_yes(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(RIGHT)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        done = await asked(desk, "yes")
        result = await done.result()
    assert done.status is RunStatus.FINISHED
    assert list(done.steps) == [
        "retrieve", "propose.1", "execute.1", "adjudicate", "apply.plan", "apply", "execute.tests",
    ]  # fmt: skip
    assert result.is_applied
    assert (tmp_path / "workspace" / "test_calc.py").read_text().endswith("add(2, 0), 2)\n")
    outcome = await done.output("execute.tests", SuiteOutcome)
    assert outcome == result.tests
    assert (outcome.exit_code, outcome.passed, outcome.failed) == (0, 1, 0)
    assert outcome.command.endswith("-m unittest -v test_calc.py")
    assert result.evidence[-1].check == "tests"
    assert result.evidence[-1].is_passed
    assert "1 passed, exit code 0" in result.answer
    (interrupt,) = done.history.interrupts.values()
    assert outcome.command in interrupt.question
    assert "then run in the workspace, as your user" in interrupt.question


async def test_a_failing_test_is_told_first_and_stays(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(WRONG)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        result = await (await asked(desk, "yes")).result()
    assert result.tests is not None
    assert (result.tests.exit_code, result.tests.passed, result.tests.failed) == (1, 0, 1)
    assert result.warnings[0].startswith("The new tests do not pass (1 failed, exit code 1)")
    assert not result.evidence[-1].is_passed
    assert "AssertionError" in result.answer


async def test_after_a_no_nothing_is_written_and_nothing_runs(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(RIGHT)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        done = await asked(desk, "no")
        result = await done.result()
    assert "execute.tests" not in done.steps
    assert result.tests is None
    assert not (tmp_path / "workspace" / "test_calc.py").exists()


async def test_the_models_see_signature_and_documentation_but_no_body(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(RIGHT)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        ground = await (await asked(desk, "no")).output("retrieve", Ground)
    shown = scripted_server.chats[0].last
    assert "def add(left, right):" in shown
    assert '"""The sum."""' in shown
    assert "left - right" not in shown
    assert [(span.path, span.start, span.end) for span in ground.spans] == [("calc.py", 1, 5)]
    assert (ground.is_documented, ground.targets) == (True, ["calc.py"])


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        (
            "calc.py\n```python\ndef add(left, right):\n    return left + right\n```\n",
            "no test file of unittest",
        ),
        ("test_calc.py\n```python\nimport unittest\n```\n", "adds no test"),
    ],
)
async def test_a_proposal_that_is_no_test_is_out(
    tmp_path: Path, scripted_server: ScriptedServer, proposal: str, reason: str
) -> None:
    scripted_server.otherwise(proposal)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        done = await desk.run("test", text="calc.py")
    assert done.status is RunStatus.FAILED
    assert reason in done.notices
    assert (tmp_path / "workspace" / "calc.py").read_text().endswith("return left - right\n")


async def test_a_test_file_that_is_there_is_extended_and_loses_no_line(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    old = RIGHT.split("```python\n")[1].removesuffix("```\n")
    more = old + "\n    def test_nothing(self):\n        self.assertEqual(add(0, 0), 0)\n"
    scripted_server.otherwise(f"test_calc.py\n```python\n{more}```\n")
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        (desk.workspace / "test_calc.py").write_text(old)
        result = await (await asked(desk, "yes")).result()
        assert (desk.workspace / "test_calc.py").read_text() == more
        scripted_server.otherwise(f"test_calc.py\n```python\n{more.replace('test_sum', 'test_other')}```\n")
        done = await desk.run("test", text="calc.py")
    assert result.tests is not None
    assert result.tests.passed == 2
    assert "keep every line of it" in scripted_server.chats[0].last
    assert done.status is RunStatus.FAILED
    assert "a line of the test file is lost" in done.notices


async def test_the_editor_shows_the_run_in_its_terminal(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(RIGHT)
    editor = BufferEditor(terminal=TerminalOutcome(exit_code=None, output="= 3 passed, 1 failed ="))
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        desk.editor = editor
        result = await (await asked(desk, "yes")).result()
    assert result.tests is not None
    assert (result.tests.is_in_editor, result.tests.passed, result.tests.failed) == (True, 3, 1)
    assert "ended by a signal" in result.answer
    assert editor.buffers[desk.workspace / "test_calc.py"].endswith("add(2, 0), 2)\n")
    assert editor.asked[-1].endswith("-m unittest -v test_calc.py")


async def test_code_without_documentation_is_said_to_be_so(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(RIGHT)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        (desk.workspace / "calc.py").write_text("def add(left, right):\n    return left - right\n")
        result = await (await asked(desk, "no", "calc.add")).result()
    assert "No documentation says" in result.warnings[0]
    assert "left - right" not in scripted_server.chats[0].last


@pytest.mark.parametrize(
    ("text", "told"),
    [("gone.py", "There is no file"), ("notes.txt", "How notes.txt is tested"), ("zzz", "No code was found")],
)
async def test_a_target_that_cannot_be_tested_is_told_in_a_sentence(
    tmp_path: Path, scripted_server: ScriptedServer, text: str, told: str
) -> None:
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        (desk.workspace / "notes.txt").write_text("words\n")
        done = await desk.run("test", text=text)
    assert done.history.fault is not None
    assert told in done.history.fault.message
    assert scripted_server.chats == []


async def test_a_sentence_leads_to_the_code_that_it_speaks_of(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(RIGHT)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        (desk.workspace / "test_old.py").write_text("import unittest\n# sum_of_prices\n")
        (desk.workspace / "shop.py").write_text("def sum_of_prices(prices):\n    return 0\n")
        done = await asked(desk, "no", "Test that sum_of_prices gives zero for no prices")
        ground = await done.output("retrieve", Ground)
    assert ground.targets == ["shop.py"]
    assert ground.suite.destination == "test_shop.py"
