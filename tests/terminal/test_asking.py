"""Asking the council from the command line, against the scripted engine: answers, patches, questions, bad input."""

import os
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from naestro.types import RunStarted, decode_event
from tests.support.answers import fail, say_tokens
from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import SOURCE

ASKED = "Why does add in calc.py give the wrong sum?"


def test_an_answer_goes_to_stdout_and_the_way_to_it_to_stderr(cli: Cli, answering: ScriptedServer) -> None:
    done = cli.run("explain", ASKED)
    assert done.returncode == 0, done.stderr
    assert "The function adds two numbers (calc.py:4-6)." in done.stdout
    assert "cites calc.py:4-6" in done.stdout
    assert "verdict: " in done.stdout
    assert "propose.1      asks alpha" in done.stderr
    assert "propose.2      asks beta" in done.stderr
    assert "the run finished" in done.stderr


def test_json_prints_the_events_alone_without_a_gap(cli: Cli, answering: ScriptedServer) -> None:
    done = cli.run("explain", ASKED, "--json", "--seed", "7", "--proposers", "2", "--consensus", "judge")
    events = [decode_event(line.encode()) for line in done.stdout.splitlines()]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert (events[0].type, events[-1].type) == ("run.started", "run.finished")
    assert done.stderr == ""
    assert events == cli.events()


def test_a_patch_is_written_after_a_yes_and_undone(cli: Cli, patching: ScriptedServer) -> None:
    done = cli.run("orchestrate", "Mend add in calc.py", "--yes")
    assert done.returncode == 0, done.stderr
    assert "+    return left + right" in done.stdout
    assert (cli.workspace / "calc.py").read_text() == SOURCE.replace("left - right", "left + right")
    nothing = cli.run("orchestrate", "Mend add in calc.py")  # it waits for a yes: it changed nothing
    assert len(cli.runs()) == 2, nothing.stderr
    undone = cli.run("undo")
    assert (undone.returncode, undone.stdout) == (0, "restored calc.py\n"), undone.stderr
    assert (cli.workspace / "calc.py").read_text() == SOURCE
    again = cli.run("undo")
    assert again.returncode == 2
    assert "no patch that could be undone" in again.stderr


def test_undo_refuses_a_file_that_was_changed_since(cli: Cli, patching: ScriptedServer) -> None:
    cli.run("orchestrate", "Mend add in calc.py", "--yes")
    (cli.workspace / "calc.py").write_text("mine = 1\n")
    refused = cli.run("undo")
    assert refused.returncode == 6
    assert (cli.workspace / "calc.py").read_text() == "mine = 1\n"


def test_where_nobody_sits_the_run_waits_and_a_later_answer_goes_on(
    cli: Cli, patching: ScriptedServer
) -> None:
    waits = cli.run("orchestrate", "Mend add in calc.py")
    assert waits.returncode == 3, waits.stderr
    assert "waits for an answer" in waits.stderr
    assert (cli.workspace / "calc.py").read_text() == SOURCE
    asked = len(patching.chats)
    assert cli.runs()[0]["status"] == "waiting"
    done = cli.run("resume", "--answer", "yes")
    assert done.returncode == 0, done.stderr
    assert "left + right" in (cli.workspace / "calc.py").read_text()
    assert len(patching.chats) == asked


def test_a_yes_that_comes_too_late_writes_nothing_and_says_so_by_its_exit_code(
    cli: Cli, patching: ScriptedServer
) -> None:
    assert cli.run("orchestrate", "Mend add in calc.py").returncode == 3
    (cli.workspace / "calc.py").write_text("mine = 1\n")
    late = cli.run("resume", "--answer", "yes")
    assert late.returncode == 6, late.stderr
    assert (cli.workspace / "calc.py").read_text() == "mine = 1\n"


def test_a_no_leaves_the_files_alone(cli: Cli, patching: ScriptedServer) -> None:
    cli.run("orchestrate", "Mend add in calc.py")
    done = cli.run("resume", "--answer", "no")
    assert done.returncode == 0, done.stderr
    assert "the patch was not applied" in done.stdout
    assert (cli.workspace / "calc.py").read_text() == SOURCE


def test_a_proposer_that_fails_is_dropped_and_told_first(cli: Cli, answering: ScriptedServer) -> None:
    answering.when(lambda request: request.body["model"] == "beta", fail(500))
    done = cli.run("explain", ASKED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("! ")


def test_when_every_proposer_fails_the_run_fails_with_a_way_on(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(fail(500))
    done = cli.run("explain", ASKED)
    assert done.returncode == 4
    assert "naestro resume" in done.stderr
    assert "Traceback" not in done.stderr
    scripted_server.otherwise("It subtracts (calc.py:6).")
    assert cli.runs()[0]["status"] == "failed"


def test_ctrl_c_cancels_frees_the_engine_and_resume_goes_on(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=3))
    process = cli.start("explain", ASKED)
    scripted_server.wait_until(lambda: len(scripted_server.chats) == 2)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "naestro resume" in told
    scripted_server.wait_until(lambda: all(chat.outcome == "hung up" for chat in scripted_server.chats))
    assert cli.events()[-1].type == "run.cancelled"
    scripted_server.otherwise("It subtracts (calc.py:6).")
    done = cli.run("resume")
    assert done.returncode == 0, done.stderr
    assert "It subtracts" in done.stdout


def test_a_term_signal_parks_the_run(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=3))
    process = cli.start("explain", ASKED)
    scripted_server.wait_until(lambda: len(scripted_server.chats) == 2)
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 3
    assert cli.events()[-1].type == "run.stopped"


