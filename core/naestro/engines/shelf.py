"""The engines of a process: made from settings when they are first asked for, shared by all runs, ended together.

The composition root above opens one and asks it for the engines of each run's settings; two runs whose settings say
the same of an engine, and whose callers have the same key for it, share it. Isolation mode is held here: an engine
that is not on this machine is not made at all.
"""

import hashlib
from types import TracebackType
from typing import Self

import anyio
from pydantic import SecretStr

from naestro.config import EngineSettings, Settings, api_key
from naestro.engines.addresses import is_loopback
from naestro.engines.catalogue import engine_settings
from naestro.engines.embedded import EmbeddedEngine, Home, embedded_engine
from naestro.engines.engine import Engine, EngineInfo
from naestro.engines.fetch import installed, path_of
from naestro.engines.openai import OpenAIEngine, OpenAISettings
from naestro.errors import IsolationError

DEFAULT_CONTEXT_TOKENS = 8192
"""Assumed of a server whose context nobody told; small enough for every current model."""
CLOSE_S = 10.0
"""How long engines may take to end when the process does."""


class Shelf:
    """Engines by what the settings say of them. An async context manager: leaving ends them all."""

    def __init__(self, home: Home) -> None:
        """Local servers keep their logs in `home`, and their tasks in its task group."""
        self._home = home
        self._made: dict[str, OpenAIEngine | EmbeddedEngine] = {}

    async def __aenter__(self) -> Self:
        """The shelf, empty."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End every engine, side by side, also when the process is being ended."""
        with anyio.move_on_after(CLOSE_S, shield=True):
            async with anyio.create_task_group() as tasks:
                for engine in self._made.values():
                    tasks.start_soon(engine.aclose)

    def engines(self, settings: Settings) -> list[Engine]:
        """The engines that `settings` allow, in their order.

        Raises:
            IsolationError: A role names an engine that isolation mode forbids.
            ModelUnknown: A local model is not in the catalogue.
            ModelMissing: Its file is not on this machine.
            ConfigError: The variable that should hold an engine's key is not set.
        """
        named = engine_settings(settings, installed())
        allowed = {name: one for name, one in named.items() if not settings.isolated or _is_here(one)}
        _check_roles(settings, forbidden=named.keys() - allowed.keys())
        return [self._engine(name, one, settings) for name, one in allowed.items()]

    def _engine(self, name: str, one: EngineSettings, settings: Settings) -> Engine:
        secret = api_key(one) if one.kind == "openai" else None
        # Callers have keys of their own: none is used for another, nor kept here in the clear a second time.
        owner = hashlib.sha256(secret.get_secret_value().encode()).hexdigest() if secret is not None else ""
        embedded = settings.embedded if one.kind == "embedded" else None
        key = repr((name, one, embedded, settings.timeouts, owner))
        if key not in self._made:
            self._made[key] = (
                self._embedded(name, one, settings)
                if one.kind == "embedded"
                else self._remote(name, one, settings, secret)
            )
        return self._made[key]

    def _remote(
        self, name: str, one: EngineSettings, settings: Settings, key: SecretStr | None
    ) -> OpenAIEngine:
        info = EngineInfo(
            name, one.model or name, one.context_tokens or DEFAULT_CONTEXT_TOKENS, is_local=False
        )
        assert one.base_url is not None
        return OpenAIEngine(
            info,
            OpenAISettings(
                base_url=one.base_url,
                api_key=key.get_secret_value() if key is not None else "",
                connect_s=settings.timeouts.connect_s,
                first_token_s=settings.timeouts.first_token_s,
                total_s=settings.timeouts.total_s,
                retries=one.retries,
                flavour=one.flavour,
            ),
        )

    def _embedded(self, name: str, one: EngineSettings, settings: Settings) -> EmbeddedEngine:
        model = one.model or name
        context_tokens = one.context_tokens or settings.embedded.context_tokens
        embedded = settings.embedded.model_copy(
            update={"slots": one.slots or settings.embedded.slots, "context_tokens": context_tokens}
        )
        info = EngineInfo(name, model, context_tokens, is_local=True)
        return embedded_engine(info, path_of(model), embedded, settings.timeouts, self._home)


def _is_here(one: EngineSettings) -> bool:
    return one.kind == "embedded" or is_loopback(one.base_url or "")


def _check_roles(settings: Settings, *, forbidden: set[str]) -> None:
    roles = settings.roles
    for role in (roles.proposer, roles.critic, roles.synthesizer, roles.judge):
        for name in role.engines:
            if name in forbidden:
                raise IsolationError(f"Isolation mode forbids the engine {name}: it is not on this machine.")
