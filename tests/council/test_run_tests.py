"""Running a workspace's program: its end, its limits, its environment, and what is left of it afterwards."""

import os
import sys
from pathlib import Path

import anyio
import pytest

from naestro.council.outcome import SuiteOutcome, counts
from naestro.council.run_tests import KEPT_SIZE, NOT_FOUND, run_captured

pytestmark = pytest.mark.anyio


def python(code: str) -> list[str]:
    """A command that runs `code`."""
    return [sys.executable, "-I", "-S", "-c", code]


def is_alive(pid: int) -> bool:
    """Whether a process runs that is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


async def ends(pid: int) -> None:
    """Wait until a process is gone."""
    with anyio.fail_after(30):
        while is_alive(pid):  # noqa: ASYNC110 - a process is no event
            await anyio.sleep(0.01)


async def test_the_exit_code_and_the_end_of_the_output_are_kept(tmp_path: Path) -> None:
    code = f"import sys; print('x' * {2 * KEPT_SIZE}, flush=True); print('the end', file=sys.stderr); sys.exit(3)"
    outcome, is_late = await run_captured(python(code), tmp_path, 30)
    assert (outcome.exit_code, is_late, outcome.is_cut) == (3, False, True)
    assert outcome.output.endswith("the end\n")
    assert len(outcome.output) == KEPT_SIZE


async def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']);"
        "print(child.pid, flush=True); time.sleep(99)"
    )
    outcome, is_late = await run_captured(python(code), tmp_path, 1.5)
    assert (outcome.exit_code, is_late) == (None, True)
    await ends(int(outcome.output))


async def test_what_a_program_leaves_running_is_ended_and_holds_nobody_up(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']);"
        "print(child.pid)"
    )
    with anyio.fail_after(20):
        outcome, _ = await run_captured(python(code), tmp_path, 60)
    assert outcome.exit_code == 0
    await ends(int(outcome.output))


async def test_a_cancelled_run_leaves_no_process(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    code = f"import os, time; open({str(place)!r}, 'w').write(str(os.getpid()) + ' '); time.sleep(99)"
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_captured, python(code), tmp_path, 60)
            while not place.exists() or not place.read_text().endswith(" "):  # noqa: ASYNC110 - a process is no event
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    await ends(int(place.read_text()))


async def test_it_gets_no_secret_and_no_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hidden")
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path))
    monkeypatch.setenv("PLAIN", "seen")
    code = (
        "import os, sys; seen = os.environ;"
        "print(seen.get('SOME_API_KEY'), seen.get('NAESTRO_HOME'), seen['PLAIN'], sys.stdin.read())"
    )
    outcome, _ = await run_captured(python(code), tmp_path, 30)
    assert outcome.output.split() == ["None", "None", "seen"]


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    outcome, _ = await run_captured(["no-such-program"], tmp_path, 30)
    assert (outcome.exit_code, outcome.output) == (NOT_FOUND, "no-such-program: No such file or directory")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("===== 3 passed, 1 failed, 2 errors in 0.1s =====", (3, 3)),
        ("\x1b[32m2 passed\x1b[0m in 0.01s", (2, 0)),
        ("no tests ran in 0.01s", (0, 0)),
        ("Ran 4 tests in 0.1s\n\nFAILED (failures=1, errors=1, skipped=1)", (1, 2)),
        ("Ran 0 tests in 0.000s\n\nNO TESTS RAN", (0, 0)),
        ("# tests 3\n# pass 2\n# fail 1\n", (2, 1)),
        ("Test Suites: 1 failed, 1 total\nTests:       1 failed, 2 passed, 3 total\n", (2, 1)),
        (" Test Files  1 passed (1)\n      Tests  2 passed (2)\n", (2, 0)),
        ("--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.00s)\nFAIL", (1, 1)),
        (
            "test result: ok. 2 passed; 0 failed; 0 ignored\n\ntest result: FAILED. 1 passed; 1 failed;",
            (3, 1),
        ),
        ("something else", (None, None)),
    ],
)
def test_what_runners_print_is_counted(output: str, expected: tuple[int | None, int | None]) -> None:
    assert counts(output) == expected


@pytest.mark.parametrize(
    ("outcome", "told", "is_passed"),
    [
        (
            SuiteOutcome(command="x", exit_code=0, passed=2, failed=0, output=""),
            "2 passed, exit code 0",
            True,
        ),
        (SuiteOutcome(command="x", exit_code=0, output=""), "exit code 0", True),
        (
            SuiteOutcome(command="x", exit_code=0, passed=0, failed=0, output=""),
            "no test ran, exit code 0",
            False,
        ),
        (
            SuiteOutcome(command="x", exit_code=None, output="", is_timed_out=True),
            "ended because it took too long",
            False,
        ),
    ],
)
def test_the_outcome_is_told_in_a_few_words(outcome: SuiteOutcome, told: str, is_passed: bool) -> None:
    assert (outcome.told, outcome.is_passed) == (told, is_passed)
