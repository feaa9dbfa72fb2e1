"""The ladder's first rung: a candidate applies, parses and brings no new error, and none of its code runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from naestro.council.execute import (
    FIRST_RUNG,
    Evidence,
    ExecutionReport,
    Lints,
    Parses,
    execute_candidate,
)
from naestro.policy.changes import Change
from naestro.policy.workspace import Workspace
from naestro.types import encode

pytestmark = pytest.mark.anyio

BEFORE = "def f():\n    return missing\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "a.py").write_text(BEFORE)
    return Workspace.find(tmp_path)


def whole(path: str, text: str) -> str:
    return f"`````python path={path}\n{text}\n`````\n"


def failed(report: ExecutionReport) -> list[Evidence]:
    return [found for found in report.evidence if not found.is_passed]


async def test_a_good_patch_passes_every_check_and_writes_nothing(workspace: Workspace) -> None:
    patch = whole("a.py", "def f():\n    return 1") + whole("b.js", "let a = 1;")
    report = await execute_candidate(workspace, patch)
    assert not report.is_out
    assert [(found.check, found.path, found.detail) for found in report.evidence] == [
        ("applies", None, "changes 2 files"),
        ("parses", "a.py", "Python compiles it"),
        ("parses", "b.js", "not checked: not Python"),
        ("lint", "a.py", "no new errors by ruff"),
    ]
    assert [change.path for change in report.changes] == ["a.py", "b.js"]
    assert report.diff.startswith("diff --git a/a.py b/a.py\n")
    assert (workspace.root / "a.py").read_text() == BEFORE
    assert not (workspace.root / "b.js").exists()


async def test_the_same_candidate_gives_the_same_report(workspace: Workspace) -> None:
    patch = whole("a.py", "def f():\n    return one + two")
    reports = [await execute_candidate(workspace, patch) for _ in range(2)]
    assert encode(reports[0]) == encode(reports[1])


@pytest.mark.parametrize(
    ("patch", "detail"),
    [
        ("no patch at all", "The text holds no patch."),
        (whole("a.py", BEFORE.rstrip()), "The patch changes nothing."),
        (whole("../a.py", "x"), "outside the workspace"),
        (whole(".env", "x"), "looks like a secret"),
        ("a.py\n<<<<<<< SEARCH\nnowhere\n=======\nx\n>>>>>>> REPLACE", "not found"),
    ],
)
async def test_a_patch_that_does_not_apply_is_out_with_its_reason(
    workspace: Workspace, patch: str, detail: str
) -> None:
    report = await execute_candidate(workspace, patch)
    assert report.is_out
    assert report.changes == []
    (evidence,) = report.evidence
    assert evidence.check == "applies"
    assert detail in evidence.detail


async def test_a_write_protected_file_is_out_before_anybody_reads_the_candidate(workspace: Workspace) -> None:
    (workspace.root / "a.py").chmod(0o444)
    report = await execute_candidate(workspace, whole("a.py", "x = 1"))
    assert report.is_out
    assert "write-protected" in report.evidence[0].detail


async def test_a_syntax_error_is_told_with_its_line_and_ends_the_climb(workspace: Workspace) -> None:
    report = await execute_candidate(workspace, whole("a.py", "def f():\n    return (1"))
    assert report.is_out
    assert [found.check for found in report.evidence] == ["applies", "parses"]
    (evidence,) = failed(report)
    assert (evidence.path, evidence.line, evidence.detail) == ("a.py", 2, "'(' was never closed")


async def test_a_file_that_did_not_parse_before_is_not_held_against_the_candidate(
    workspace: Workspace,
) -> None:
    (workspace.root / "old.py").write_text('print "hello"\n')
    report = await execute_candidate(workspace, whole("old.py", 'print "goodbye"'))
    parsed = next(found for found in report.evidence if found.check == "parses")
    assert parsed.is_passed
    assert parsed.detail.startswith("not checked: it did not parse before either")


@pytest.mark.parametrize("text", ["x = " + "(" * 100_000, "x = " + "-" * 300_000 + "1", "x" + ".a" * 200_000])
async def test_hostile_nesting_ends_the_candidate_and_not_the_process(
    workspace: Workspace, text: str
) -> None:
    report = await execute_candidate(workspace, whole("deep.py", text), [Parses()])
    assert [found.check for found in failed(report)] == ["parses"]


async def test_code_of_a_candidate_does_not_run(workspace: Workspace) -> None:
    mark = workspace.root / "mark"
    text = f"import pathlib\npathlib.Path({str(mark)!r}).touch()"
    assert not (await execute_candidate(workspace, whole("run.py", text))).is_out
    assert not mark.exists()


async def test_a_compiler_that_gives_up_is_evidence_against_the_candidate(workspace: Workspace) -> None:
    crash = Parses(command=(sys.executable, "-c", "import os; os.abort()"))
    report = await execute_candidate(workspace, whole("new.py", "x = 1"), [crash])
    assert [found.detail for found in failed(report)] == ["Python's compiler gave up on it"]


async def test_a_check_that_takes_too_long_is_ended(workspace: Workspace) -> None:
    endless = Parses(command=(sys.executable, "-c", "while True: pass"), seconds=0.2)
    report = await execute_candidate(workspace, whole("new.py", "x = 1"), [endless])
    assert report.is_out


async def test_only_errors_that_were_not_there_before_count(workspace: Workspace) -> None:
    same = await execute_candidate(workspace, whole("a.py", "# a comment\n\n\ndef f():\n    return missing"))
    assert not same.is_out
    more = await execute_candidate(
        workspace, whole("a.py", "def f():\n    return missing\n\n\nf(other, missing)")
    )
    assert [(found.path, found.line, found.detail) for found in failed(more)] == [
        ("a.py", 5, "F821: Undefined name `missing`"),
        ("a.py", 5, "F821: Undefined name `other`"),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("'%s %s' % (1,)", "F507"),
        ("'{} {}'.format(1)", "F524"),
        ("assert (1, 'always true')", "F631"),
        ("x = 1 is 'a'", "F632"),
        ("__all__ = ['nothing']", "F822"),
        ("def f():\n    print(x)\n    x: int = 1\n    del y", "F821"),
        ("class A:\n    def __init__(self):\n        return 1", "PLE0101"),
        ("undefined  # noqa: F821", "F821"),
    ],
)
async def test_errors_that_show_only_when_code_runs_are_found(
    workspace: Workspace, text: str, code: str
) -> None:
    report = await execute_candidate(workspace, whole("new.py", text))
    assert code in [found.detail.partition(":")[0] for found in failed(report)]


async def test_style_is_no_evidence_and_settings_of_the_workspace_have_no_say(workspace: Workspace) -> None:
    (workspace.root / "ruff.toml").write_text("builtins = ['anything']\n[lint]\nselect = ['ALL']\n")
    assert not (await execute_candidate(workspace, whole("new.py", "import os,sys\nx=1 ;y = 2"))).is_out
    assert (await execute_candidate(workspace, whole("new.py", "anything"))).is_out


async def test_a_linter_that_does_not_answer_says_so_and_decides_nothing(workspace: Workspace) -> None:
    broken = Lints(command=("false",))
    report = await execute_candidate(workspace, whole("a.py", "x = 1"), [broken])
    assert not report.is_out
    assert report.evidence[-1].detail == "not checked: ruff did not answer"


async def test_a_file_that_ruff_cannot_parse_is_a_new_error_too(workspace: Workspace) -> None:
    report = await execute_candidate(workspace, whole("a.py", "x = ("), [Lints()])
    assert [found.detail.partition(":")[0] for found in failed(report)] == ["invalid-syntax"]


async def test_a_removed_file_is_not_checked(workspace: Workspace) -> None:
    change = Change("a.py", workspace.read("a.py").sha256, None)
    for rung in FIRST_RUNG:
        assert await rung.run(workspace, [change]) == []


async def test_a_further_rung_is_climbed_only_by_what_passed_so_far(workspace: Workspace) -> None:
    climbed: list[str] = []

    class Tests:
        """A rung as a later sandbox will be one."""

        name = "tests"

        async def run(self, workspace: Workspace, changes: Sequence[Change]) -> list[Evidence]:
            climbed.extend(change.path for change in changes)
            return [Evidence(check=self.name, is_passed=False, detail="1 failed")]

    good = await execute_candidate(workspace, whole("a.py", "x = 1"), [*FIRST_RUNG, Tests()])
    await execute_candidate(workspace, whole("b.py", "x = ("), [*FIRST_RUNG, Tests()])
    assert climbed == ["a.py"]
    assert good.is_out
    assert failed(good)[0].check == "tests"


async def test_what_the_parser_forgave_is_in_the_report(workspace: Workspace) -> None:
    patch = "a.py\n<<<<<<< SEARCH\nreturn missing\n=======\nreturn 1\n>>>>>>> REPLACE"
    report = await execute_candidate(workspace, patch)
    assert report.notes == ["a.py:2: found but for indentation."]
