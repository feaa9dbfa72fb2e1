"""The real `naestro` command in a process of its own, with folders of its own and the scripted server as engine."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from naestro.types import Event, decode_event

TIMEOUT_S = 60.0
LEFT_OUT = ("NAESTRO_", "PYTHONDONTWRITEBYTECODE")
"""The person's own settings; and what would make each process compile the whole package again."""

CONFIG = """
[flags]
local_models = []
[engines.alpha]
base_url = "{url}"
context_tokens = 8192
retries = 0
[engines.beta]
base_url = "{url}"
context_tokens = 8192
retries = 0
[roles.proposer]
engines = ["alpha", "beta"]
[roles.critic]
engines = ["alpha"]
[roles.synthesizer]
engines = ["alpha"]
[roles.judge]
engines = ["beta"]
[council]
proposers = 2
judges = 1
"""


class Cli:
    """Runs commands as a person would, each in a new process."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.home = folder / "home"
        self.workspace = folder / "workspace"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)},
            "NAESTRO_HOME": str(self.home),
            "NAESTRO_CACHE": str(folder / "cache"),
            "NO_COLOR": "1",
            "COLUMNS": "140",
        }
        self.home.mkdir()
        self.workspace.mkdir()
        (self.home / "config.toml").write_text(CONFIG.format(url=base_url))

    def run(
        self, *arguments: str, input_text: str | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The finished process; its output as text."""
        return subprocess.run(
            self.command(arguments),
            cwd=self.workspace,
            env={**self.env, **(env or {})},
            input=input_text,
            stdin=subprocess.DEVNULL if input_text is None else None,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A process that goes on; the caller ends it."""
        return subprocess.Popen(
            self.command(arguments),
            cwd=self.workspace,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "naestro", *arguments]

    def events(self, run: str = "last") -> list[Event]:
        """The recorded events of a run, by the command itself."""
        shown = self.run("trace", run, "--json")
        assert shown.returncode == 0, shown.stderr
        return [decode_event(line.encode()) for line in shown.stdout.splitlines()]

    def runs(self) -> list[dict]:
        """The runs, newest first."""
        shown = self.run("runs", "--json")
        assert shown.returncode == 0, shown.stderr
        return [msgspec.json.decode(line) for line in shown.stdout.splitlines()]
