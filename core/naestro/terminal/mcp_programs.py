"""Naestro's tools in the settings of programs that speak the Model Context Protocol.

`setup` above shows, asks and writes. Where the settings lie and what they are called is by each program's manual:
Claude Code ("MCP", scope user), Cursor ("Model Context Protocol"), VS Code ("MCP configuration reference").
"""

import sys
from pathlib import Path

from naestro.terminal.programs import Program, command
from naestro.types import Json

NAME = "naestro"
"""The server's name in each program."""


def _entry() -> dict[str, Json]:
    program, *arguments = command("mcp")
    return {"command": program, "args": [*arguments], "env": {}}


def http_entry(port: int, token: str, workspace: Path) -> dict[str, Json]:
    """How a program reaches the daemon itself, which knows a workspace by its header."""
    return {
        "type": "http",
        "url": f"http://127.0.0.1:{port}/mcp",
        "headers": {"Authorization": f"Bearer {token}", "Naestro-Workspace": str(workspace)},
    }


def _typed_entry() -> dict[str, Json]:
    return {"type": "stdio", **_entry()}


def _vscode_files() -> list[Path]:
    if sys.platform == "darwin":  # pragma: no cover - the suite runs on Linux
        return [Path.home() / "Library" / "Application Support" / "Code" / "User" / "mcp.json"]
    import platformdirs

    return [platformdirs.user_config_path() / "Code" / "User" / "mcp.json"]


CLAUDE_CODE = Program(
    name="claude-code",
    title="Claude Code",
    path=("mcpServers", NAME),
    entry=_typed_entry,
    files=lambda: [Path.home() / ".claude.json"],
    advice="Start Claude Code anew; /mcp shows the server",
)
CURSOR = Program(
    name="cursor",
    title="Cursor",
    path=("mcpServers", NAME),
    entry=_entry,
    files=lambda: [Path.home() / ".cursor" / "mcp.json"],
    advice="Cursor's settings show the server under MCP",
)
VSCODE = Program(
    name="vscode",
    title="VS Code",
    path=("servers", NAME),
    entry=_typed_entry,
    files=_vscode_files,
    advice="In VS Code, run `MCP: List Servers` and start naestro",
)
GENERIC = Program(
    name="generic",
    title="the program",
    path=("mcpServers", NAME),
    entry=_entry,
    files=list,
    advice="",
)
PROGRAMS = {program.name: program for program in (CLAUDE_CODE, CURSOR, VSCODE)}
"""Those that `naestro setup` writes the settings of."""
