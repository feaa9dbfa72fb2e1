"""The embedded engine: a model of this machine, run by llama.cpp in a child process that starts with the first chat.

The council above uses it as an `Engine`. Below stand `supervisor` (the process), `openai` (the wire), `slots` and
`prefixes` (what the server's cache serves). It ends with whoever holds it, and is never another process's. It knows
no catalogue: it is given a file.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
from anyio.abc import TaskGroup

from naestro.config import EmbeddedSettings, TimeoutSettings, cache
from naestro.engines import cpu
from naestro.engines.engine import (
    ChatRequest,
    ChatStream,
    Completion,
    EngineInfo,
    EngineMetrics,
    Health,
)
from naestro.engines.llama_server import choose_program
from naestro.engines.openai import OpenAIEngine, OpenAISettings
from naestro.engines.prefixes import LlamaSlotFiles, Prefixes, shared_prefix
from naestro.engines.slots import Messages, Slot, Slots
from naestro.engines.supervisor import LocalServer, RunningServer, ServerPlan
from naestro.errors import EngineMalformed, EngineUnreachable
from naestro.types import Usage

DEATH_S = 1.0
"""How long to wait, after a broken answer, for the news that the process ended: the connection breaks first."""
NOT_STARTED = "not started; the first request starts it"


@dataclass(frozen=True, slots=True)
class Home:
    """Where local engines keep their logs, and who owns their tasks."""

    logs: Path
    tasks: TaskGroup
    """When it is cancelled, the engines end."""


@dataclass(frozen=True, slots=True)
class _Session:
    """What belongs to one start of the server."""

    server: RunningServer
    wire: OpenAIEngine
    slots: Slots
    prefixes: Prefixes


class EmbeddedEngine:
    """The `Engine` of one model file; `aclose`, from any task, ends its process."""

    def __init__(self, info: EngineInfo, server: LocalServer, timeouts: TimeoutSettings) -> None:
        self._info = info
        self._server = server
        self._timeouts = timeouts
        self._session: _Session | None = None

    @property
    def info(self) -> EngineInfo:
        """What is known without starting it."""
        return self._info

    @property
    def server(self) -> LocalServer:
        """Its process, for tests and the doctor."""
        return self._server

    @asynccontextmanager
    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatStream]:
        """Open a chat completion; the process is started for it where none runs.

        Where the last two messages are the user's, those before the last are taken for a prefix that other requests
        share: it is read once for all slots (see `prefixes`).
        """
        async with self._server.lease() as server:
            session = await self._session_of(server)
            try:
                async with session.slots.take(request.messages) as slot:
                    # Tools stand in the system prompt, before everything that others share.
                    prefix = () if request.tools else shared_prefix(request.messages)
                    read = await session.prefixes.bring(prefix, slot)
                    async with session.wire.chat(request, {"id_slot": slot.id}) as stream:
                        yield _Stream(stream, read or Usage())
            except (EngineUnreachable, EngineMalformed) as error:
                death = await self._server.death_of(server, DEATH_S)
                raise death or error from error
            self._server.worked()

    async def health(self) -> Health:
        """Whether it can answer; does not start it."""
        running = self._server.running
        if running is not None:
            return await (await self._session_of(running)).wire.health()
        if problem := self._server.plan.model_problem():
            return Health(is_ready=False, detail=problem)
        error = self._server.last_error
        return Health(is_ready=error is None, detail=error.message if error else NOT_STARTED)

    async def metrics(self) -> EngineMetrics:
        """Its load; all None while it does not run."""
        running = self._server.running
        return await (await self._session_of(running)).wire.metrics() if running else EngineMetrics()

    async def aclose(self) -> None:
        """End the process for good."""
        await self._server.aclose()
        await self._drop_session()

    async def _session_of(self, server: RunningServer) -> _Session:
        """The connections and the cache's state for this start of the server."""
        session = self._session
        if session is None or session.server is not server:
            await self._drop_session()
            session = self._session = self._new_session(server)
        return session

    async def _drop_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.wire.aclose()

    def _new_session(self, server: RunningServer) -> _Session:
        settings = OpenAISettings(
            base_url=f"{server.root_url}/v1",
            api_key=server.api_key,
            connect_s=self._timeouts.connect_s,
            first_token_s=self._timeouts.first_token_s,
            total_s=self._timeouts.total_s,
            # A process of our own does not come back at the same address.
            retries=0,
            flavour="llama.cpp",
        )
        wire = OpenAIEngine(self._info, settings)
        files = LlamaSlotFiles(server.root_url, server.api_key, server.slot_folder)
        prefixes = Prefixes(files, partial(_read_prefix, wire))
        return _Session(server, wire, Slots(self._server.plan.slots), prefixes)


async def _read_prefix(wire: OpenAIEngine, prefix: Messages, slot: Slot) -> Usage:
    """Have the prefix read in `slot`: a request for one token, which is thrown away."""
    request = ChatRequest(messages=list(prefix), max_tokens=1)
    async with wire.chat(request, {"id_slot": slot.id}) as stream:
        async for _ in stream:
            pass
        return stream.completion().usage


class _Stream:
    """A chat under way whose usage counts as read what was read just before for it."""

    def __init__(self, stream: ChatStream, read: Usage) -> None:
        self._stream = stream
        self._read_tokens = read.prompt_tokens - read.cached_tokens

    def __aiter__(self) -> AsyncIterator[str]:
        """The pieces of text."""
        return aiter(self._stream)

    def completion(self) -> Completion:
        """What came back, whole."""
        completion = self._stream.completion()
        usage = completion.usage
        cached_tokens = max(0, usage.cached_tokens - self._read_tokens)
        usage = msgspec.structs.replace(usage, cached_tokens=cached_tokens)
        return msgspec.structs.replace(completion, usage=usage)


def embedded_engine(
    info: EngineInfo, model: Path, settings: EmbeddedSettings, timeouts: TimeoutSettings, home: Home
) -> EmbeddedEngine:
    """The engine for the GGUF file `model`; nothing is started.

    `settings` are the engine's own: its slots and context are taken from here, so `info.context_tokens` is set to it.
    """
    info = replace(info, context_tokens=settings.context_tokens, is_local=True)
    plan = ServerPlan(
        name=info.name,
        model=model,
        slots=settings.slots,
        context_tokens=settings.context_tokens,
        threads=settings.threads or default_threads(),
        start_s=settings.start_s,
        idle_stop_s=settings.idle_stop_s,
        log_folder=home.logs,
        scratch_folder=cache() / "slots",
    )
    server = LocalServer(plan, partial(choose_program, settings.llama_server), home.tasks)
    return EmbeddedEngine(info, server, timeouts)


def default_threads() -> int:
    """The cores that this process may use, less one: with all of them a busy machine fell to 1.3 tokens a second."""
    return max(1, cpu.usable_cores() - 1)
