"""A local server while it runs: idleness, death, restarts, and that none is ever left."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from naestro.engines import restarts
from naestro.engines.restarts import Restarts
from naestro.engines.start_log import HEADER
from naestro.engines.supervisor import LocalServer, RunningServer
from naestro.errors import EngineError, EngineOutOfMemory, EngineStartFailed, EngineUnreachable
from tests.support.llama_server import write_program
from tests.support.local import local_server, plan_in
from tests.support.processes import children, group_is_gone, members

pytestmark = pytest.mark.anyio
WAIT_S = 60


async def started(server: LocalServer) -> RunningServer:
    """The server, after one lease."""
    with anyio.fail_after(WAIT_S):
        async with server.lease() as running:
            return running


async def test_an_idle_server_ends_and_the_next_lease_starts_another(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, idle_stop_s=0.2)
    async with local_server(plan, str(write_program(tmp_path, "serving"))) as server:
        first = await started(server)
        with anyio.fail_after(WAIT_S):
            await first.ended.wait()
        assert server.running is None
        assert (first.death, server.last_error) == (None, None)
        assert members(first.pid) == []
        second = await started(server)
        assert second.pid != first.pid


async def test_a_server_with_a_request_under_way_is_never_idle(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, idle_stop_s=0.1)
    async with local_server(plan, str(write_program(tmp_path, "serving"))) as server:
        with anyio.fail_after(WAIT_S):
            async with server.lease() as running:
                with anyio.move_on_after(0.5) as waited:
                    await running.ended.wait()
                assert waited.cancelled_caught
                assert server.running is running
            await running.ended.wait()


async def test_each_request_starts_the_wait_for_idleness_anew(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, idle_stop_s=0.5)
    async with local_server(plan, str(write_program(tmp_path, "serving"))) as server:
        first = await started(server)
        for _ in range(4):
            with anyio.move_on_after(0.2):
                await first.ended.wait()
            assert await started(server) is first


async def test_a_server_that_ends_by_itself_is_told_and_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = plan_in(tmp_path)
    async with local_server(plan, str(write_program(tmp_path, "serving"))) as server:
        first = await started(server)
        for child in children(first.pid):
            os.kill(child.pid, signal.SIGTERM)
        with anyio.fail_after(WAIT_S):
            await first.ended.wait()
        death = await server.death_of(first, 0)
        assert isinstance(death, EngineUnreachable)
        assert "tiny ended while it ran: its process ended with code 143" in death.message
        assert death.message in caplog.text
        assert await server.death_of(await started(server), 0) is None
        server.worked()
        assert server.last_error is None


async def test_a_server_that_the_system_killed_most_likely_lacked_memory(tmp_path: Path) -> None:
    async with local_server(plan_in(tmp_path), str(write_program(tmp_path, "serving"))) as server:
        first = await started(server)
        for child in children(first.pid):
            os.kill(child.pid, signal.SIGKILL)
        with anyio.fail_after(WAIT_S):
            await first.ended.wait()
        assert isinstance(await server.death_of(first, 0), EngineOutOfMemory)


async def test_a_server_whose_guard_is_killed_is_gone_too(tmp_path: Path) -> None:
    async with local_server(plan_in(tmp_path), str(write_program(tmp_path, "stubborn"))) as server:
        first = await started(server)
        os.kill(first.pid, signal.SIGKILL)
        with anyio.fail_after(WAIT_S):
            await first.ended.wait()
        await group_is_gone(first.pid, within_s=2)
        assert not first.slot_folder.exists()


async def test_a_guard_that_does_not_end_in_time_is_killed_with_its_server(tmp_path: Path) -> None:
    async with local_server(plan_in(tmp_path), str(write_program(tmp_path, "stubborn"))) as server:
        first = await started(server)
        os.kill(first.pid, signal.SIGSTOP)
        with anyio.fail_after(WAIT_S):
            await server.aclose()
        await group_is_gone(first.pid, within_s=2)


async def test_the_server_ends_with_the_tasks_that_own_it(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    program = str(write_program(tmp_path, "serving"))
    async with local_server(plan, program) as other, anyio.create_task_group() as tasks:
        server = LocalServer(plan, other._choose, tasks)
        first = await started(server)
        tasks.cancel_scope.cancel()
    assert members(first.pid) == []


@pytest.mark.slow
async def test_a_server_that_never_works_is_left_alone_after_some_failures(
    tmp_path: Path,
) -> None:
    plan = plan_in(tmp_path)
    errors: list[EngineError] = []
    async with local_server(plan, str(write_program(tmp_path, "silent"))) as server:
        with anyio.fail_after(WAIT_S):
            while not errors or "left alone" not in errors[-1].message:
                with pytest.raises(EngineStartFailed) as caught:
                    async with server.lease():
                        pass
                errors.append(caught.value)
    assert len(errors) == restarts.FAILURES_MAX + 1
    assert plan.log.read_bytes().count(HEADER) == restarts.FAILURES_MAX
    assert "The last time: The engine tiny did not start" in errors[-1].message


async def test_pauses_grow_and_a_success_ends_them() -> None:
    counted = Restarts("tiny")
    pauses: list[float] = []
    for _ in range(3):
        counted.failed(EngineStartFailed("no."))
        before = anyio.current_time()
        await counted.pause()
        pauses.append(anyio.current_time() - before)
    assert pauses == sorted(pauses)
    assert pauses[2] >= 4 * restarts.FIRST_PAUSE_S * 0.9
    counted.succeeded()
    assert counted.repeated() is None
    with anyio.fail_after(0.1):
        await counted.pause()


def test_the_log_has_a_plain_name_whatever_the_engine_is_called(tmp_path: Path) -> None:
    plan = replace(plan_in(tmp_path), name="../up and: away")
    assert plan.log == plan.log_folder / "engine-.._up_and__away.log"
