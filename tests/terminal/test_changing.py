"""Changing recorded runs from the command line: patch, rerun, fork, replay."""

import stat
from pathlib import Path

import msgspec

from naestro.types import StepPatched, decode_event
from tests.support.answers import fail
from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer
from tests.terminal.test_asking import ASKED


def finished(cli: Cli) -> str:
    """The id of a run that has finished."""
    done = cli.run("explain", ASKED, "--seed", "3")
    assert done.returncode == 0, done.stderr
    return cli.runs()[0]["id"]


def output_of(cli: Cli, run: str, step: str) -> dict:
    shown = cli.run("trace", run, "--step", step, "--json")
    assert shown.returncode == 0, shown.stderr
    return msgspec.json.decode(shown.stdout)


def test_a_patched_output_runs_again_only_what_depends_on_it(
    cli: Cli, answering: ScriptedServer, tmp_path: Path
) -> None:
    run = finished(cli)
    asked = len(answering.chats)
    new = tmp_path / "new.json"
    new.write_text(
        '{"text": "It multiplies (calc.py:6).", "engine": "alpha", '
        '"temperature": 0.7, "seed": 1, "finish_reason": "stop"}'
    )
    patched = cli.run("patch", run, "propose.1", "--file", str(new), "--resume")
    assert patched.returncode == 0, patched.stderr
    assert "propose.1 has revision 2" in patched.stderr
    later = answering.chats[asked:]
    assert later
    assert all("It multiplies" in str(chat.messages) for chat in later)
    assert [step["revision"] for step in output_of(cli, run, "propose.2")["revisions"]] == [1]
    diffs = [event for event in cli.events(run) if isinstance(event.data, StepPatched)]
    assert [event.step for event in diffs] == ["propose.1"]


def test_the_editor_gives_the_new_prompt(cli: Cli, answering: ScriptedServer, tmp_path: Path) -> None:
    run = finished(cli)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "Say only: patched." > "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    patched = cli.run(
        "patch", run, "propose.2", "--target", "prompt", "--resume", env={"EDITOR": str(editor)}
    )
    assert patched.returncode == 0, patched.stderr
    assert any(chat.last.endswith("Say only: patched.") for chat in answering.chats)


def test_an_editor_that_changes_nothing_changes_nothing(cli: Cli, answering: ScriptedServer) -> None:
    run = finished(cli)
    same = cli.run("patch", run, "propose.1", env={"EDITOR": "true"})
    assert same.returncode == 2
    assert "Nothing was changed" in same.stderr
    assert output_of(cli, run, "propose.1")["revisions"][-1]["revision"] == 1


def test_a_wrong_patch_is_refused_with_its_reason(
    cli: Cli, answering: ScriptedServer, tmp_path: Path
) -> None:
    run = finished(cli)
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    whole = tmp_path / "whole.json"
    whole.write_text("{}")
    for arguments, said in (
        (("propose.1", "--file", str(broken)), "JSON"),
        (("propose.1", "--file", str(tmp_path / "none")), "cannot be read"),
        (("propose.9", "--file", str(whole)), "propose.9"),
        (("propose.1", "--target", "nothing"), "nothing"),
    ):
        refused = cli.run("patch", run, *arguments)
        assert refused.returncode == 2, refused.stderr
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_rerun_is_a_new_revision_and_the_old_stays_readable(cli: Cli, answering: ScriptedServer) -> None:
    run = finished(cli)
    again = cli.run("rerun", run, "propose.1")
    assert again.returncode == 0, again.stderr
    revisions = output_of(cli, run, "propose.1")["revisions"]
    assert [one["state"] for one in revisions] == ["finished", "finished"]
    later = cli.run("rerun", run, "propose.1", "--no-resume")
    assert "naestro resume" in later.stderr
    assert cli.runs()[0]["status"] == "stopped"


def test_a_fork_keeps_what_does_not_depend_on_the_step(cli: Cli, answering: ScriptedServer) -> None:
    run = finished(cli)
    asked = len(answering.chats)
    forked = cli.run("fork", run, "--at", "synthesize")
    assert forked.returncode == 0, forked.stderr
    newest = cli.runs()[0]
    assert newest["forked_from"] == run
    assert newest["status"] == "finished"
    proposals = [chat for chat in answering.chats[asked:] if "response_format" not in chat.body]
    assert len(proposals) == 1


