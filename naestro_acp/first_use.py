"""The first prompt on a machine where no engine can answer: offer what can, fetch it before the person's eyes, go on.

`turn` above asks here before it starts a run; below is the client's `machine`. Nothing is fetched without a yes. A
server that was found on loopback becomes the session's engine, which `settings_of` turns into settings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
import msgspec
from acp.helpers import start_tool_call, text_block, tool_content, update_tool_call
from acp.schema import PermissionOption, ToolCallUpdate

from naestro.client.api import Client, FoundServer, ModelStatus
from naestro.errors import NaestroError, NoEngine
from naestro.types import Json
from naestro_acp.options import ROLES, overrides
from naestro_acp.outlet import Outlet
from naestro_acp.permissions import request
from naestro_acp.sessions import Session, Sessions
from naestro_acp.words import size

ENGINE = "found"
"""The name of a found server's engine in the settings of a run."""
SERVERS_MAX = 4
MODELS_MAX = 6
"""Choices that are offered: more would not be read."""
PROGRESS_S = 0.5
"""Seconds between two signs of a download's progress."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that could answer, as a choice."""

    id: str
    words: str
    model: str = ""
    """The model of the catalogue to fetch; empty for a server."""
    engine: str = ""
    """The server and its model, as the session keeps them."""


@dataclass(slots=True)
class FirstUse:
    """Sees to it that an engine can answer."""

    client: Client
    sessions: Sessions
    contexts: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    """By workspace where one could answer a while ago: the tokens of each engine's context."""

    async def ensure(self, outlet: Outlet, session: Session) -> Session | None:
        """The session to go on with, or None where the person does not want any of what is offered.

        Raises `NoEngine` where there is nothing to offer, what a pull raises, and one of `GONE`.
        """
        if session.workspace in self.contexts or is_found(session):
            return session
        silent = await self._silent(session)
        if silent is None:
            return session
        offers = [*await self._offers()]
        if not offers:
            raise NoEngine("No engine can answer, and nothing was found that could.")
        await outlet.say(
            "No engine on this machine can answer yet. One of these could:\n\n" + _listed(offers)
        )
        picked = await _pick(outlet, offers)
        if picked is None:
            await outlet.say("Nothing was fetched. " + NoEngine.default_hint)
            return None
        if picked.model:
            await self._pull(outlet, picked.model)
            await self._silent(session)
            return session
        return await self.sessions.change(session.id, lambda now: _with_engine(now, picked.engine))

    async def _silent(self, session: Session) -> str | None:
        """Why no engine can answer, as far as there are any; None where one can."""
        engines = await self.client.engines(session.workspace)
        if any(engine.is_ready for engine in engines):
            self.contexts[session.workspace] = {engine.name: engine.context_tokens for engine in engines}
            return None
        return " ".join(f"{engine.name}: {engine.detail.rstrip('.')}." for engine in engines)

    async def _offers(self) -> Iterator[Offer]:
        servers = await self.client.machine.servers()
        return _offers(servers, await self.client.machine.models())

    async def _pull(self, outlet: Outlet, name: str) -> None:
        """Fetch a model, shown as a tool call with its progress."""
        call = f"pull/{name}"
        await outlet.send(start_tool_call(call, f"Fetch {name}", kind="fetch", status="in_progress"))
        try:
            await self._follow_pull(outlet, call, name)
        except NaestroError as error:
            await outlet.send(update_tool_call(call, status="failed", raw_output={"message": error.message}))
            raise
        await outlet.send(update_tool_call(call, title=f"Fetched {name}", status="completed"))

    async def _follow_pull(self, outlet: Outlet, call: str, name: str) -> None:
        told_s = 0.0
        async with self.client.machine.pull(name) as steps:
            async for step in steps:
                if anyio.current_time() - told_s < PROGRESS_S:
                    continue
                told_s = anyio.current_time()
                percent = 100 * step.done_bytes // max(1, step.total_bytes)
                text = f"{size(step.done_bytes)} of {size(step.total_bytes)} ({percent} %) {step.detail}".rstrip()
                await outlet.send(
                    update_tool_call(
                        call, title=f"Fetch {name}: {percent} %", content=[tool_content(text_block(text))]
                    )
                )


def is_found(session: Session) -> bool:
    """Whether the session's engine is a server that was found on loopback."""
    return "://" in session.options.get("engines", "")


def settings_of(session: Session) -> dict[str, Json]:
    """The settings that the session's choices make, nested like `naestro.toml`."""
    if not is_found(session):
        return overrides(session)
    base_url, _, model = session.options["engines"].partition(" ")
    others = {name: value for name, value in session.options.items() if name != "engines"}
    return overrides(msgspec.structs.replace(session, options=others)) | {
        "engines": {ENGINE: {"kind": "openai", "base_url": base_url, "model": model}},
        "roles": {role: {"engines": [ENGINE]} for role in ROLES},
    }


def _offers(servers: list[FoundServer], models: list[ModelStatus]) -> Iterator[Offer]:
    for server in servers[:SERVERS_MAX]:
        for model in server.models[:1]:
            words = f"Use {server.kind} at {server.base_url} with {model}"
            yield Offer(f"server:{server.base_url}", words, engine=f"{server.base_url} {model}")
    wanted = [model for model in models if model.is_recommended and not model.is_installed]
    for model in wanted[:MODELS_MAX]:
        words = f"Fetch {model.name}: {size(model.size_bytes)}, licence {model.licence}, {model.source}"
        yield Offer(f"model:{model.name}", words, model=model.name)


def _listed(offers: list[Offer]) -> str:
    return "\n".join(f"- {offer.words}" for offer in offers)


async def _pick(outlet: Outlet, offers: list[Offer]) -> Offer | None:
    options = [PermissionOption(option_id=offer.id, name=offer.words, kind="allow_once") for offer in offers]
    options.append(PermissionOption(option_id="none", name="Not now", kind="reject_once"))
    tool_call = ToolCallUpdate(
        tool_call_id=f"first-use/{outlet.session_id}",
        title="Pick what answers",
        kind="fetch",
        status="pending",
        content=[tool_content(text_block(_listed(offers)))],
    )
    reply = await request(outlet, tool_call, options)
    return next((offer for offer in offers if offer.id == reply.answer), None)


def _with_engine(session: Session, engine: str) -> Session:
    return msgspec.structs.replace(session, options=session.options | {"engines": engine})
