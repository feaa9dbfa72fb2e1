"""What a person at a terminal sees and does: the live view, the question under a diff, Ctrl-C, following."""

import pytest

from tests.support.answers import say_tokens
from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import SOURCE
from tests.terminal.test_asking import ASKED

MENDED = SOURCE.replace("left - right", "left + right")


def test_the_diff_is_shown_before_a_yes_and_what_was_typed_before_it_does_not_count(
    cli: Cli, patching: ScriptedServer
) -> None:
    patching.then(say_tokens(9, stall_after=3))
    with cli.at_terminal("orchestrate", "Mend add in calc.py") as screen:
        drawn = screen.wait_for("● propose.")
        assert "✓ retrieve" in drawn
        screen.type("yes\n")
        patching.release()
        assert "+    return left + right" in screen.wait_for("Apply this change to 1 file? [yes/no]")
        screen.type("perhaps\n")
        screen.wait_for("Apply this change to 1 file? [yes/no]")
        assert (cli.workspace / "calc.py").read_text() == SOURCE
        screen.type("Y\n")
        screen.wait_for("the patch was applied; `naestro undo ")
        assert screen.end() == 0
    assert (cli.workspace / "calc.py").read_text() == MENDED


def test_ctrl_c_at_the_question_cancels_and_the_question_comes_back_with_resume(
    cli: Cli, patching: ScriptedServer
) -> None:
    with cli.at_terminal("orchestrate", "Mend add in calc.py") as screen:
        screen.wait_for("[yes/no]")
        screen.interrupt()
        screen.wait_for("is cancelled; `naestro resume")
        assert screen.end() == 130
    with cli.at_terminal("resume") as screen:
        assert "✓ adjudicate" in screen.wait_for("+    return left + right")
        screen.wait_for("[yes/no]")
        screen.type("\x04")
        screen.wait_for("waits for an answer: Apply this change to 1 file?")
        assert screen.end() == 3
    assert cli.runs()[0]["status"] == "waiting"
    with cli.at_terminal("resume") as screen:
        screen.wait_for("[yes/no]")
        screen.type("no\n")
        screen.wait_for("the patch was not applied")
        assert screen.end() == 0
    assert (cli.workspace / "calc.py").read_text() == SOURCE


def test_following_draws_the_run_and_goes_on_through_its_question(cli: Cli, patching: ScriptedServer) -> None:
    patching.then(say_tokens(9, stall_after=3))
    with cli.at_terminal("orchestrate", "Mend add in calc.py", columns=60) as screen:
        screen.wait_for("● propose.")
        with cli.at_terminal("trace", "--follow", columns=150) as follower:
            follower.wait_for(": 0 1 2")
            patching.release()
            screen.wait_for("[yes/no]")
            follower.wait_for("waiting")
            screen.type("y\n")
            follower.wait_for("✓ apply ")
            assert follower.end() == 0
        assert screen.end() == 0


def test_a_replay_is_drawn_as_the_run_was(cli: Cli, answering: ScriptedServer) -> None:
    cli.run("explain", ASKED)
    with cli.at_terminal("replay") as screen:
        screen.wait_for("✓ adjudicate")
        screen.wait_for("The function adds two numbers")
        assert screen.end() == 0


@pytest.mark.parametrize(("typed", "is_there"), [("no\n", True), ("yes\n", False)])
def test_deleting_data_needs_a_typed_yes(cli: Cli, typed: str, is_there: bool) -> None:
    with cli.at_terminal("uninstall", "--data") as screen:
        screen.wait_for("Type yes to go on:")
        screen.type(typed)
        assert screen.end() == 0
    assert (cli.home / "config.toml").exists() is is_there
