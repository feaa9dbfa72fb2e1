"""The MCP clients and the conformance suite from npm, as `tests/mcp/node/package-lock.json` pins them.

Installed once into `tests/mcp/node/node_modules` by the Node.js that a Python package brings. Where they cannot be
installed, the tests that need them fail and say why.
"""

import subprocess
from pathlib import Path

from tests.acp.process.node import install_in, node, node_on_path

FOLDER = Path(__file__).resolve().parent / "node"
MODULES = FOLDER / "node_modules" / "@modelcontextprotocol"
CONFORMANCE = MODULES / "conformance" / "dist" / "index.js"
INSPECTOR = MODULES / "inspector"
CLIENT = FOLDER / "client.mjs"
RUN_S = 240


def install() -> None:
    """Install them if they are not there as the lock says. Raises `NotInstalled`."""
    install_in(FOLDER)


def run(*arguments: str | Path, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """A script of Node.js, to its end."""
    with node_on_path() as found:
        return subprocess.run(
            [str(one) for one in (node(), *arguments)],
            cwd=cwd or FOLDER,
            env={**found, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
