"""One local model server as a supervised child process: started when wanted, watched, ended when idle or left.

`embedded` above leases it for each request; below stand `llama_server` (which program), `guard` (the process that
ends the server with its holder), `start_log` (why a start failed). A server belongs to the process that made it and
is never used by another: each start has a new key and a new port, and is waited for with that key. It knows HTTP only
as far as readiness goes, and nothing of chats.
"""

import logging
import math
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
import anyio.to_thread
from anyio.abc import Process, TaskGroup

from naestro.config import environment_for_child
from naestro.engines.guard import open_log
from naestro.engines.llama_parameters import Parameters
from naestro.engines.llama_server import Program, order_for
from naestro.engines.readiness import wait_until_ready
from naestro.engines.restarts import Restarts
from naestro.engines.start_log import HEADER, death_error, is_port_taken, start_error
from naestro.errors import EngineError, EngineStartFailed, EngineUnreachable, ModelMissing

PORT_TRIES = 3
"""Another program may take the port between the choice and the server's own claim to it."""
SPAWN_HINT = "Free space or memory, or mend the permissions of that folder."
END_S = 2.0
"""How long a guard may take to end its server when asked; then both are killed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """A server that could run."""

    name: str
    """The engine's name; names its log."""
    model: Path
    """The GGUF file."""
    slots: int
    context_tokens: int
    """For each slot."""
    threads: int
    start_s: float
    """Seconds that loading may take."""
    idle_stop_s: float
    """Seconds without a request after which it is ended; 0: never."""
    log_folder: Path
    scratch_folder: Path
    """Where the server's own folder is made, for its owner alone; states of slots lie in it while it runs."""

    @property
    def log(self) -> Path:
        """The file that gets what the server writes."""
        safe = "".join(letter if letter.isalnum() or letter in ".-_" else "_" for letter in self.name)
        return self.log_folder / f"engine-{safe}.log"

    def model_problem(self) -> str | None:
        """Why the model's file cannot be used, in one sentence; None where it can be read."""
        try:
            self.model.open("rb").close()
        except FileNotFoundError:
            return f"The model file {self.model} is not there."
        except OSError as error:
            return f"The model file {self.model} cannot be read: {error.strerror}."
        return None


@dataclass(slots=True, eq=False)
class RunningServer:
    """A server that is ready; a new one at each start."""

    root_url: str
    """Scheme, host and port."""
    api_key: str = field(repr=False)
    process: Process = field(repr=False)
    slot_folder: Path
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope, repr=False)
    """Cancelling it ends the server."""
    ended: anyio.Event = field(default_factory=anyio.Event, repr=False)
    """Set when its process is gone, whatever the reason."""
    death: EngineError | None = None
    """Why it ended, where nobody asked for that."""

    @property
    def pid(self) -> int:
        """Of the guard; the server is its child."""
        return self.process.pid


