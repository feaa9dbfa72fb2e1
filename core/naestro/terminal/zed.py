"""Naestro as an agent in Zed's settings: where they lie, what is written, and what is taken out again.

`setup` above shows, asks and writes; below it stands `jsonc`, which leaves all else in the file as it is. The names
are those of Zed's `agent_servers` (its manual, "External Agents"). It opens no file.
"""

import json
import shutil
import sys
from pathlib import Path

from naestro.terminal import jsonc
from naestro.types import Json

AGENT = "Naestro"
"""The name in Zed's agent panel."""
PATH = ("agent_servers", AGENT)
FLATPAK = ".var/app/dev.zed.Zed/config"
"""Below the home folder: what the Flatpak of Zed takes for its folder of settings."""


def settings_files() -> list[Path]:
    """The settings of each Zed that was run here; where none was, the file that Zed would read."""
    folders = [_config_folder() / "zed", Path.home() / FLATPAK / "zed"]
    present = [folder for folder in folders if _is_there(folder)]
    return [folder / "settings.json" for folder in present or folders[:1]]


def _is_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except PermissionError:
        return False


def _config_folder() -> Path:
    """Zed takes the folder of XDG on Linux, and on macOS not the platform's own."""
    if sys.platform == "darwin":  # pragma: no cover - the suite runs on Linux
        return Path.home() / ".config"
    import platformdirs

    return platformdirs.user_config_path()


def command(python: str = sys.executable) -> list[str]:
    """How Zed, which has another PATH than a shell, starts the Naestro of `python`: an absolute path and arguments.

    The name that a shell would find is taken where it leads to this very installation, since it outlives an update.
    """
    own = Path(python).with_name("naestro")
    if not own.is_file():
        return [python, "-m", "naestro", "acp"]
    found = shutil.which("naestro")
    is_same = found is not None and Path(found).samefile(own)
    return [str(Path(found).absolute()) if found is not None and is_same else str(own), "acp"]


def entry() -> dict[str, Json]:
    """What stands under the agent's name."""
    program, *arguments = command()
    return {"type": "custom", "command": program, "args": [*arguments], "env": {}}


def snippet() -> str:
    """The whole of a settings file that has nothing but the agent."""
    return jsonc.put("", PATH, entry()).rstrip()


def with_agent(text: str) -> str:
    """Zed's settings with Naestro; what the person added to the entry (a variable, a mode) stays.

    Raises `InputError` where the text cannot be read.
    """
    present = jsonc.get(text, PATH)
    if not isinstance(present, dict):
        return jsonc.put(text, PATH, entry())
    for key, value in entry().items():
        if key not in present or (key != "env" and present[key] != value):
            text = jsonc.put(text, (*PATH, key), value)
    return text


def without_agent(text: str) -> str:
    """Zed's settings without Naestro, and without an object that held nothing else.

    Raises `InputError` where the text cannot be read.
    """
    if jsonc.get(text, PATH) is None:
        return text
    text = jsonc.drop(text, PATH)
    return jsonc.drop(text, PATH[:1]) if jsonc.get(text, PATH[:1]) == {} else text


def is_empty(text: str) -> bool:
    """Whether the settings say nothing, not even by a comment."""
    return "".join(text.split()) in ("", json.dumps({}))