def test_a_replay_shows_the_events_without_any_call(cli: Cli, answering: ScriptedServer) -> None:
    run = finished(cli)
    asked = len(answering.chats)
    shown = cli.run("replay", run, "--json")
    assert [decode_event(line.encode()) for line in shown.stdout.splitlines()] == cli.events(run)
    words = cli.run("replay", run, "--speed", "1000")
    assert "the run finished" in words.stderr
    assert len(answering.chats) == asked


def test_an_executed_replay_tells_where_it_differs(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise("It subtracts (calc.py:6).")
    run = finished(cli)
    same = cli.run("replay", run, "--execute")
    assert same.returncode == 0, same.stderr
    assert "no differences" in same.stdout
    scripted_server.otherwise("It adds (calc.py:4).")
    other = cli.run("replay", run, "--execute")
    assert other.returncode == 7
    assert "-" in other.stdout
    assert "propose.1: output" in other.stdout
    told = cli.run("replay", run, "--execute", "--json")
    assert told.returncode == 7
    last = msgspec.json.decode(told.stdout.splitlines()[-1])
    assert last["before"] == run
    assert last["differences"]


def test_json_tells_what_was_changed_where_nothing_goes_on(cli: Cli, answering: ScriptedServer) -> None:
    run = finished(cli)
    new = '{"text": "x", "engine": "alpha", "temperature": 0.7, "seed": 1, "finish_reason": "stop"}'
    patched = cli.run("patch", run[:20], "propose.1", "--file", "-", "--json", input_text=new)
    assert msgspec.json.decode(patched.stdout) == {"run": run, "step": "propose.1", "revision": 2}
    forked = cli.run("fork", "last", "--no-resume", "--json")
    assert msgspec.json.decode(forked.stdout) == {"run": cli.runs()[0]["id"], "forked_from": run}
    words = cli.run("fork", run, "--no-resume")
    assert f"{run} is forked into {cli.runs()[0]['id']}." in words.stderr
    again = cli.run("rerun", run, "propose.2", "--json")
    events = [decode_event(line.encode()) for line in again.stdout.splitlines()]
    assert events[-1].type == "run.finished"


def test_a_patched_prompt_is_edited_on_from_where_it_was_left(
    cli: Cli, answering: ScriptedServer, tmp_path: Path
) -> None:
    run = finished(cli)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf " More." >> "$1"\n')
    editor.chmod(0o700)
    for _ in range(2):
        done = cli.run("patch", run, "propose.2", "--target", "prompt", env={"EDITOR": str(editor)})
        assert done.returncode == 0, done.stderr
    assert cli.run("resume", run).returncode == 0
    assert any(chat.last.endswith(" More. More.") for chat in answering.chats)


def test_undo_tells_programs_what_it_restored(cli: Cli, patching: ScriptedServer) -> None:
    cli.run("orchestrate", "Mend add in calc.py", "--yes")
    assert msgspec.json.decode(cli.run("undo", "--json").stdout) == {"restored": ["calc.py"]}


def test_an_executed_replay_that_fails_ends_with_its_error(cli: Cli, answering: ScriptedServer) -> None:
    run = finished(cli)
    answering.when(lambda request: True, fail(500))
    assert cli.run("replay", run, "--execute").returncode == 4


def test_an_answer_that_nobody_asked_for_or_that_is_none_is_refused(
    cli: Cli, patching: ScriptedServer
) -> None:
    cli.run("orchestrate", "Mend add in calc.py")
    refused = cli.run("resume", "--answer", "perhaps")
    assert refused.returncode == 2
    assert "Say one of: yes, no." in refused.stderr
    assert cli.runs()[0]["status"] == "waiting"
    shown = cli.run("trace")
    assert "+    return left + right" in shown.stdout
    assert "--answer yes|no" in shown.stdout
    cli.run("resume", "--answer", "n")
    again = cli.run("rerun", "last", "propose.1", "--no-resume")
    assert again.returncode == 0
    unasked = cli.run("resume", "--answer", "yes")
    assert unasked.returncode == 2
    assert "waits for no answer" in unasked.stderr


def test_a_run_that_goes_on_under_isolation_sends_nothing_out(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    config = cli.home / "config.toml"
    config.write_text(
        config.read_text().replace("127.0.0.1", "0.0.0.0")
    )  # leads here, is no loopback address
    scripted_server.otherwise(fail(500))
    assert cli.run("explain", "What does calc.py do?").returncode != 0
    asked = len(scripted_server.chats)
    resumed = cli.run("resume", "last", env={"NAESTRO_ISOLATED": "1"})
    assert "Isolation mode forbids the engine" in resumed.stderr
    assert asked
    assert len(scripted_server.chats) == asked
