"""What can be wrong with input, folders and streams: one clear sentence, its own exit code, nothing lost."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.answers import say_tokens
from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer
from tests.support.unprivileged import unprivileged
from tests.terminal.conftest import PATCH, SOURCE
from tests.terminal.test_asking import ASKED


def assert_told(done, code: int, *said: str) -> None:
    assert done.returncode == code, done.stderr
    for words in said:
        assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_task_larger_than_every_context_is_told_with_both_sizes(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    done = cli.run("explain", "-", input_text="word " * 200_000)
    assert_told(done, 4, "needs about", "holds 8192", "naestro resume")
    assert scripted_server.chats == []


def test_a_patch_that_leaves_the_workspace_is_told_in_one_sentence(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(PATCH.replace("calc.py", "../calc.py"))
    (cli.workspace.parent / "calc.py").write_text(SOURCE)
    told = cli.run("orchestrate", "Mend add in calc.py", "--yes")
    assert_told(told, 4, f"../calc.py lies outside the workspace {cli.workspace}.\n")
    assert "..\n" not in told.stderr
    assert (cli.workspace.parent / "calc.py").read_text() == SOURCE


def test_a_task_comes_from_standard_input(cli: Cli, answering: ScriptedServer) -> None:
    done = cli.run("explain", "-", input_text=f"{ASKED}\n")
    assert done.returncode == 0, done.stderr
    assert cli.runs()[0]["task"]["text"] == ASKED
    assert_told(cli.run("explain", "-", input_text=" \n"), 2, "The task is empty")


def test_bytes_that_are_no_text_are_refused(cli: Cli) -> None:
    done = cli.shell("naestro explain $'\\xff'; echo $? >&2; printf '\\xff' | naestro explain -; echo $? >&2")
    assert "The argument '\\udcff' holds bytes that are not UTF-8 text." in done.stderr
    assert "Standard input is no UTF-8 text." in done.stderr
    assert done.stderr.count("\n2\n") == 2
    assert "Traceback" not in done.stderr


def test_a_folder_without_a_text_name_or_that_is_gone_is_refused(cli: Cli) -> None:
    done = cli.shell(
        "cd $'\\xfe' 2>/dev/null || { mkdir $'\\xfe'; cd $'\\xfe'; }; naestro explain x; echo $? >&2"
    )
    assert "has no UTF-8 name" in done.stderr
    gone = cli.shell("mkdir gone; cd gone; rmdir ../gone; naestro explain x; echo $? >&2")
    assert "The working directory is gone." in gone.stderr
    assert "Traceback" not in done.stderr + gone.stderr


def test_closed_streams_change_nothing_but_what_is_heard(cli: Cli, answering: ScriptedServer) -> None:
    done = cli.shell(
        f"naestro explain '{ASKED}' <&- >&- 2>&-; echo $?; naestro explain '' 2>&-; echo $?; naestro runs >&-; echo $?"
    )
    assert done.stdout == "0\n2\n0\n"
    assert done.stderr == ""
    assert [run["status"] for run in cli.runs()] == ["finished"]


def test_a_full_output_is_told_and_the_run_is_kept(cli: Cli, answering: ScriptedServer) -> None:
    done = cli.shell(f"naestro explain '{ASKED}' > /dev/full; naestro runs > /dev/full")
    assert_told(done, 1)
    assert done.stderr.count("The output cannot be used: No space left on device.") == 2
    assert [run["status"] for run in cli.runs()] == ["finished"]


def test_an_output_that_lacks_our_signs_gets_others(cli: Cli, answering: ScriptedServer) -> None:
    cli.run("explain", ASKED)
    done = cli.process("trace", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert "? propose.1" in done.stdout
    assert done.returncode == 0


def test_a_home_that_is_nowhere_is_told(cli: Cli) -> None:
    assert_told(cli.run("runs", env={"NAESTRO_HOME": "~nobody-of-that-name/x"}), 2, "NAESTRO_HOME is ~nobody")


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond that: SQLite meets a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_stops_the_run_and_resume_goes_on_where_it_stood(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    words = " ".join(f"word{number}" for number in range(4000))
    scripted_server.otherwise(f"{words} (calc.py:4-6).")
    with files_of_at_most(150 * 1024):
        done = cli.run("explain", ASKED)
    assert_told(done, 5, "cannot be written", "nothing that was shown is lost")
    assert cli.runs()[0]["status"] == "stopped"
    assert [line for line in done.stderr.splitlines() if line.startswith("retrieve")]
    scripted_server.otherwise("It subtracts (calc.py:4-6).")
    resumed = cli.run("resume")
    assert resumed.returncode == 0, resumed.stderr
    assert not [line for line in resumed.stderr.splitlines() if line.startswith("retrieve")]


def test_a_damaged_page_is_told_on_one_line_by_readers_and_the_owner(
    cli: Cli, answering: ScriptedServer
) -> None:
    cli.run("explain", ASKED)
    file = cli.home / "journal.db"
    content = bytearray(file.read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    file.write_bytes(content)
    for arguments in (("runs",), ("trace",), ("explain", ASKED)):
        done = cli.run(*arguments)
        assert_told(done, 5, "is damaged", "Move the file away")
        assert len(done.stderr.splitlines()) == 2
    doctor = cli.run("doctor")
    assert doctor.returncode == 1
    assert "✗ journal" in doctor.stdout
    assert file.read_bytes() == content


def test_what_the_user_may_not_read_or_write_is_told(cli: Cli) -> None:
    config = (cli.home / "config.toml").read_text()
    with unprivileged() as folder:
        home, closed = folder / "home", folder / "closed"
        cli.workspace = folder / "workspace"
        for made in (home, cli.workspace, closed):
            made.mkdir()
        (home / "config.toml").write_text(config)
        (cli.workspace / "calc.py").write_text(SOURCE)
        (cli.workspace / "naestro.toml").write_text("")
        (cli.workspace / "calc.py").chmod(0)
        closed.chmod(0o500)
        for folder_of_user, arguments, code, said in (
            (home, ["explain", "calc.py"], 6, "calc.py"),
            (home, ["run", "calc.py"], 2, "cannot be read: Permission denied"),
            (home, ["trace", "--html", str(closed / "page.html")], 2, "cannot be written: Permission denied"),
            (closed, ["explain", "What is here?"], 5, "cannot be"),
            (closed / "home", ["runs"], 2, "cannot be made: Permission denied"),
        ):
            env = {"NAESTRO_HOME": str(folder_of_user), "NAESTRO_CACHE": str(folder / "cache")}
            assert_told(cli.run(*arguments, env=env), code, said)


def test_ctrl_c_in_a_reader_ends_the_reader_alone(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=3))
    works = cli.start("explain", ASKED)
    scripted_server.wait_until(lambda: len(scripted_server.chats) == 2)
    follows = cli.start("trace", "--follow", "--json")
    assert follows.stdout is not None
    follows.stdout.readline()
    follows.send_signal(signal.SIGINT)
    follows.communicate(timeout=20)
    assert follows.returncode == 130
    assert cli.runs()[0]["status"] == "running"
    works.terminate()
    works.communicate(timeout=20)
