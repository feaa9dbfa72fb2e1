"""The daemon as a process: its start, its files, what `naestro daemon` shows of it, and each way in which it ends."""

import fcntl
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

import naestro
from naestro.relay.start import CONTROL, STATUS, Hello, Patience, ask, connect
from naestro.runs.lock import hold_lock
from tests.daemon.stage import WAIT_S, Editor, Stage
from tests.support.processes import until

pytestmark = pytest.mark.anyio


def _mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def _said(stage: Stage, line: bytes) -> dict[str, Any]:
    """The daemon's answer to a first line."""
    connection = connect(stage.places)
    assert connection is not None
    try:
        return json.loads(ask(connection, line, Patience()) or b"{}")
    finally:
        connection.close()


def _hello(stage: Stage, protocol: str = CONTROL, **changed: Any) -> bytes:
    said = json.loads(Hello(protocol, is_replacing=False).line(stage.places.token()))
    return json.dumps({**said, "prefix": sys.prefix, **changed}).encode() + b"\n"


async def test_start_status_and_stop_tell_of_the_daemon(stage: Stage) -> None:
    code, out, _ = await stage.command("daemon", "status", "--json")
    assert (code, json.loads(out)) == (1, {"pid": None})
    assert (await stage.command("daemon", "status"))[:2] == (1, "No daemon runs.\n")
    code, out, _ = await stage.command("daemon", "start", "--json")
    assert (code, json.loads(out)) == (0, {"pid": stage.pid})
    assert (await stage.command("daemon", "start"))[1] == f"The daemon runs as process {stage.pid}.\n"
    await (await stage.editor()).open()
    pid = stage.pid
    status = json.loads((await stage.command("daemon", "status", "--json"))[1])
    assert (status["pid"], status["version"], status["prefix"]) == (pid, naestro.__version__, sys.prefix)
    assert (status["runs"], status["http_connections"], status["memory_bytes"] > 1 << 20) == ([], 0, True)
    assert [(one["protocol"], one["cwd"]) for one in status["connections"]] == [("acp", str(stage.workspace))]
    shown = (await stage.command("daemon", "status"))[1]
    assert f"process      {pid}\n" in shown
    assert f"  acp in {stage.workspace}, for 0:00:" in shown
    assert (await stage.command("daemon", "stop"))[:2] == (0, f"The daemon, process {pid}, has ended.\n")
    assert (await stage.command("daemon", "stop"))[:2] == (0, "No daemon runs.\n")
    assert json.loads((await stage.command("daemon", "stop", "--json"))[1]) == {"pid": None}


async def test_nobody_else_may_read_what_the_daemon_makes(stage: Stage) -> None:
    await stage.command("daemon", "start")
    places = stage.places
    private = (places.relay_socket, places.http_socket, places.daemon_file, places.daemon_lock, places.log)
    assert {_mode(path) for path in private} == {0o600}
    assert _mode(places.folder) == 0o700


async def test_an_open_run_folder_is_closed(stage: Stage) -> None:
    Path(stage.places.folder).mkdir(parents=True, mode=0o777)
    Path(stage.places.folder).chmod(0o777)
    await stage.command("daemon", "start")
    assert _mode(stage.places.folder) == 0o700


async def _foreground(stage: Stage) -> Editor:
    """A daemon in the foreground, which has said that it is ready."""
    daemon = Editor(await stage.spawn("daemon", "run"))
    assert await daemon.receive() == {"ok": True, "pid": daemon.process.pid}
    return daemon


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_daemon_and_leaves_no_socket(stage: Stage, number: signal.Signals) -> None:
    daemon = await _foreground(stage)
    editor = await (await stage.editor()).open()
    daemon.process.send_signal(number)
    assert await daemon.ends() == 0
    assert await daemon.errors() == b""
    left = {path.name for path in Path(stage.places.folder).iterdir()}
    assert left <= {"daemon.lock", "start.lock"}
    await editor.stdin.aclose()
    assert await editor.ends() == 0


async def test_a_second_daemon_ends_at_once(stage: Stage) -> None:
    await _foreground(stage)
    code, out, _ = await stage.command("daemon", "run")
    assert (code, json.loads(out)["again"]) == (1, True)


