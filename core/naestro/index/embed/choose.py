"""The embedder that the settings ask for.

The index and its search above call it in whatever process they run; it is cheap for `static`, and each kind loads its
libraries when it is chosen. Isolation mode is held here: a server elsewhere is refused.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from naestro.config import EngineSettings, Settings, api_key
from naestro.engines.addresses import is_loopback
from naestro.engines.fetch_repository import path_of_repository
from naestro.errors import ConfigError, IsolationError, ModelUnknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from naestro.index.embed.embedder import Embedder, EmbedText


class Reranker(Protocol):
    """Orders anew what was found."""

    def scores(self, query: str, texts: Sequence[EmbedText]) -> list[float]:
        """How near each text is to the question, -1 to 1."""
        ...


def embedder(settings: Settings) -> Embedder | None:
    """The embedder of `settings.index`, or None for `none`.

    Raises `ModelMissing` where a model was not fetched, `IsolationError` for a server elsewhere in isolation mode,
    `ConfigError` or `IndexUnavailable` where what is named cannot be used. Each says what to do.
    """
    name = settings.index.embedder
    if name == "none":
        return None
    if name == "static":
        from naestro.index.embed.static import static_embedder

        return static_embedder()
    if name == "minilm":
        from naestro.index.embed.minilm import minilm

        return minilm()
    if name == "server":
        return _server(settings)
    return _named(name)


def reranker(settings: Settings) -> Reranker | None:
    """What reads the first results again, or None where the settings ask for none; raises `ModelMissing`."""
    if not settings.index.rerank:
        return None
    from naestro.index.embed.minilm import minilm

    return minilm()


def _server(settings: Settings) -> Embedder:
    from naestro.index.embed.server import ServerEmbedder

    index = settings.index
    if settings.isolated and not is_loopback(index.embedder_url):
        raise IsolationError(
            "Isolation mode is on, and index.embedder_url leads to another machine.",
            hint="Unset NAESTRO_ISOLATED, or set index.embedder to static.",
        )
    key = api_key(EngineSettings(base_url=index.embedder_url, api_key_env=index.embedder_key_env))
    return ServerEmbedder(
        index.embedder_url, index.embedder_model, key.get_secret_value() if key is not None else ""
    )


def _named(name: str) -> Embedder:
    """A model in a folder of the person's own, or one of the hub that was fetched."""
    folder = Path(name).expanduser()
    if folder.is_absolute() or name.startswith("."):
        return _local(folder.absolute())
    try:
        return _local(path_of_repository(name))
    except ModelUnknown as error:
        raise ConfigError(
            f"index.embedder is {name!r}, which is no embedder.",
            hint="It takes static, minilm, none, server, the absolute path of a folder, or a hub name: owner/model.",
        ) from error


@lru_cache(maxsize=2)
def _local(folder: Path) -> Embedder:
    from naestro.index.embed.local_model import local_model

    return local_model(folder)
