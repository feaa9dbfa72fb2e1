"""The client over HTTP: the same answers, errors and events as the client in the process, over lost daemons too."""

import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream, TaskGroup, TaskStatus

from naestro.client.api import Client
from naestro.client.http import HttpClient, open_http_client
from naestro.client.local import LocalClient
from naestro.errors import (
    DaemonRefused,
    DaemonStartFailed,
    DaemonUnreachable,
    InputError,
    NaestroError,
    NotInJournal,
    RunStateError,
)
from naestro.types import Event, InterruptOpened, RunFinished, RunStatus
from tests.client.stage import WAIT_S, Flows, Gate, asking, behind, client_in, command, watched
from tests.daemon.web import served

pytestmark = pytest.mark.anyio


class Daemon:
    """A daemon that can be lost; it listens at the same path when it comes again."""

    def __init__(self, folder: Path, flows: Flows, tasks: TaskGroup) -> None:
        self.flows = flows
        self.reached = 0
        self.comes_again = True
        """Whether reaching it waits until it lives, as the start of a daemon does."""
        self._lives = threading.Event()
        self.folder = folder / "s"
        self._home = folder / "journal"
        self._tasks = tasks
        self._ends = anyio.Event()
        self._ended = anyio.Event()

    async def begin(self) -> LocalClient:
        self._ends, self._ended = anyio.Event(), anyio.Event()
        return await self._tasks.start(self._live)

    async def end(self) -> None:
        self._ends.set()
        await self._ended.wait()

    async def _live(self, task_status: TaskStatus[LocalClient]) -> None:
        """One life, in a task of its own, as a process would be."""
        self.folder.mkdir()
        async with client_in(self._home, self.flows) as core, served(core, self.folder):
            self._lives.set()
            task_status.started(core)
            await self._ends.wait()
            self._lives.clear()
        shutil.rmtree(self.folder)
        self._ended.set()

    def reach(self) -> str:
        self.reached += 1
        if self.comes_again:
            assert self._lives.wait(WAIT_S)
        return str(self.folder / "http.sock")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def daemon(tmp_path: Path, flows: Flows, gate: Gate) -> AsyncIterator[Daemon]:
    flows.by_text |= {"behind": behind(gate), "asking": asking}
    async with anyio.create_task_group() as tasks:
        yield Daemon(tmp_path, flows, tasks)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def opened(daemon: Daemon) -> AsyncIterator[tuple[LocalClient, HttpClient]]:
    core = await daemon.begin()
    try:
        async with open_http_client(daemon.reach, lambda workspace: {}) as client:
            yield core, client
    finally:
        await daemon.end()


async def test_it_gives_what_the_client_in_the_process_gives(daemon: Daemon, tmp_path: Path) -> None:
    async with opened(daemon) as (core, client):
        as_client: Client = client
        run = await as_client.start(command("short"))
        shown = [item for item in await watched(client, run) if isinstance(item, Event)]
        assert shown == await core.history(run) == await client.history(run)
        assert await client.get(run[:20]) == await core.get(run)
        assert await client.runs(limit=1, workspace="/w") == await core.runs(limit=1)
        assert await client.history(run, 3) == shown[3:]
        finished = shown[-1].data
        assert isinstance(finished, RunFinished)
        assert await client.artifact(finished.result) == await core.artifact(finished.result)
        assert await client.engines("/w") == await core.engines("/w")
        assert await client.machine.models() == await core.machine.models()
        assert await client.machine.settings(str(tmp_path)) == await core.machine.settings(str(tmp_path))
        assert await client.patch(run, "one", "output", '"bye"', by="test") == 2
        assert await client.rerun(run, "two", by="test") == 3
        new = await client.fork(run)
        assert await client.compare(run, new) == await core.compare(run, new)
        assert (await client.get(await client.replay(run))).command == "explain"
        assert (await client.prune(keep_days=1, max_size_bytes=None, dry_run=True)).runs == []


