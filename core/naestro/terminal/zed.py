"""Naestro as an agent in Zed's settings, and its tools for Zed's own agent: where they lie and what is written.

`setup` above shows, asks and writes. The names are those of Zed's `agent_servers` and `context_servers` (its manual,
"External Agents" and "Model Context Protocol"). It opens no file.
"""

from pathlib import Path

from naestro.terminal.programs import Program, command, config_folder
from naestro.types import Json

FLATPAK = ".var/app/dev.zed.Zed/config"
"""Below the home folder: what the Flatpak of Zed takes for its folder of settings."""


def settings_files() -> list[Path]:
    """The settings of each Zed that was run here; where none was, the file that Zed would read."""
    folders = [config_folder() / "zed", Path.home() / FLATPAK / "zed"]
    present = [folder for folder in folders if _is_there(folder)]
    return [folder / "settings.json" for folder in present or folders[:1]]


def _is_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except PermissionError:
        return False


def entry() -> dict[str, Json]:
    """What stands under the agent's name."""
    program, *arguments = command("acp")
    return {"type": "custom", "command": program, "args": [*arguments], "env": {}}


def tools_entry() -> dict[str, Json]:
    """What stands under the name of the server of tools."""
    program, *arguments = command("mcp")
    return {"command": program, "args": [*arguments], "env": {}}


ZED = Program(
    name="zed",
    title="Zed",
    path=("agent_servers", "Naestro"),
    entry=entry,
    files=settings_files,
    advice="In Zed's agent panel, press + and choose Naestro",
)
ZED_TOOLS = Program(
    name="zed --mcp",
    title="Zed",
    path=("context_servers", "naestro"),
    entry=tools_entry,
    files=settings_files,
    advice="Zed's own agent has Naestro's tools now",
)
