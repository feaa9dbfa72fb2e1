"""The guard: a server ends with its holder, its log stays short and private, its scratch folder goes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from naestro.engines.guard import CANNOT_START, Order, RotatingLog, older, run
from tests.support.processes import group_is_gone, members, until

GUARD = [sys.executable, "-m", "naestro.engines.guard"]
END_S = 10
ENVIRONMENT = dict(os.environ)


def order(tmp_path: Path, code: str, first_line: str = "") -> Order:
    """An order to run a Python program."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return Order(
        argv=[sys.executable, "-c", code],
        environment=ENVIRONMENT,
        first_line=first_line,
        log=str(tmp_path / "engine.log"),
        scratch=str(scratch),
    )


@pytest.fixture
def holder() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe: the one that the guard reads, and the holder's."""
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def text_of(tmp_path: Path) -> str:
    return (tmp_path / "engine.log").read_text()


def test_an_order_survives_its_way_through_the_pipe(tmp_path: Path) -> None:
    sent = order(tmp_path, "pass", "secret\n")
    assert Order.decode(sent.encode()) == sent
    assert sent.encode().count(b"\n") == 1


def test_a_server_gets_its_first_line_and_its_words_are_logged(
    tmp_path: Path, holder: tuple[int, int]
) -> None:
    code = "import sys; print('got', input()); print('and', file=sys.stderr)"
    assert run(order(tmp_path, code, "the key\n"), holder[0]) == 0
    assert sorted(text_of(tmp_path).split("\n")) == ["", "and", "got the key"]


def test_the_exit_code_of_a_server_is_passed_on(tmp_path: Path, holder: tuple[int, int]) -> None:
    assert run(order(tmp_path, "import sys; sys.exit(3)"), holder[0]) == 3


def test_a_server_that_was_killed_is_told_as_a_shell_does(tmp_path: Path, holder: tuple[int, int]) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run(order(tmp_path, code, "never read\n"), holder[0]) == 128 + signal.SIGKILL


def test_a_server_is_killed_when_the_holders_end_closes(tmp_path: Path, holder: tuple[int, int]) -> None:
    reading, writing = holder
    os.write(writing, b"words that mean nothing")
    os.close(writing)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    assert run(order(tmp_path, code), reading) == 0


def test_a_server_that_closes_its_output_and_stays_is_killed(tmp_path: Path, holder: tuple[int, int]) -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(600)"
    assert run(order(tmp_path, code), holder[0]) == 128 + signal.SIGKILL


def test_a_program_that_cannot_be_started_is_named_in_the_log(
    tmp_path: Path, holder: tuple[int, int]
) -> None:
    missing = Order([str(tmp_path / "nothing")], ENVIRONMENT, "", str(tmp_path / "engine.log"), "")
    assert run(missing, holder[0]) == CANNOT_START
    assert f"cannot start {tmp_path / 'nothing'}: No such file" in text_of(tmp_path)


def test_the_log_is_turned_over_when_it_is_full_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    log = RotatingLog(path, max_bytes=10)
    for words in (b"first line\n", b"second line\n", b"third\n"):
        log.write(words)
    assert older(path).read_bytes() == b"second line\n"
    assert path.read_bytes() == b"third\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, holder: tuple[int, int]) -> None:
    lost = order(tmp_path, "print('words')")
    assert run(Order(lost.argv, lost.environment, "", str(tmp_path / "no" / "log"), ""), holder[0]) == 0


def start_guard(tmp_path: Path, code: str) -> "subprocess.Popen[bytes]":
    """A guard in a process of its own; waits until its server has said something."""
    process = subprocess.Popen(GUARD, stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    process.stdin.write(order(tmp_path, code).encode())
    process.stdin.flush()
    return process


async def wait_for_words(tmp_path: Path) -> None:
    await until((tmp_path / "engine.log").exists, END_S)


SLEEPING = "import time; print('here', flush=True); time.sleep(600)"


@pytest.mark.anyio
async def test_a_guard_ends_with_its_input_and_removes_the_scratch_folder(tmp_path: Path) -> None:
    process = start_guard(tmp_path, SLEEPING)
    await wait_for_words(tmp_path)
    process.communicate(timeout=END_S)
    await group_is_gone(process.pid, within_s=2)
    assert not (tmp_path / "scratch").exists()


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_guard_that_is_told_to_end_takes_its_server_along(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = start_guard(tmp_path, SLEEPING)
    await wait_for_words(tmp_path)
    process.send_signal(number)
    process.communicate(timeout=END_S)
    await group_is_gone(process.pid, within_s=2)
    assert process.returncode == 0
    assert not (tmp_path / "scratch").exists()


@pytest.mark.anyio
async def test_a_guard_that_is_killed_takes_its_server_along(tmp_path: Path) -> None:
    process = start_guard(tmp_path, SLEEPING)
    await wait_for_words(tmp_path)
    assert len(members(process.pid)) == 2
    process.kill()
    process.communicate(timeout=END_S)
    if sys.platform != "linux":  # there the supervisor does what the kernel does here
        os.killpg(process.pid, signal.SIGKILL)
    await group_is_gone(process.pid, within_s=2)


def test_a_guard_without_an_order_ends_at_once() -> None:
    done = subprocess.run(GUARD, input=b'{"argv"', capture_output=True, timeout=END_S, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
