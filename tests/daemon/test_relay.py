"""The relay over real pipes and a real daemon: what passes, and what happens when either side is gone."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import anyio
import pytest

from naestro.relay.memory import ERROR_CODE, LOST, STOPPED
from naestro.relay.places import HASH_DIGITS, Places
from naestro.relay.pump import LOSSES_MAX
from tests.daemon.stage import WAIT_S, Stage
from tests.support.processes import children, until

pytestmark = pytest.mark.anyio


async def test_messages_pass_both_ways_as_they_are(stage: Stage) -> None:
    editor = await stage.editor()
    await editor.write(b'{"id":1,  "method":"echo", "params":{"text":"\xc3\xa9 \\u00e9"}}\r\n')
    assert await editor.receive() == {"jsonrpc": "2.0", "id": 1, "result": {"text": "é é"}}
    await editor.open(text="hello")
    assert editor.daemon == stage.pid


async def test_the_protocol_gets_the_editors_folder(stage: Stage) -> None:
    editor = await stage.editor()
    answer = await editor.ask("initialize", 0)
    assert answer["result"]["cwd"] == str(stage.workspace)


async def test_a_line_of_50_mb_passes_both_ways_in_little_memory(stage: Stage) -> None:
    editor = await (await stage.measured_editor()).open()
    size = 50 << 20
    answer = await editor.ask("size", 5, text="é" * (size // 6))
    assert answer["result"] == size // 6
    assert len((await editor.ask("text", 6, size=size))["result"]) == size
    assert _peak_memory_bytes(editor.process.pid) < 40 << 20


async def test_a_relay_takes_at_most_15_mb(stage: Stage) -> None:
    editor = await (await stage.measured_editor()).open()
    assert _peak_memory_bytes(editor.process.pid) < 15 << 20


def _peak_memory_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def test_ten_front_ends_at_once_start_one_daemon(stage: Stage) -> None:
    editors = [await stage.editor() for _ in range(10)]
    for editor in editors:
        await editor.open()
    assert {editor.daemon for editor in editors} == {stage.pid}
    assert stage.log.count("The daemon is ready") == 1


async def test_the_daemon_is_nobodys_child_and_survives_the_relay(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    assert children(editor.process.pid) == []
    assert os.getsid(editor.daemon) == os.getpgid(editor.daemon) != os.getsid(editor.process.pid)
    await editor.stdin.aclose()
    assert await editor.ends() == 0
    assert (await (await stage.editor()).open()).daemon == editor.daemon


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
async def test_a_relay_that_is_told_to_end_ends_within_a_second(stage: Stage, number: signal.Signals) -> None:
    editor = await (await stage.editor()).open()
    await editor.send(id=1, method="work", params={"sessionId": "s", "run": "r"})
    await editor.receive()
    editor.process.send_signal(number)
    await editor.ends(1)
    assert await editor.errors() == b""


async def test_end_of_file_ends_the_relay_after_the_last_answers(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    await editor.send(id=1, method="echo", params={})
    await editor.stdin.aclose()
    assert (await editor.receive())["id"] == 1
    assert await editor.ends() == 0


async def test_end_of_file_while_the_daemon_starts_ends_the_relay(stage: Stage) -> None:
    editor = await stage.editor()
    await editor.send(id=1, method="initialize")
    await editor.stdin.aclose()
    assert await editor.ends(WAIT_S) == 0


async def test_an_editor_that_reads_nothing_makes_the_daemon_wait(stage: Stage) -> None:
    editor = await (await stage.measured_editor()).open()
    for number in range(40):
        await editor.send(id=number, method="text", params={"size": 500_000})
    for number in range(40):
        await editor.send(id=100 + number, method="size", params={"text": "x" * 10_000})
    answers = [await editor.receive() for _ in range(80)]
    assert sorted(answer["id"] for answer in answers) == [*range(40), *range(100, 140)]
    assert _peak_memory_bytes(editor.process.pid) < 20 << 20


async def test_open_requests_are_answered_when_the_daemon_was_killed(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    await editor.send(id="a", method="work", params={"sessionId": "s", "run": "01RUN"})
    await editor.receive()
    await editor.send(id=2, method="work", params={"sessionId": "t", "run": "02RUN"})
    await editor.receive()
    await editor.send(id=3, method="die")
    errors = {answer["id"]: answer["error"] for answer in [await editor.receive() for _ in range(3)]}
    assert {number: error["data"]["run"] for number, error in errors.items()} == {
        "a": "01RUN",
        2: "02RUN",
        3: None,
    }
    assert {(error["code"], error["message"]) for error in errors.values()} == {(ERROR_CODE, LOST)}
    assert (await editor.ask("echo", 4))["id"] == 4
    assert stage.pid != editor.daemon


async def test_initialize_is_said_again_to_the_next_daemon_and_its_answer_swallowed(stage: Stage) -> None:
    editor = await (await stage.editor()).open(client="test")
    await editor.send(id=1, method="die")
    assert (await editor.receive())["id"] == 1
    answer = await editor.ask("echo", 0, text="the id of initialize, used again")
    assert answer["result"] == {"text": "the id of initialize, used again"}


async def test_initialize_itself_is_answered_by_the_next_daemon(stage: Stage) -> None:
    await (await stage.editor()).open()
    editor = await stage.editor()
    assert (await editor.ask("echo", 8))["id"] == 8
    os.kill(stage.pid, signal.SIGSTOP)
    await editor.send(id=0, method="initialize", params={})
    os.kill(stage.pid, signal.SIGKILL)
    answer = await editor.receive()
    assert answer["result"]["pid"] == stage.pid


async def test_half_a_line_of_a_lost_daemon_is_dropped(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    await editor.send(id=1, method="half", params={"size": 1000})
    await editor.send(id=2, method="die")
    answers = [await editor.receive() for _ in range(2)]
    assert {answer["id"] for answer in answers} == {1, 2}
    assert (await editor.ask("echo", 3))["id"] == 3


async def test_a_long_line_of_a_lost_daemon_is_ended(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    await editor.send(id=1, method="half", params={"size": 3_000_000})
    await editor.stdout.receive_exactly(1_000_000)
    await editor.send(id=2, method="die")
    with pytest.raises(json.JSONDecodeError):
        await editor.receive()
    assert {(await editor.receive())["id"], (await editor.receive())["id"]} == {1, 2}


async def test_half_a_line_of_the_editor_is_not_given_to_the_next_daemon(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    await editor.write(b'{"id": 5, "method": "echo", "params": {"text": "' + b"x" * 3_000_000)
    os.kill(editor.daemon, signal.SIGKILL)
    await until(lambda: stage.pid != editor.daemon, WAIT_S)
    await editor.write(b'"}}\n')
    answer = await editor.receive()
    assert (answer["id"], answer["error"]["code"]) == (5, ERROR_CODE)
    assert (await editor.ask("echo", 6))["result"] == {}


async def test_a_late_answer_to_a_lost_daemon_is_dropped(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    await editor.send(id=1, method="ask", params={"id": 0, "text": "old"})
    assert (await editor.receive())["params"] == {"text": "old"}
    os.kill(editor.daemon, signal.SIGKILL)
    assert (await editor.receive())["error"]["message"] == LOST
    await editor.send(id=2, method="ask", params={"id": 0, "text": "new"})
    question = await editor.receive()
    assert (question["params"], question["id"] != 0) == ({"text": "new"}, True)
    await editor.send(id=0, result="for the old question")
    await editor.send(id=question["id"], result="for the new question")
    assert await editor.receive() == {"jsonrpc": "2.0", "id": 2, "result": "for the new question"}


async def test_a_fault_in_a_connection_ends_that_connection_alone(stage: Stage) -> None:
    first, second = await (await stage.editor()).open(), await (await stage.editor()).open()
    await first.send(id=1, method="fault", params={"secret": "s"})
    assert (await first.receive())["error"]["code"] == ERROR_CODE
    assert (await first.ask("echo", 2))["id"] == 2
    assert (await second.ask("echo", 3))["id"] == 3
    assert stage.pid == second.daemon
    assert "ended by a fault" in stage.log


async def test_a_daemon_that_was_stopped_is_started_by_the_next_request_alone(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    await editor.send(id=1, method="work", params={"sessionId": "s", "run": "01RUN"})
    await editor.receive()
    os.kill(editor.daemon, signal.SIGTERM)
    error = (await editor.receive())["error"]
    assert (error["message"], error["data"]["run"]) == (STOPPED, "01RUN")
    await stage.gone()
    await editor.send(method="session/cancel", params={"sessionId": "s"})
    await editor.send(id=77, result="to nobody")
    assert (await editor.ask("echo", 2))["id"] == 2
    assert stage.pid not in {0, editor.daemon}


async def test_a_stale_socket_and_file_are_replaced(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    editor.process.kill()
    os.kill(editor.daemon, signal.SIGKILL)
    await stage.gone()
    assert Path(stage.places.relay_socket).exists()
    assert Path(stage.places.daemon_file).exists()
    assert (await (await stage.editor()).open()).daemon not in {0, editor.daemon}


async def test_a_relay_killed_while_it_starts_the_daemon_keeps_nobody_waiting(stage: Stage) -> None:
    first = await stage.editor()
    await until(lambda: Path(stage.places.start_lock).exists(), WAIT_S)
    first.process.kill()
    assert (await (await stage.editor()).open()).daemon == stage.pid


async def test_garbage_passes_and_does_not_end_the_relay(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    for line in (b"\xff\xfe\n", b"[]\n", b"{]\n", b"\n"):
        await editor.write(line)
        answer = await editor.ask("echo", 1)
        assert answer["id"] == 1


async def test_sockets_with_a_long_path_lie_in_the_runtime_folder(tmp_path: Path) -> None:
    stage = Stage(tmp_path, tmp_path / ("h" * 100))
    try:
        editor = await (await stage.editor()).open()
        assert editor.daemon == stage.pid
        assert not Path(stage.places.relay_socket).exists()
        code, out, _ = await stage.command("daemon", "status", "--json")
        assert (code, json.loads(out)["pid"]) == (0, stage.pid)
        (sockets,) = Path("/tmp").glob(f"naestro-{os.getuid()}-{_digest(stage)}")
        assert (await stage.command("daemon", "stop"))[0] == 0
        assert not sockets.exists()
    finally:
        await stage.close()


def _digest(stage: Stage) -> str:
    return hashlib.sha256(os.fsencode(stage.places.home)).hexdigest()[:HASH_DIGITS]


async def test_a_failed_start_from_before_the_clock_was_set_back_keeps_nobody_out(stage: Stage) -> None:
    stage.places.make()
    memo = Path(stage.places.start_lock)
    memo.write_text('{"error": "It failed an hour ago.", "hint": "None."}')
    os.utime(memo, (time.time() + 3600, time.time() + 3600))
    assert (await (await stage.editor()).open()).daemon == stage.pid


async def test_a_home_that_cannot_be_made_is_told_to_the_editor_and_to_the_person(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    stage = Stage(tmp_path, tmp_path / "file" / "home")
    try:
        editor = await stage.editor()
        for number in range(2):
            answer = await editor.ask("initialize", number)
            assert "cannot be made: Not a directory" in answer["error"]["message"]
            assert "NAESTRO_HOME" in answer["error"]["data"]["hint"]
        await editor.stdin.aclose()
        assert (await editor.ends(), await editor.errors()) == (1, b"")
        code, _, err = await stage.command("daemon", "start")
        assert (code, "cannot be made" in err) == (5, True)
    finally:
        await stage.close()


async def test_a_held_journal_is_told_to_the_editor(stage: Stage) -> None:
    from naestro.runs.lock import hold_lock

    stage.home.mkdir()
    with hold_lock(stage.home, "naestro explain"):
        editors = [await stage.editor() for _ in range(3)]
        for editor in editors:
            message = (await editor.ask("initialize", 0))["error"]["message"]
            assert "held by `naestro explain`" in message
        assert stage.pid == 0
    assert Places(str(stage.home)).token() == ""


async def test_a_protocol_that_does_not_load_is_told_to_the_editor(stage: Stage) -> None:
    stage.install("acp", module="missing_module")
    editor = await stage.editor()
    for number in range(2):
        message = (await editor.ask("initialize", number))["error"]["message"]
        assert message == "The protocol acp does not load: ModuleNotFoundError."
    assert (await stage.command("daemon", "status"))[0] == 0


async def test_an_editor_that_closes_its_end_of_the_output_ends_the_relay(stage: Stage) -> None:
    await (await stage.editor()).open()
    reading, writing = os.pipe()
    relay = await stage.spawn("acp", stdout=writing)
    os.close(writing)
    assert relay.stdin is not None
    await relay.stdin.send(b'{"id": 1, "method": "echo"}\n')
    await anyio.wait_readable(reading)
    os.close(reading)
    with anyio.fail_after(WAIT_S):
        assert await relay.wait() == 0


async def test_an_editor_that_goes_while_the_daemon_hangs_ends_the_relay(stage: Stage) -> None:
    attached = await (await stage.editor()).open()
    reading, writing = os.pipe()
    writer = await stage.spawn("acp", stdin=reading)
    os.close(reading)
    assert writer.stdout is not None
    os.write(writing, b'{"id": 1, "method": "echo"}\n')
    await writer.stdout.receive()
    os.kill(stage.pid, signal.SIGSTOP)
    try:
        connecting = await stage.editor()
        await connecting.write(b'{"id": 1, "method": "echo"}\n')
        await _fill(writing)
        os.close(writing)
        for editor in (attached, connecting):
            await editor.stdin.aclose()
        with anyio.fail_after(WAIT_S):
            assert [await one.wait() for one in (writer, attached.process, connecting.process)] == [0, 0, 0]
    finally:
        os.kill(stage.pid, signal.SIGCONT)


async def _fill(writing: int) -> None:
    """Write until nothing is read any more."""
    os.set_blocking(writing, False)
    with anyio.move_on_after(1):
        while True:
            await anyio.wait_writable(writing)
            os.write(writing, b'{"id": 1, "method": "echo"}\n' * 100)


async def test_an_initialize_that_ends_each_connection_gets_an_error_at_last(stage: Stage) -> None:
    editor = await stage.editor()
    answer = await editor.ask("initialize", 0, fault="it cannot be")
    assert (answer["id"], answer["error"]["code"]) == (0, ERROR_CODE)
    assert stage.log.count("ended by a fault") == LOSSES_MAX + 1
    assert (await editor.ask("echo", 1))["id"] == 1


async def test_ctrl_c_is_silent(stage: Stage) -> None:
    editor = await stage.editor()
    await editor.open()
    editor.process.send_signal(signal.SIGINT)
    assert (await editor.ends(), await editor.errors()) == (130, b"")