def test_a_second_process_is_refused_at_once_and_readers_are_free(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=3))
    process = cli.start("explain", ASKED)
    scripted_server.wait_until(lambda: len(scripted_server.chats) == 2)
    refused = cli.run("explain", ASKED)
    assert refused.returncode == 5
    assert f"process {process.pid}" in refused.stderr
    assert "naestro explain" in refused.stderr
    assert cli.runs()[0]["status"] == "running"
    process.terminate()
    process.communicate(timeout=20)


def test_a_killed_process_loses_no_step_and_resume_makes_no_call_twice(
    cli: Cli, answering: ScriptedServer
) -> None:
    answering.when(lambda request: "response_format" in request.body, say_tokens(9, stall_after=1))
    process = cli.start("explain", ASKED)
    answering.wait_until(lambda: len(answering.chats) == 3)
    answering.wait_until(
        lambda: any("critique.1/" in getattr(event.data, "call", "") for event in cli.events())
    )
    process.kill()
    process.communicate(timeout=20)
    assert cli.runs()[0]["status"] == "stopped"
    answering.otherwise("It subtracts (calc.py:6).")
    answering.when(lambda request: "response_format" in request.body, '{"findings": []}')
    done = cli.run("resume")
    assert "closed as unknown" in done.stderr
    proposals = [chat for chat in answering.chats if "response_format" not in chat.body]
    synthesis = 1
    assert len(proposals) == 2 + synthesis


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("orchestrate", "  "), 2, "The task is empty"),
        (("explain", "x", "--workspace", "nowhere"), 2, "is not a folder"),
        (("explain", "no_such_file.py"), 6, "no_such_file.py"),
        (("explain", ASKED, "--engine", "gamma"), 4, "gamma"),
        (("explain", ASKED, "--consensus", "dice"), 2, "dice"),
        (("trace", "01zzz"), 2, "01zzz"),
        (("trace",), 2, "No run"),
        (("resume", "01zzz"), 2, "01zzz"),
        (("models", "pull", "gpt"), 4, "'gpt'"),
        (("models", "path", "smollm2-135m"), 4, "not on this machine"),
        (("judge", ASKED, "calc.py"), 2, "at least two"),
        (("run", "none.toml"), 2, "none.toml"),
    ],
)  # fmt: skip
def test_wrong_input_gets_one_sentence_and_its_own_exit_code(
    cli: Cli, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = cli.run(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 12


def test_a_wrong_key_in_the_workspace_is_named_with_the_nearest(cli: Cli) -> None:
    (cli.workspace / "naestro.toml").write_text("[council]\nproposer = 3\n")
    done = cli.run("explain", ASKED)
    assert done.returncode == 2
    assert "naestro.toml" in done.stderr
    assert "proposers" in done.stderr


def test_a_flag_whose_feature_is_not_there_yet_is_refused_by_name(cli: Cli) -> None:
    done = cli.run("explain", ASKED, env={"VOICE_ENABLED": "true"})
    assert done.returncode == 2
    assert "VOICE_ENABLED" in done.stderr


def test_an_unwritable_home_is_told(cli: Cli) -> None:
    done = cli.run("explain", ASKED, env={"NAESTRO_HOME": "/proc/nowhere"})
    assert done.returncode in (2, 5)
    assert "/proc/nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_journal_is_told_and_left_as_it_is(cli: Cli, answering: ScriptedServer) -> None:
    cli.run("explain", ASKED)
    file = cli.home / "journal.db"
    damaged = b"not a database" + file.read_bytes()[14:]
    file.write_bytes(damaged)
    done = cli.run("explain", ASKED)
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
    assert file.read_bytes() == damaged


def test_candidates_are_judged(cli: Cli, answering: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("It subtracts where it should add (calc.py:6).")
    (tmp_path / "b.txt").write_text("Nothing is wrong (calc.py:4).")
    done = cli.run("judge", ASKED, str(tmp_path / "a.txt"), str(tmp_path / "b.txt"))
    assert done.returncode == 0, done.stderr
    assert "verdict: propose." in done.stdout
    assert f"propose.1 is {tmp_path / 'a.txt'}, propose.2 is {tmp_path / 'b.txt'}" in done.stdout
    assert f"propose.2      given as {tmp_path / 'b.txt'}" in done.stderr


def test_a_run_from_a_file_takes_its_settings(cli: Cli, answering: ScriptedServer) -> None:
    (cli.workspace / "ask.toml").write_text(
        'command = "explain"\nseed = 5\n[task]\ntext = "What does calc.py do?"\n[council]\nproposers = 3\n'
    )
    done = cli.run("run", "ask.toml", "--json")
    events = [decode_event(line.encode()) for line in done.stdout.splitlines()]
    assert isinstance(events[0].data, RunStarted)
    assert events[0].data.seed == 5
    assert (
        sum(event.type == "step.started" and str(event.step).startswith("propose") for event in events) == 3
    )


def test_the_output_survives_a_reader_that_goes_away(cli: Cli, answering: ScriptedServer) -> None:
    cli.run("explain", ASKED)
    done = cli.shell("naestro trace --json | head -n 1; naestro config show | true")
    assert msgspec.json.decode(done.stdout)["type"] == "run.started"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_nobody_reads_ends_the_command_quietly(cli: Cli, unbuffered: str) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        cli.command(["runs"]),
        stdout=writes,
        stderr=subprocess.PIPE,
        env={**cli.env, "PYTHONUNBUFFERED": unbuffered},
        cwd=cli.workspace,
        check=False,
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, b"")
