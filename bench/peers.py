"""Other ACP agents beside Naestro: from the start of the process to the answer of `initialize`, and the memory.

They are installed from their registries into the cache folder, each at the version below. One that cannot be installed
or does not answer is named on standard error and left out: nothing of ours depends on it. None of them is given a key,
an account or a prompt, and each has a home folder of its own.
"""

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.front_end import AGENT, FrontEnd, daemon_stand, resident_mb
from bench.row import Row, row
from naestro.config import cache
from tests.acp.process.node import NotInstalled, node, nodejs
from tests.support.processes import running

STARTS = 5
ANSWER_S = 60
INSTALL_S = 600
PYTHONS = ("python3.14", "python3.13", "python3.12")
"""What the peer of Python wants."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One agent and how it is started."""

    name: str
    package: str
    """With its version, as its registry's client wants it."""
    start: tuple[str, ...]
    """Its program, relative to the folder where it is installed, and its arguments."""
    is_python: bool = False


PEERS = (
    Peer("codex-acp", "@zed-industries/codex-acp@0.16.0", ("node_modules/.bin/codex-acp",)),
    Peer(
        "claude-agent-acp",
        "@agentclientprotocol/claude-agent-acp@0.101.0",
        ("node_modules/.bin/claude-agent-acp",),
    ),
    Peer("opencode", "opencode-ai@1.18.33", ("node_modules/.bin/opencode", "acp")),
    Peer("gemini-cli", "@google/gemini-cli@0.61.0", ("node_modules/.bin/gemini", "--acp")),
    Peer("mistral-vibe", "mistral-vibe==2.25.8", ("bin/vibe-acp",), is_python=True),
)


def measure() -> list[Row]:
    """Naestro and the peers, one after the other; the first start of each does not count."""
    with daemon_stand() as stand:
        home = stand.home.parent / "peers"
        home.mkdir()
        candidates: dict[str, Callable[[], FrontEnd]] = {"naestro": lambda: FrontEnd(stand.workspace, AGENT)}
        for peer in PEERS:
            folder = cache() / "bench" / "peers" / peer.name
            if is_installed(peer, folder):
                command = [str(folder / peer.start[0]), *peer.start[1:]]
                env = environment(home / peer.name)
                candidates[peer.name] = lambda command=command, env=env: FrontEnd(
                    stand.workspace, command, env
                )
        taken = {name: found for name, start in candidates.items() if (found := samples(name, start))}
    return [*against_fastest(taken), *(line for name, found in taken.items() for line in rows(name, found))]


def against_fastest(taken: Mapping[str, Sequence[tuple[float, float]]]) -> list[Row]:
    """Naestro's starts as shares of the fastest peer's; nothing where no peer answered."""
    medians = {name: statistics.median(ms for ms, _ in found) for name, found in taken.items()}
    others = [name for name in medians if name != "naestro"]
    if not others or "naestro" not in taken:
        return []
    fastest = min(others, key=lambda name: medians[name])
    shares = [ms / medians[fastest] for ms, _ in taken["naestro"]]
    against = f"the median of {fastest}, the fastest of {len(others)} others"
    return [row("peers: naestro against the fastest", shares, "x", at_most=1, against=against)]


def rows(name: str, found: Sequence[tuple[float, float]]) -> list[Row]:
    """The two rows of one agent."""
    what = "its own process alone; the daemon is shared" if name == "naestro" else "all its processes"
    return [
        row(
            f"peers: {name}, start to `initialize`",
            [ms for ms, _ in found],
            "ms",
            against="the others, in the same run",
        ),
        row(f"peers: {name}, memory", [statistics.median(mb for _, mb in found)], "MB", against=what),
    ]


def samples(name: str, start: Callable[[], FrontEnd]) -> list[tuple[float, float]]:
    """Milliseconds and megabytes of each start but the first; empty, and told, where it does not answer."""
    try:
        return [one(start) for _ in range(STARTS + 1)][1:]
    except (OSError, EOFError, RuntimeError, TimeoutError) as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
        return []


def one(start: Callable[[], FrontEnd]) -> tuple[float, float]:
    """One start, and the resident size of the process and what it started."""
    with start() as agent:
        agent.give_up_after(ANSWER_S)
        took_s = agent.greet()
        return took_s * 1000, resident_mb(*family(agent.pid))


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    processes = running()
    found = [pid]
    for parent in found:
        found += [one.pid for one in processes if one.parent == parent]
    return found


def is_installed(peer: Peer, folder: Path) -> bool:
    """Install it where it is not there in that version; False, and told, where that fails."""
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_text() == peer.package:
        return True
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"installing {peer.package} …", file=sys.stderr, flush=True)
    try:
        for command in python_commands(peer, folder) if peer.is_python else npm_commands(peer):
            subprocess.run(
                command,
                cwd=folder,
                env=environment(folder / "home"),
                check=True,
                capture_output=True,
                text=True,
                timeout=INSTALL_S,
            )
    except (OSError, subprocess.SubprocessError, NotInstalled) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        print(f"{peer.name} is left out: it cannot be installed: {said[-1] if said else ''}", file=sys.stderr)
        return False
    stamp.write_text(peer.package)
    return True


def npm_commands(peer: Peer) -> list[list[str]]:
    """By the npm of the Node.js that a Python package brings; a peer's own scripts put its program in place."""
    npm = nodejs() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [[str(node()), str(npm), "install", "--no-audit", "--no-fund", "--loglevel=error", peer.package]]


def python_commands(peer: Peer, folder: Path) -> list[list[str]]:
    """Into an environment of its own, by a newer Python."""
    kept = sorted(str(path) for path in Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python"))
    python = next((name for name in [*PYTHONS, *kept] if works(name)), None)
    if python is None:
        raise NotInstalled(f"none of {', '.join(PYTHONS)} is on this machine")
    return [[python, "-m", "venv", str(folder)], [str(folder / "bin" / "pip"), "install", "-q", peer.package]]


def works(program: str) -> bool:
    """Whether a Python is there; a version manager's program of that name may stand for none."""
    try:
        return subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def environment(home: Path) -> dict[str, str]:
    """This environment with another home folder, and `node` in its path."""
    home.mkdir(parents=True, exist_ok=True)
    programs = home / "programs"
    programs.mkdir(exist_ok=True)
    if not (programs / "node").exists():
        (programs / "node").symlink_to(node())
    return {**os.environ, "HOME": str(home), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
