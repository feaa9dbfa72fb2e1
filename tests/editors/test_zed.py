"""What Zed and the registry of agents read: the forms that they publish, and one truth about how Naestro starts.

The forms are those of the registry's schema (agent.schema.json, `uvx` and `binary` distributions) and of Zed's manual
("Agent Server Extensions"), written down here as types that refuse what is unknown.
"""

import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Annotated, Literal
from xml.etree import ElementTree

import msgspec
import pytest

from naestro import __version__
from naestro.terminal import zed

FOLDER = Path(__file__).parents[2] / "editors" / "zed"

Text = Annotated[str, msgspec.Meta(min_length=1)]
Platform = Literal["darwin-aarch64", "darwin-x86_64", "linux-aarch64", "linux-x86_64"]


class Package(msgspec.Struct, forbid_unknown_fields=True):
    """A package that a runner fetches and starts."""

    package: Text
    args: list[str] = []
    env: dict[str, str] = {}


class Distribution(msgspec.Struct, forbid_unknown_fields=True):
    """How a client gets the agent; of the three ways the one for Python packages."""

    uvx: Package


class Agent(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of the registry."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]*$")]
    name: Text
    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+")]
    description: Text
    distribution: Distribution
    authors: list[str] = []
    license: str = ""


class Target(msgspec.Struct, forbid_unknown_fields=True):
    """What an extension has for one platform."""

    archive: Annotated[str, msgspec.Meta(pattern="^https://")]
    cmd: Text
    args: list[str] = []
    sha256: str = ""
    env: dict[str, str] = {}


class AgentServer(msgspec.Struct, forbid_unknown_fields=True):
    """An agent of an extension."""

    name: Text
    icon: Text
    targets: dict[Platform, Target]
    env: dict[str, str] = {}


class Extension(msgspec.Struct, forbid_unknown_fields=True):
    """An extension's manifest."""

    id: Text
    name: Text
    version: Text
    schema_version: Literal[1]
    description: Text
    authors: list[str]
    repository: Annotated[str, msgspec.Meta(pattern="^https://")]
    agent_servers: dict[str, AgentServer]


def test_the_snippet_is_what_the_setup_writes() -> None:
    snippet = json.loads((FOLDER / "settings.json").read_text())
    written = json.loads(zed.ZED.snippet())
    written["agent_servers"]["Naestro"]["command"] = "naestro"
    assert snippet == written
    assert zed.ZED.added((FOLDER / "settings.json").read_text()).count("acp") == 1


def test_the_registry_s_entry_has_its_form_and_this_version() -> None:
    agent = msgspec.json.decode((FOLDER / "agent.json").read_bytes(), type=Agent)
    assert agent.id == "naestro"
    assert agent.version == __version__
    assert agent.distribution.uvx.package == f"naestro=={__version__}"
    assert agent.distribution.uvx.args == ["acp"]
    assert agent.license == "Apache-2.0"


def test_the_extension_has_its_form_and_this_version() -> None:
    manifest = tomllib.loads((FOLDER / "extension.toml").read_text())
    extension = msgspec.convert(manifest, Extension)
    (server,) = extension.agent_servers.values()
    assert extension.version == __version__
    assert (FOLDER / server.icon).is_file()
    assert len(server.targets) == 4
    for target in server.targets.values():
        assert f"/{__version__}/" in target.archive
        assert (FOLDER / "launcher" / target.cmd).is_file()


def test_no_address_of_the_extension_leads_to_somebody_else() -> None:
    extension = msgspec.convert(tomllib.loads((FOLDER / "extension.toml").read_text()), Extension)
    targets = extension.agent_servers["naestro"].targets.values()
    for address in (extension.repository, *(target.archive for target in targets)):
        assert address.split("/")[2].endswith(".invalid")


def test_the_icon_is_square_and_takes_its_colour_from_the_theme() -> None:
    text = (FOLDER / "icon.svg").read_text()
    assert "<!--" not in text
    root = ElementTree.fromstring(text)
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("16", "16", "0 0 16 16")
    colours = {part.get(name) for part in root.iter() for name in ("fill", "stroke") if part.get(name)}
    assert colours == {"currentColor", "none"}
    assert not any(part.get("style") or part.tag.endswith("style") for part in root.iter())


@pytest.mark.parametrize(
    ("program", "told"),
    [("naestro", "naestro acp"), ("uvx", f"uvx --from naestro=={__version__} naestro acp")],
)
def test_the_launcher_starts_what_is_there(tmp_path: Path, program: str, told: str) -> None:
    script = tmp_path / program
    script.write_text('#!/bin/sh\necho "${0##*/} $*"\n')
    script.chmod(0o755)
    assert launched(tmp_path).stdout.strip() == told


def test_the_launcher_says_how_to_install_what_is_not_there(tmp_path: Path) -> None:
    done = launched(tmp_path)
    assert done.returncode == 127
    assert "uv tool install naestro" in done.stderr
    assert done.stdout == ""


def launched(path: Path) -> subprocess.CompletedProcess[str]:
    """The launcher's outcome where only `path` has programs."""
    launcher = FOLDER / "launcher" / "naestro-acp"
    assert os.access(launcher, os.X_OK)
    return subprocess.run(
        ["/bin/sh", str(launcher)],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
