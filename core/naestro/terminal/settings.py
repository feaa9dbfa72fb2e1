"""`naestro config show`, `naestro trust` and `naestro doctor`."""

import sys
from pathlib import Path

from rich.table import Table
from rich.text import Text

from naestro.config import load_settings
from naestro.policy.trust import is_trusted, trust, trust_file, untrust
from naestro.policy.workspace import Workspace
from naestro.terminal.exits import Exit
from naestro.terminal.plain import print_json, wide_console
from naestro.terminal.text import printable
from naestro.tools.servers.definition import FILE_NAME, read_file


def show_settings(folder: Path, *, as_json: bool) -> None:
    """Print each setting, its value and where it came from; what was ignored is told on stderr."""
    loaded = load_settings(Workspace.find(folder).root, is_trusted=is_trusted, is_strict=False)
    rows = loaded.shown()
    if as_json:
        for row in rows:
            print_json({"key": row.key, "value": row.value, "source": str(row.source)})
    else:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("setting", "value", "from"):
            table.add_column(column, overflow="fold")
        for row in rows:
            style = "dim" if row.source.place == "default" else ""
            table.add_row(
                Text(row.key, style=style), Text(printable(row.value), style=style), Text(str(row.source))
            )
        wide_console().print(table)
    for warning in loaded.warnings:
        print(f"! {printable(warning)}", file=sys.stderr)


def trust_workspace(folder: Path, *, is_revoked: bool) -> None:
    """Trust the workspace's `naestro.toml` and its `.mcp.json` after showing them, or take the trust back."""
    root = Workspace.find(folder).root
    if is_revoked:
        is_gone = untrust(root, FILE_NAME)
        print(f"{root} is trusted no longer" if is_gone else f"{root} was not trusted")
        return
    servers = read_file(root)
    if servers is not None:
        trust_file(root / FILE_NAME, servers)
        _say_trusted(root / FILE_NAME, servers)
    file = root / "naestro.toml"
    if servers is not None and not file.is_file():
        return
    content = file.read_bytes() if file.is_file() else None
    trust(root, content)
    _say_trusted(file, content or b"")


def _say_trusted(file: Path, content: bytes) -> None:
    print(printable(content.decode("utf-8", "replace")))
    print(f"{file} is trusted as it is now; when it changes, it must be trusted again")


async def show_diagnosis(folder: Path, *, as_json: bool) -> int:
    """Print every check with its outcome; `Exit.FAILED` when one fails."""
    from naestro.commands.doctor import diagnose

    loaded = load_settings(Workspace.find(folder).root, is_trusted=is_trusted, is_strict=False)
    for warning in loaded.warnings:
        print(f"! {printable(warning)}", file=sys.stderr)
    checks = await diagnose(loaded.settings)
    for check in checks:
        if as_json:
            print_json(check)
        else:
            sign = Text("✓", style="green") if check.is_ok else Text("✗", style="red")
            line = Text.assemble(sign, f" {check.name:<22} {printable(check.detail)}")
            wide_console().print(line, soft_wrap=True)
            if not check.is_ok and check.hint:
                wide_console().print(Text(f"  {check.hint}", style="dim"), soft_wrap=True)
    return Exit.OK if all(check.is_ok for check in checks) else Exit.FAILED
