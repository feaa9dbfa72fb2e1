"""`review` from a change to findings: in a real git repository, over a scripted engine on a socket."""

import subprocess
from pathlib import Path

import pytest

from naestro.council.changed import Ground
from naestro.council.verdict import Certainty
from naestro.types import RunStatus
from tests.council.desk import Desk, Done, council, desk_in
from tests.support.answers import say_json
from tests.support.editor import BufferEditor
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

REVIEWER, CRITIC = "You are a reviewer", "You are the critic. Which of the numbered"


def git(folder: Path, *arguments: str) -> None:
    """Run git in `folder`, with a name and without the machine's settings."""
    options = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


def commit(folder: Path) -> None:
    """All files as one commit."""
    if not (folder / ".git").exists():
        git(folder, "init")
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "as it was")


def fault(line: int, claim: str, severity: str = "major", path: str = "calc.py") -> dict[str, object]:
    """A finding as a reviewer writes it."""
    return {"severity": severity, "path": path, "line": line, "claim": claim}


def script(
    server: ScriptedServer, *faults: dict[str, object], wrong: list[dict[str, object]] | None = None
) -> None:
    """Let `server` play the reviewers and the critics."""
    server.when(REVIEWER, say_json({"findings": list(faults)}))
    server.when(CRITIC, say_json({"wrong": wrong or []}))


def change(desk: Desk) -> None:
    """A committed `calc.py` that was changed since."""
    commit(desk.workspace)
    (desk.workspace / "calc.py").write_text(
        '"""Adds."""\n\n\ndef add(left, right):\n    """The sum."""\n    return left + right + 1\n'
    )


async def reviewed(folder: Path, server: ScriptedServer, text: str = "", **settings: object) -> Done:
    """A review of a changed `calc.py`."""
    async with desk_in(folder, council(**settings), server.base_url) as desk:
        change(desk)
        return await desk.run("review", text=text)