async def test_a_run_is_parked_resumed_cancelled_and_answered(daemon: Daemon, gate: Gate) -> None:
    async with opened(daemon) as (core, client):
        run = await client.start(command("behind"))
        await gate.came.wait()
        await client.park(run)
        assert (await client.get(run)).status is RunStatus.STOPPED
        gate.came = anyio.Event()
        assert await client.resume(run) == run
        await gate.came.wait()
        await client.cancel(run, "enough")
        assert (await client.get(run)).status is RunStatus.CANCELLED

        run = await client.start(command("asking"))
        async with client.events(run) as items:
            async for item in items:
                if isinstance(item, Event) and isinstance(item.data, InterruptOpened):
                    await client.respond(run, item.data.interrupt, "left", by="test")
        assert (await core.get(run)).status is RunStatus.FINISHED


async def test_errors_come_back_as_the_same_classes(daemon: Daemon) -> None:
    async with opened(daemon) as (_, client):
        run = await client.start(command("short"))
        await watched(client, run)
        with pytest.raises(RunStateError, match="has finished") as refused:
            await client.resume(run)
        assert "naestro rerun" in refused.value.hint
        with pytest.raises(NotInJournal, match="No run 'zz'"):
            await client.get("zz")
        with pytest.raises(NotInJournal, match="No run 'zz'"):
            await watched(client, "zz")
        with pytest.raises(InputError, match=r"params of runs\.list are wrong"):
            await client.runs(limit=-1)
        with pytest.raises(RunStateError):
            await client.undo(run, by="test")


async def test_what_belongs_inside_the_daemon_is_refused_with_what_to_do(daemon: Daemon) -> None:
    async with opened(daemon) as (_, client):
        with pytest.raises(DaemonRefused, match="Documents"):
            _ = client.documents
        with pytest.raises(DaemonRefused, match="Fetching smollm2"):
            client.machine.pull("smollm2")
        with pytest.raises(DaemonRefused, match="servers"):
            await client.machine.servers()


async def test_a_daemon_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    def reach() -> str:
        raise DaemonStartFailed("It does not start.")

    with pytest.raises(DaemonStartFailed, match="does not start"):
        async with open_http_client(reach, lambda workspace: {}):
            pass


async def test_a_daemon_that_ended_in_between_is_started_again_for_the_next_call(daemon: Daemon) -> None:
    async with opened(daemon) as (_, client):
        run = await client.start(command("short"))
        await watched(client, run)
        await daemon.end()
        await daemon.begin()
        assert (await client.get(run)).status is RunStatus.FINISHED
        await daemon.end()
        daemon.comes_again = False
        with pytest.raises(DaemonUnreachable, match=r"asked for runs\.get"):
            await client.get(run)
        assert daemon.reached >= 2
        await daemon.begin()


async def test_a_follower_goes_on_where_it_was_when_the_daemon_is_lost_and_comes_again(
    daemon: Daemon, gate: Gate
) -> None:
    async with opened(daemon) as (_, client):
        run = await client.start(command("behind"))
        seen: list[int] = []
        losing = anyio.Event()

        async def lose() -> None:
            await losing.wait()
            await daemon.end()
            gate.came = anyio.Event()
            await daemon.begin()
            await gate.came.wait()
            gate.goes.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lose)
            async with client.events(run) as items:
                async for item in items:
                    seen += [item.seq] if isinstance(item, Event) else []
                    if gate.came.is_set():
                        losing.set()
        assert seen == [event.seq for event in await client.history(run)]


async def test_an_answer_that_makes_no_sense_is_said_to_be_one(tmp_path: Path) -> None:
    path = str(tmp_path / "odd.sock")

    async def answer(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with await anyio.create_unix_listener(path) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        async with open_http_client(lambda: path, lambda workspace: {}) as client:
            with pytest.raises(NaestroError, match="makes no sense"):
                await client.get("last")
        tasks.cancel_scope.cancel()


async def test_work_is_not_asked_for_twice_when_the_daemon_is_lost_meanwhile(tmp_path: Path) -> None:
    path = str(tmp_path / "dying.sock")
    asked: list[bytes] = []

    async def die(stream: SocketStream) -> None:
        async with stream:
            asked.append(await stream.receive())

    async with await anyio.create_unix_listener(path) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, die)
        async with open_http_client(lambda: path, lambda workspace: {}) as client:
            with pytest.raises(DaemonUnreachable, match=r"asked for runs\.start"):
                await client.start(command("short"))
            assert len(asked) == 1
            with pytest.raises(DaemonUnreachable):
                await watched(client, "last")
        tasks.cancel_scope.cancel()
