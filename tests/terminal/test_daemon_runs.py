"""The command line with a real daemon: the same commands, and runs that outlive whoever started them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from naestro.relay.places import Places
from naestro.relay.start import is_locked
from naestro.terminal.exits import Exit
from naestro.types import RunStatus
from tests.support.answers import say_tokens
from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer

WAIT_S = 30.0


@pytest.fixture
def remote(cli: Cli) -> Iterator[Cli]:
    """The command as a person has it, with the daemon, which is ended with the test."""
    del cli.env["NAESTRO_IN_PROCESS"]
    try:
        yield cli
    finally:
        kill_daemon(cli)


def daemon_of(cli: Cli) -> int:
    """The process of the daemon; 0 where none lives."""
    lock = Places(str(cli.home)).daemon_lock
    return int(Path(lock).read_text() or 0) if is_locked(lock) else 0


def kill_daemon(cli: Cli) -> None:
    if pid := daemon_of(cli):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not daemon_of(cli))


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what another process does, which gives no event here."""
    until = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def connections(cli: Cli) -> int:
    """How many follow the daemon over HTTP."""
    return msgspec.json.decode(cli.process("daemon", "status", "--json").stdout)["http_connections"]


def status(cli: Cli) -> RunStatus | None:
    found = cli.runs()
    return RunStatus(found[0]["status"]) if found else None


def test_a_question_is_answered_by_the_daemon_and_read_from_the_journal(
    remote: Cli, answering: ScriptedServer
) -> None:
    done = remote.process("explain", "What does calc.py do?")
    assert (done.returncode, "adds two numbers" in done.stdout) == (Exit.OK, True), done.stderr
    first = daemon_of(remote)
    assert first
    assert status(remote) is RunStatus.FINISHED
    again = remote.process("replay", "--execute", "--json")
    assert again.returncode in {Exit.OK, Exit.DIFFERENT}, again.stderr
    assert remote.process("runs", "prune", "--dry-run").returncode == Exit.OK
    assert daemon_of(remote) == first
    refused = remote.process("resume")
    assert (refused.returncode, "has finished" in refused.stderr) == (Exit.USAGE, True)


def test_a_change_is_applied_and_taken_back_by_the_daemon(remote: Cli, patching: ScriptedServer) -> None:
    done = remote.process("orchestrate", "Mend calc.py", "calc.py", "--yes")
    assert done.returncode == Exit.OK, done.stderr
    assert "left + right" in (remote.workspace / "calc.py").read_text()
    undone = remote.process("undo")
    assert (undone.returncode, undone.stdout) == (Exit.OK, "restored calc.py\n"), undone.stderr
    assert "left - right" in (remote.workspace / "calc.py").read_text()


def test_where_nobody_answers_the_run_waits_and_an_answer_later_goes_on(
    remote: Cli, patching: ScriptedServer
) -> None:
    waits = remote.process("orchestrate", "Mend calc.py", "calc.py")
    assert (waits.returncode, "--answer" in waits.stderr) == (Exit.WAITING, True), waits.stderr
    done = remote.process("resume", "--answer", "yes")
    assert done.returncode == Exit.OK, done.stderr
    assert "left + right" in (remote.workspace / "calc.py").read_text()


def test_while_the_daemon_lives_a_command_in_its_own_process_is_refused_with_the_holder(
    remote: Cli, answering: ScriptedServer
) -> None:
    assert remote.process("explain", "What does calc.py do?").returncode == Exit.OK
    refused = remote.process("explain", "Why?", "--in-process")
    assert (refused.returncode, "`naestro daemon`" in refused.stderr) == (Exit.JOURNAL, True)


def test_the_callers_environment_counts_in_the_daemon(remote: Cli, answering: ScriptedServer) -> None:
    assert remote.process("explain", "What does calc.py do?").returncode == Exit.OK
    done = remote.process("explain", "Why?", "--json", env={"NAESTRO_COUNCIL__PROPOSERS": "1"})
    assert done.returncode == Exit.OK, done.stderr
    assert ('"step":"propose.1"' in done.stdout, '"step":"propose.2"' in done.stdout) == (True, False)


@pytest.fixture
def held(remote: Cli, scripted_server: ScriptedServer) -> Iterator[subprocess.Popen[str]]:
    """A command whose run is in the middle of a proposal that takes long."""
    scripted_server.otherwise(say_tokens(9, stall_after=3))
    process = remote.start("explain", "What does calc.py do?", "--json")
    try:
        scripted_server.wait_until(lambda: len(scripted_server.chats) == 2, WAIT_S)
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=WAIT_S)
    return process.returncode, said


def test_ctrl_c_cancels_the_run_in_the_daemon(remote: Cli, held: subprocess.Popen[str]) -> None:
    held.send_signal(signal.SIGINT)
    assert ended(held)[0] == Exit.CANCELLED
    assert status(remote) is RunStatus.CANCELLED


def test_sigterm_leaves_the_run_to_the_daemon_and_says_so(remote: Cli, held: subprocess.Popen[str]) -> None:
    held.send_signal(signal.SIGTERM)
    code, said = ended(held)
    assert (code, "goes on in the daemon" in said) == (Exit.WAITING, True), said
    assert status(remote) is RunStatus.RUNNING


def test_a_killed_command_leaves_the_run_going_on_and_resume_follows_it(
    remote: Cli, held: subprocess.Popen[str], scripted_server: ScriptedServer
) -> None:
    held.kill()
    ended(held)
    assert status(remote) is RunStatus.RUNNING
    attached = remote.start("resume", "--json")
    wait_until(lambda: connections(remote) > 0)
    scripted_server.release()
    out, said = attached.communicate(timeout=WAIT_S)
    assert (attached.returncode, '"type":"run.finished"' in out) == (Exit.OK, True), said
    assert '"type":"run.resumed"' not in out


def test_a_command_goes_on_when_its_daemon_is_killed(
    remote: Cli, held: subprocess.Popen[str], scripted_server: ScriptedServer
) -> None:
    first = daemon_of(remote)
    scripted_server.otherwise("The function adds two numbers (calc.py:4-6).")
    os.kill(first, signal.SIGKILL)
    out, said = held.communicate(timeout=WAIT_S)
    assert held.returncode == Exit.OK, said
    assert out.count('"type":"run.started"') == 1
    assert '"type":"run.resumed"' in out
    assert daemon_of(remote) not in {0, first}