async def test_findings_have_a_line_that_exists_a_severity_and_who_says_so(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(
        scripted_server,
        fault(6, "the sum is one too large", "blocker"),
        fault(99, "this line does not exist"),
    )
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        change(desk)
        before = sorted(path.name for path in desk.workspace.iterdir())
        done = await desk.run("review")
        result = await done.result()
        assert sorted(path.name for path in desk.workspace.iterdir()) == before
    assert done.status is RunStatus.FINISHED
    assert sorted(done.steps) == ["critique.1", "propose.1", "propose.2", "retrieve", "synthesize"]
    (finding,) = result.findings
    assert (finding.path, finding.line, finding.severity, finding.standing) == (
        "calc.py",
        6,
        "blocker",
        "checked",
    )
    assert finding.critic == "propose.1 (one), propose.2 (one)"
    assert (
        "- blocker (calc.py:6): the sum is one too large — propose.1 (one), propose.2 (one)" in result.answer
    )
    assert [str(citation) for citation in result.citations] == ["calc.py:6"]
    assert result.citations_removed == 2
    assert result.verdict.certainty is Certainty.COLLECTED
    assert result.patch is None
    shown = scripted_server.chats[0].last
    assert "-    return left - right\n+    return left + right + 1" in shown
    assert "(calc.py:3-6)" in shown


async def test_a_finding_that_a_critic_objects_to_stands_last_with_the_objection(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    faults = fault(6, "wrong sum here", "blocker"), fault(4, "the docstring lies", "minor")
    script(scripted_server, *faults, wrong=[{"number": 1, "reason": "it is meant so"}])
    done = await reviewed(tmp_path, scripted_server, proposers=1)
    result = await done.result()
    assert [finding.line for finding in result.findings] == [4, 6]
    assert "Against it, critique.1: it is meant so" in result.answer.splitlines()[-1]
    assert result.verdict.dissent[0].source == "critique.1"


async def test_nothing_found_is_no_proof_and_asks_no_critic(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    done = await reviewed(tmp_path, scripted_server)
    assert (await done.result()).answer == (
        "2 reviewers found nothing wrong in the uncommitted change (1 file), which is no proof."
    )
    assert "critique.1" not in done.steps


async def test_new_files_count_and_ignored_secret_and_binary_ones_are_not_shown(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        (desk.workspace / ".gitignore").write_text("ignored.txt\n")
        change(desk)
        (desk.workspace / "new.py").write_text("print('new')\n")
        (desk.workspace / "ignored.txt").write_text("ignored\n")
        (desk.workspace / ".env").write_text("PASSWORD=hidden\n")
        (desk.workspace / "data.bin").write_bytes(b"\0\1")
        done = await desk.run("review")
        ground = await done.output("retrieve", Ground)
    assert set(ground.lines) == {"calc.py", "new.py"}
    assert set(ground.passed_over) == {".env", "data.bin"}
    assert "hidden" not in scripted_server.chats[0].last
    assert "Not reviewed: .env" in " ".join(await done_warnings(done))


async def done_warnings(done: Done) -> list[str]:
    """The warnings of a run's result."""
    return (await done.result()).warnings


async def test_no_configuration_of_the_repository_runs_a_program(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    mark = tmp_path / "ran"
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        (desk.workspace / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
        change(desk)
        for setting in ("filter.evil.clean", "filter.evil.process", "diff.evil.textconv", "diff.external"):
            git(desk.workspace, "config", setting, f"touch {mark}; cat")
        git(desk.workspace, "config", "core.fsmonitor", f"touch {mark}; false")
        done = await desk.run("review")
    assert done.status is RunStatus.FINISHED
    assert not mark.exists()


@pytest.mark.parametrize(
    ("target", "about"),
    [
        ("HEAD~1..HEAD", "the change HEAD~1..HEAD"),
        ("HEAD~1...HEAD", "the change HEAD~1...HEAD"),
        ("HEAD~1", "the change since HEAD~1"),
        ("calc.py", "the uncommitted change of calc.py"),
        (".", "the uncommitted change of ."),
        ("other.py", "other.py as it is"),
        ("other.py:1-1", "other.py:1-1 as it is"),
    ],
)
async def test_a_range_a_commit_and_files_can_be_named(
    tmp_path: Path, scripted_server: ScriptedServer, target: str, about: str
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        (desk.workspace / "other.py").write_text("x = 1\ny = 2\n")
        change(desk)
        commit(desk.workspace)
        (desk.workspace / "calc.py").write_text("changed = True\n")
        done = await desk.run("review", text=target)
        ground = await done.output("retrieve", Ground)
    assert ground.about == about
    assert ("changed = True" in scripted_server.chats[0].last) == (target in {"HEAD~1", "calc.py", "."})


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("", "changes no file"),
        ("nowhere", "is no file of the workspace and no commit"),
        ("a..b", "'a' is no file"),
    ],
)
async def test_where_there_is_nothing_to_review_one_sentence_says_so(
    tmp_path: Path, scripted_server: ScriptedServer, target: str, told: str
) -> None:
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        commit(desk.workspace)
        done = await desk.run("review", text=target)
    assert done.history.fault is not None
    assert (done.history.fault.code, told in done.history.fault.message) == ("input", True)
    assert scripted_server.chats == []


async def test_without_git_a_named_file_is_reviewed_and_nothing_else(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server, fault(4, "the names are too short", "minor"))
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        done = await desk.run("review", text="calc.py")
        without = await desk.run("review")
    assert [finding.line for finding in (await done.result()).findings] == [4]
    assert without.history.fault is not None
    assert "lies in no git repository" in without.history.fault.message


async def test_a_repository_without_a_commit_is_all_new(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        git(desk.workspace, "init")
        done = await desk.run("review")
        ground = await done.output("retrieve", Ground)
    assert list(ground.lines) == ["calc.py"]


async def test_a_change_larger_than_the_room_is_cut_and_that_is_told(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(proposers=1, context_tokens=300), scripted_server.base_url) as desk:
        change(desk)
        (desk.workspace / "zlong.py").write_text("".join(f"value_{n} = {n}\n" for n in range(300)))
        done = await desk.run("review")
    assert "of the change had no room and was not reviewed" in " ".join(await done_warnings(done))


async def test_unsaved_text_and_removed_files_are_part_of_the_change(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        (desk.workspace / "gone.py").write_text("old = 1\n")
        change(desk)
        (desk.workspace / "gone.py").unlink()
        desk.editor = BufferEditor({desk.workspace / "calc.py": "only_in_the_buffer = 1\n"})
        await desk.run("review")
    shown = scripted_server.chats[0].last
    assert "+only_in_the_buffer = 1" in shown
    assert "-old = 1" in shown


async def test_reviewers_that_all_fail_fail_the_run(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise("no JSON")
    done = await reviewed(tmp_path, scripted_server, schema_retries=0)
    assert done.history.fault is not None
    assert done.history.fault.code == "no_proposal"