async def test_a_daemon_that_cannot_open_the_journal_says_why(stage: Stage) -> None:
    stage.home.mkdir()
    with hold_lock(stage.home, "naestro explain"):
        code, out, _ = await stage.command("daemon", "run")
        assert (code, "held by `naestro explain`" in json.loads(out)["error"]) == (1, True)
        code, _, err = await stage.command("daemon", "start")
        assert (code, "held by `naestro explain`" in err) == (5, True)
    assert (await stage.command("daemon", "start"))[0] == 0


async def test_a_daemon_that_dies_while_it_starts_is_told(stage: Stage) -> None:
    broken = stage.site / "anyio"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise SystemExit('no anyio here')")
    editor = await stage.editor()
    error = (await editor.ask("initialize"))["error"]
    assert error["message"] == "Naestro's daemon ended while it started."
    assert stage.places.log in error["data"]["hint"]
    assert "no anyio here" in stage.log


async def test_an_idle_daemon_ends_by_itself(stage: Stage) -> None:
    stage.settings("[daemon]\nidle_stop_s = 0.3\n")
    editor = await (await stage.editor()).open()
    assert (await editor.ask("echo", 1))["id"] == 1
    await editor.stdin.aclose()
    await stage.gone()
    assert "nobody needed it for 0.3 seconds" in stage.log


async def test_a_daemon_whose_files_changed_makes_room_for_the_next_front_end(stage: Stage) -> None:
    old = await (await stage.editor()).open()
    with (stage.site / "scripted_protocol.py").open("a") as file:
        file.write("# changed\n")
    await until(lambda: _said(stage, _hello(stage))["ok"], WAIT_S)
    new = await (await stage.editor()).open()
    assert new.daemon not in {0, old.daemon}
    assert (await old.ask("echo", 1))["id"] == 1
    assert stage.pid == new.daemon


async def test_a_daemon_whose_files_changed_ends_when_all_is_quiet(stage: Stage) -> None:
    editor = await (await stage.editor()).open()
    (stage.site / "scripted_protocol.py").touch()
    await until(lambda: stage.pid != editor.daemon, WAIT_S)
    assert "its files have changed" in stage.log
    assert (await editor.ask("echo", 1))["id"] == 1


async def test_a_daemon_of_another_version_is_replaced_by_a_first_connection_alone(stage: Stage) -> None:
    await stage.command("daemon", "start")
    pid = stage.pid
    answer = _said(stage, _hello(stage, naestro="9.9"))
    assert answer["error"].startswith(
        f"Naestro was replaced by version {naestro.__version__} in {sys.prefix}"
    )
    assert (answer["replaced"], stage.pid) == (False, pid)
    assert _said(stage, _hello(stage, STATUS, naestro="9.9"))["status"]["pid"] == pid
    assert _said(stage, _hello(stage, prefix="/elsewhere", replace=True))["replaced"] is True
    await stage.gone()


async def test_a_relay_that_a_newer_version_replaced_answers_with_that(stage: Stage) -> None:
    await stage.command("daemon", "start")
    pid = stage.pid
    code = (
        "import naestro; naestro.__version__ = '9.9'\n"
        "from naestro.relay.pump import main\nraise SystemExit(main('acp'))"
    )
    process = await anyio.open_process([sys.executable, "-c", code], env=stage.env, cwd=stage.workspace)
    stage.processes.append(process)
    editor = Editor(process)
    for number in range(2):
        message = (await editor.ask("initialize", number))["error"]["message"]
        assert message.startswith(f"Naestro was replaced by version {naestro.__version__}")
    assert stage.pid not in {0, pid}


async def test_who_says_no_sensible_hello_is_not_let_in(stage: Stage) -> None:
    await stage.command("daemon", "start")
    assert _said(stage, b"GET / HTTP/1.1\n") == {}
    assert _said(stage, b"[]\n") == {}
    answer = _said(stage, _hello(stage, token="0" * 64))
    assert (answer["again"], "token" in answer["error"]) == (True, True)
    assert _said(stage, _hello(stage, "lsp"))["error"] == "Naestro does not speak lsp."
    assert _said(stage, _hello(stage))["ok"] is True


async def test_a_connection_that_ends_before_its_hello_is_no_fault(stage: Stage) -> None:
    await stage.command("daemon", "start")
    for data in (b"", b'{"naestro"'):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(stage.places.relay_socket)
            connection.sendall(data)
    assert _said(stage, _hello(stage))["ok"] is True
    assert "fault" not in stage.log


