"""`naestro test` and `naestro review` from the command line, against the scripted engine."""

import subprocess

from tests.support.answers import say_json
from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer

WRITTEN = """test_calc.py
```python
import unittest

from calc import add


class AddTest(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(add(2, {right}), {sum})
```
"""


def test_a_written_test_runs_after_the_yes_and_its_failure_is_the_exit_code(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(WRITTEN.format(right=1, sum=3))
    done = cli.run("test", "calc.py", "--yes", "--proposers", "1")
    assert done.returncode == 1, done.stderr
    assert "! The new tests do not pass (1 failed, exit code 1)" in done.stdout
    assert "FAIL tests test_calc.py:1 1 failed, exit code 1" in done.stdout
    assert (cli.workspace / "test_calc.py").exists()
    assert cli.run("undo").stdout == "restored test_calc.py\n"


def test_a_test_that_passes_ends_well_and_without_a_yes_nothing_runs(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(WRITTEN.format(right=0, sum=2))
    waits = cli.run("test", "calc.py", "--proposers", "1")
    assert waits.returncode == 3
    assert "then run in the workspace, as your user" in waits.stderr
    assert not (cli.workspace / "test_calc.py").exists()
    done = cli.run("resume", "--answer", "yes")
    assert done.returncode == 0, done.stderr
    assert "pass tests test_calc.py:1 1 passed, exit code 0" in done.stdout


def test_a_review_names_the_line_and_who_says_so_and_an_unchanged_tree_is_told(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    fault = {"severity": "major", "path": "calc.py", "line": 1, "claim": "nothing is checked"}
    scripted_server.when("You are a reviewer", say_json({"findings": [fault]}))
    scripted_server.when("You are the critic", say_json({"wrong": []}))
    no_git = cli.run("review")
    assert no_git.returncode == 2
    assert "lies in no git repository" in no_git.stderr
    subprocess.run(["git", "init"], cwd=cli.workspace, check=True, capture_output=True, timeout=30)
    done = cli.run("review", "--proposers", "1")
    assert done.returncode == 0, done.stderr
    assert "major (calc.py:1): nothing is checked — propose.1" in done.stdout
    for words in (
        ["add", "-A"],
        ["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-m", "x"],
    ):
        subprocess.run(["git", *words], cwd=cli.workspace, check=True, capture_output=True, timeout=30)
    assert cli.run("review").returncode == 2
    assert cli.run("review", "calc.py", "--proposers", "1").returncode == 0
