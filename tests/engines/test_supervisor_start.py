"""Starting a local server: what is waited for, and why it did not come up, in one sentence each."""

import re
import signal
from pathlib import Path

import anyio
import pytest

from naestro.engines.guard import older
from naestro.engines.start_log import HEADER, TAIL_BYTES, last_start, start_error
from naestro.engines.supervisor import LocalServer, ServerPlan
from naestro.errors import (
    EngineError,
    EngineOutOfMemory,
    EngineStartFailed,
    EngineUnreachable,
    ModelMissing,
)
from tests.support.llama_server import write_program
from tests.support.local import local_server, plan_in
from tests.support.processes import group_is_gone, members, until
from tests.support.unprivileged import unprivileged

pytestmark = pytest.mark.anyio
WAIT_S = 60


async def failure_of(plan: ServerPlan, program: Path | str) -> EngineError:
    """The error that a start raises; nothing of it may be left."""
    async with local_server(plan, str(program)) as server:
        with anyio.fail_after(WAIT_S), pytest.raises(EngineError) as caught:
            async with server.lease():
                pass
        assert server.running is None
        assert server.last_error is caught.value
    assert list(plan.scratch_folder.glob("*")) == []
    return caught.value


async def test_a_server_is_started_for_the_first_lease_and_then_shared(tmp_path: Path) -> None:
    program = write_program(tmp_path, "serving")
    async with local_server(plan_in(tmp_path), str(program)) as server:
        assert server.running is None
        with anyio.fail_after(WAIT_S):
            async with server.lease() as first, server.lease() as second:
                assert first is second is server.running
            async with server.lease() as third:
                assert third is first
        assert len(members(first.pid)) == 2
    await group_is_gone(first.pid, within_s=2)
    assert first.ended.is_set()
    assert not first.slot_folder.exists()