async def test_the_control_api_answers_on_the_users_socket_and_on_the_guarded_port(stage: Stage) -> None:
    await stage.command("daemon", "start")
    request = {"jsonrpc": "2.0", "id": 1, "method": "daemon.info"}
    transport = httpx2.AsyncHTTPTransport(uds=stage.places.http_socket)
    async with httpx2.AsyncClient(transport=transport, timeout=WAIT_S) as client:
        info = (await client.post("http://naestro/rpc", json=request)).json()["result"]
    assert (info["pid"], info["home"]) == (stage.pid, str(stage.home))
    written = json.loads(Path(stage.places.daemon_file).read_text())
    address = f"http://127.0.0.1:{info['port']}/rpc"
    async with httpx2.AsyncClient(timeout=WAIT_S) as client:
        assert (await client.post(address, json=request)).status_code == 401
        bearer = {"Authorization": f"Bearer {written['token']}"}
        assert (await client.post(address, json=request, headers=bearer)).json()["result"]["pid"] == stage.pid
    os.kill(stage.pid, signal.SIGTERM)
    await stage.gone()


async def test_the_log_holds_no_secret(stage: Stage) -> None:
    editor = await stage.editor(env={"SOME_API_KEY": "a-long-secret-key"})
    await editor.open()
    await editor.send(id=1, method="fault", params={"secret": "a-long-secret-key"})
    assert "error" in await editor.receive()
    token = json.loads(Path(stage.places.daemon_file).read_text())["token"]
    assert "a fault in a connection with [secret]" in stage.log
    assert token not in stage.log


async def test_the_log_is_shown_and_followed(stage: Stage) -> None:
    assert (await stage.command("daemon", "logs"))[1] == "The daemon has written nothing yet.\n"
    following = Editor(await stage.spawn("daemon", "logs", "--follow"))
    await stage.command("daemon", "start")
    assert b"The daemon is ready" in await following.line()
    await stage.command("daemon", "stop")
    shown = (await stage.command("daemon", "logs", "--lines", "1"))[1]
    assert shown.endswith("The daemon has ended.\n")
    assert len(shown.splitlines()) == 1
    assert (await stage.command("daemon", "logs", "--lines", "0"))[1] == ""
    while b"has ended" not in await following.line():
        pass
    Path(stage.places.log).rename(f"{stage.places.log}.1")
    Path(stage.places.log).write_text("a new file\n")
    assert await following.line() == b"a new file"
    following.process.send_signal(signal.SIGINT)
    assert await following.ends() == 0


async def test_a_daemon_that_starts_or_ends_is_told_as_such(stage: Stage) -> None:
    stage.places.make()
    with Path(stage.places.daemon_lock).open("w") as lock:
        lock.write("123456789")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, err = await stage.command("daemon", "status")
        assert (code, "process 123456789, is starting or ending" in err) == (5, True)
    assert (await stage.command("daemon", "start"))[0] == 0


async def test_standalone_serves_in_the_front_ends_process(stage: Stage) -> None:
    editor = Editor(await stage.spawn("acp", "--standalone"))
    answer = await editor.ask("initialize", 0)
    assert answer["result"]["pid"] == editor.process.pid
    assert (await editor.ask("runs", 1))["result"] == []
    second = Editor(await stage.spawn("acp", "--standalone"))
    message = (await second.ask("initialize", 0))["error"]["message"]
    assert "held by `naestro acp --standalone`" in message
    assert stage.pid == 0
    for one in (editor, second):
        await one.stdin.aclose()
    assert (await editor.ends(), await second.ends()) == (0, 1)
    assert await editor.errors() == b""


async def test_standalone_says_which_protocol_does_not_load(stage: Stage) -> None:
    stage.install("acp", module="missing_module")
    editor = Editor(await stage.spawn("acp", "--standalone"))
    message = (await editor.ask("initialize", 0))["error"]["message"]
    assert message == "The protocol acp does not load: ModuleNotFoundError."


async def test_the_help_of_acp_says_what_it_is(stage: Stage) -> None:
    code, out, _ = await stage.command("acp", "--help")
    assert (code, "--standalone" in out) == (0, True)