class LocalServer:
    """A server that is started for the first lease, and ended when idle or by `aclose`.

    `tasks` owns the task that watches it; when that group is cancelled, the server ends too.
    """

    def __init__(self, plan: ServerPlan, choose: Callable[[], Awaitable[Program]], tasks: TaskGroup) -> None:
        self.plan = plan
        self._choose = choose
        self._tasks = tasks
        self._restarts = Restarts(plan.name)
        self._lock = anyio.Lock()
        self._running: RunningServer | None = None
        self._starting = anyio.CancelScope()
        self._is_closed = False
        self._leases = 0
        self._used_at = 0.0
        """When the last lease ended, on anyio's clock."""

    @property
    def running(self) -> RunningServer | None:
        """The server that is ready now, or None."""
        return self._running

    @property
    def last_error(self) -> EngineError | None:
        """Why it is not running, where it failed."""
        return self._restarts.last_error

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[RunningServer]:
        """A ready server for one request, started if need be; it is not ended for idleness meanwhile.

        Raises:
            EngineStartFailed: It did not come up, or did so too often of late; the cause is in the message.
            EngineOutOfMemory: There is not enough memory for it.
            EngineUnreachable: It was closed.
            ModelMissing: The model's file is not there.
        """
        self._leases += 1
        try:
            yield await self._ready()
        finally:
            self._leases -= 1
            self._used_at = anyio.current_time()

    def worked(self) -> None:
        """A request was answered: earlier failures are forgotten."""
        self._restarts.succeeded()

    async def death_of(self, server: RunningServer, within_s: float) -> EngineError | None:
        """Why `server` ended, if it has or does so within that time."""
        with anyio.move_on_after(within_s):
            await server.ended.wait()
        death = server.death
        return type(death)(death.message, hint=death.hint) if death else None

    async def aclose(self) -> None:
        """End the server for good; no process of it is left. From any task."""
        self._is_closed = True
        self._starting.cancel()
        async with self._lock:
            await self._stop()

    async def _ready(self) -> RunningServer:
        """The running server; those who ask while it starts wait for that start, and share its failure."""
        known_failures = self._restarts.total
        async with self._lock:
            if self._running is not None:
                return self._running
            if self._restarts.total != known_failures and (error := self._restarts.repeated()):
                raise error
            await self._restarts.pause()
            try:
                server = await self._start_unless_closed()
            except EngineError as error:
                self._restarts.failed(error)
                raise
            self._running = server
            self._tasks.start_soon(self._tend, server)
            return server

    async def _start_unless_closed(self) -> RunningServer:
        with anyio.CancelScope() as self._starting:
            if not self._is_closed:
                return await self._start()
        raise self._closed()

    def _closed(self) -> EngineError:
        return EngineUnreachable(f"The engine {self.plan.name} is closed.", hint="Start Naestro again.")

    async def _start(self) -> RunningServer:
        if problem := self.plan.model_problem():
            raise ModelMissing(problem)
        program = await self._choose()
        try:
            return await self._launch_somewhere(program)
        except EngineStartFailed as error:
            if program.fallback is None:
                raise
            log.warning("%s The wheel is used instead of %s.", error.message, program.path)
            return await self._launch_somewhere(program.fallback)

    async def _launch_somewhere(self, program: Program) -> RunningServer:
        for _ in range(PORT_TRIES):
            if server := await self._launch(program):
                return server
        raise EngineStartFailed(f"The engine {self.plan.name} found no free port on this machine.")

    async def _launch(self, program: Program) -> RunningServer | None:
        """Start the process and wait until it answers; None where its port was taken. On failure none is left."""
        plan = self.plan
        parameters, server = await self._spawn()
        try:
            await _tell(server.process, order_for(program, parameters, plan.log).encode())
            if await wait_until_ready(server.root_url, server.api_key, server.process, plan.start_s):
                return server
            code = server.process.returncode
        except BaseException:
            await _end(server)
            raise
        await _end(server)
        if is_port_taken(plan.log):
            return None
        raise start_error(plan.name, plan.log, code, plan.start_s)

    async def _spawn(self) -> tuple[Parameters, RunningServer]:
        """A guard that waits for its order, and what the order is to say; raises `EngineStartFailed`."""
        plan = self.plan
        with ExitStack() as always, ExitStack() as undo:
            try:
                scratch = _scratch(plan)
                undo.callback(shutil.rmtree, scratch, ignore_errors=True)
                descriptor = _opened_log(plan)
                always.callback(os.close, descriptor)
                parameters = _parameters(plan, scratch)
                process = await _start_guard(descriptor)
            except OSError as error:
                what = f"{error.strerror} ({error.filename})" if error.filename else error.strerror
                raise EngineStartFailed(
                    f"The engine {plan.name} cannot be started: {what}.", hint=SPAWN_HINT
                ) from error
            undo.pop_all()
        root_url = f"http://127.0.0.1:{parameters.port}"
        return parameters, RunningServer(root_url, parameters.api_key, process, scratch)

    async def _tend(self, server: RunningServer) -> None:
        """Be with `server` until it ends, is idle too long or is to end; whatever comes, no process is left."""
        try:
            with server.scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._await_idleness, tasks.cancel_scope)
                    await server.process.wait()
                    self._note_death(server)
                    tasks.cancel_scope.cancel()
        finally:
            if self._running is server:
                self._running = None
            await _end(server)
            server.ended.set()

    def _note_death(self, server: RunningServer) -> None:
        """It ended, and nobody asked for that."""
        error = death_error(self.plan.name, self.plan.log, server.process.returncode)
        server.death = error
        self._restarts.failed(error)
        log.warning("%s", error.message)

    async def _await_idleness(self, server_scope: anyio.CancelScope) -> None:
        """Cancel `server_scope` when no request came for `idle_stop_s`; never with one under way."""
        while (rest_s := self._until_idle_s()) > 0:  # noqa: ASYNC110 - it sleeps as long as is left
            await anyio.sleep(rest_s)
        log.info("The engine %s is idle and ends.", self.plan.name)
        self._running = None
        server_scope.cancel()

    def _until_idle_s(self) -> float:
        """Seconds until it counts as idle, if nothing happens; 0 or less when it does."""
        idle_stop_s = self.plan.idle_stop_s or math.inf
        return idle_stop_s if self._leases else self._used_at + idle_stop_s - anyio.current_time()

    async def _stop(self) -> None:
        server, self._running = self._running, None
        if server is not None:
            server.scope.cancel()
            with anyio.CancelScope(shield=True):
                await server.ended.wait()


def _scratch(plan: ServerPlan) -> Path:
    """A new folder for one start; raises `OSError`."""
    plan.scratch_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="slots-", dir=plan.scratch_folder))


def _opened_log(plan: ServerPlan) -> int:
    """The log, open to append, with this start's header; raises `OSError`."""
    plan.log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = open_log(plan.log)
    os.write(descriptor, HEADER)
    return descriptor


def _parameters(plan: ServerPlan, scratch: Path) -> Parameters:
    """What this start of the server is told; port and key are new."""
    return Parameters(
        model=str(plan.model),
        port=_free_port(),
        api_key=secrets.token_hex(32),
        slots=plan.slots,
        context_tokens=plan.context_tokens,
        threads=plan.threads,
        # llama.cpp puts a file's name directly after it.
        slot_folder=f"{scratch}/",
    )


async def _start_guard(log_descriptor: int) -> Process:
    """The guard's process; raises `OSError`."""
    process: Process | None = None
    # Shielded: a start that is cancelled halfway would leave a process that nobody knows.
    with anyio.CancelScope(shield=True):
        process = await anyio.open_process(
            [sys.executable, "-m", "naestro.engines.guard"],
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=log_descriptor,
            env=environment_for_child(),
            start_new_session=True,
        )
    assert process is not None
    return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _tell(process: Process, order: bytes) -> None:
    assert process.stdin is not None
    # A guard that ended already has said why in the log.
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.send(order)


async def _end(server: RunningServer) -> None:
    """End the process: by the end of its input, and where that does not help in time, by killing its group."""
    process = server.process
    with anyio.CancelScope(shield=True):
        assert process.stdin is not None
        with suppress(anyio.BrokenResourceError):
            await process.stdin.aclose()
        with anyio.move_on_after(END_S):
            await process.wait()
        if process.returncode is None or process.returncode < 0:
            # The guard did not end by itself, so its server may be left; both are alone in their group.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()
        await anyio.to_thread.run_sync(lambda: shutil.rmtree(server.slot_folder, ignore_errors=True))