async def test_the_key_stands_on_no_command_line_and_in_no_log(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    async with local_server(plan, str(write_program(tmp_path, "serving"))) as server:
        with anyio.fail_after(WAIT_S):
            async with server.lease() as running:
                commands = [process.command for process in members(running.pid)]
    assert any("--slot-save-path" in command for command in commands)
    assert not any(running.api_key in text for text in [*commands, plan.log.read_text(), repr(running)])
    assert plan.log.stat().st_mode & 0o777 == 0o600
    assert plan.log_folder.stat().st_mode & 0o777 == 0o700


async def test_each_start_has_its_own_key_and_port(tmp_path: Path) -> None:
    program = write_program(tmp_path, "serving")
    seen: set[str] = set()
    for _ in range(2):
        async with local_server(plan_in(tmp_path), str(program)) as server:
            with anyio.fail_after(WAIT_S):
                async with server.lease() as running:
                    seen |= {running.api_key, running.root_url}
    assert len(seen) == 4


async def test_a_server_that_takes_any_key_is_not_taken_for_ours(tmp_path: Path) -> None:
    error = await failure_of(plan_in(tmp_path, start_s=2), write_program(tmp_path, "open to anybody"))
    assert isinstance(error, EngineStartFailed)
    assert error.message.startswith("The engine tiny was not ready within 2 s:")


async def test_a_server_that_loads_for_ever_is_given_up_and_ended(tmp_path: Path) -> None:
    error = await failure_of(plan_in(tmp_path, start_s=1), write_program(tmp_path, "loading for ever"))
    assert isinstance(error, EngineStartFailed)
    assert "was not ready within 1 s" in error.message


@pytest.mark.parametrize(
    ("behaviour", "kind", "cause"),
    [
        ("too large", EngineOutOfMemory, "failed to create_context with model"),
        ("damaged", EngineStartFailed, "the model's file is cut short or damaged"),
        ("puzzled", EngineStartFailed, "llama: the stars are wrong."),
        ("silent", EngineStartFailed, "its process ended with code 5 and said nothing"),
        ("killed", EngineOutOfMemory, "its process was killed, most likely by the system"),
        ("foreign", EngineStartFailed, "it uses an instruction that this processor lacks"),
        ("port taken", EngineStartFailed, "found no free port on this machine"),
    ],
)
async def test_a_failed_start_names_its_cause(
    tmp_path: Path, behaviour: str, kind: type[EngineError], cause: str
) -> None:
    error = await failure_of(plan_in(tmp_path), write_program(tmp_path, behaviour))
    assert type(error) is kind
    assert cause in error.message
    assert error.hint


async def test_another_port_is_tried_when_the_first_is_taken(tmp_path: Path) -> None:
    program = write_program(tmp_path, "port taken once")
    async with local_server(plan_in(tmp_path), str(program)) as server:
        with anyio.fail_after(WAIT_S):
            async with server.lease() as running:
                assert running is server.running
    assert program.with_suffix(".tried").exists()


async def test_a_program_on_the_path_that_cannot_start_gives_way_to_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(tmp_path / "bin", "foreign")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    plan = plan_in(tmp_path)
    error = await failure_of(plan, "auto")
    assert "the model's file" in error.message or "failed to" in error.message
    assert plan.log.read_bytes().count(HEADER) == 2


async def test_a_model_that_is_not_there_is_said_before_anything_starts(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, model=tmp_path / "none.gguf")
    async with local_server(plan, "wheel") as server:
        with pytest.raises(ModelMissing, match=re.escape("none.gguf is not there")):
            async with server.lease():
                pass
    assert not plan.log.exists()


async def test_a_log_folder_that_cannot_be_written_is_told() -> None:
    with unprivileged() as folder:
        plan = plan_in(folder)
        folder.chmod(0o500)
        error = await failure_of(plan, "wheel")
        folder.chmod(0o700)
    assert isinstance(error, EngineStartFailed)
    assert f"cannot be started: Permission denied ({plan.scratch_folder})" in error.message


async def test_a_model_that_may_not_be_read_is_said_before_anything_starts() -> None:
    with unprivileged() as folder:
        plan = plan_in(folder)
        plan.model.chmod(0)
        async with local_server(plan, "wheel") as server:
            with pytest.raises(ModelMissing, match=r"model\.gguf cannot be read: Permission denied"):
                async with server.lease():
                    pass


async def test_those_who_wait_for_one_start_share_its_failure(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    errors: list[EngineError] = []

    async def ask(server: LocalServer) -> None:
        try:
            async with server.lease():
                pass
        except EngineError as error:
            errors.append(error)

    async with local_server(plan, str(write_program(tmp_path, "silent"))) as server:
        with anyio.fail_after(WAIT_S):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(ask, server)
    assert [type(error) for error in errors] == [EngineStartFailed] * 3
    assert len(set(map(id, errors))) == 3
    assert plan.log.read_bytes().count(HEADER) == 1


async def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    async with local_server(plan, str(write_program(tmp_path, "loading for ever"))) as server:
        with anyio.move_on_after(1):
            async with server.lease():
                pass
        assert server.running is None
        assert server.last_error is None
    assert list(plan.scratch_folder.iterdir()) == []


async def test_closing_ends_a_start_under_way(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    async with local_server(plan, str(write_program(tmp_path, "loading for ever"))) as server:
        with anyio.fail_after(WAIT_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_refused, server)
                await until(plan.log.exists, WAIT_S)
                await server.aclose()
        await _refused(server)
    assert list(plan.scratch_folder.iterdir()) == []


async def _refused(server: LocalServer) -> None:
    with pytest.raises(EngineUnreachable, match="tiny is closed"):
        async with server.lease():
            pass


def test_only_the_last_start_of_a_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(HEADER + b"old words\n" + HEADER + b"new words\n")
    assert last_start(log) == "new words\n"
    assert last_start(tmp_path / "none.log") == ""


def test_a_start_whose_log_was_turned_over_is_read_from_both_files(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    older(log).write_bytes(HEADER + b"begun\n")
    log.write_bytes(b"ended\n")
    assert last_start(log) == "begun\nended\n"


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(HEADER + b"first\n" + b"x" * TAIL_BYTES + b"\nlast words\n")
    text = last_start(log)
    assert len(text) == TAIL_BYTES
    assert "last words" in start_error("tiny", log, 1, 5).message


def test_the_cause_is_the_exit_code_where_the_log_is_empty(tmp_path: Path) -> None:
    error = start_error("tiny", tmp_path / "none.log", 128 + signal.SIGTERM, 5)
    assert "its process ended with code 143 and said nothing" in error.message
