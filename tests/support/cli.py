"""The real `naestro` command with folders of its own and the scripted server as engine.

`run` calls the command in this process, as its console script does, which saves starting Python each time; `process`
and `start` make a process of it, for what depends on one: signals, closed streams, the lock, a kill.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import anyio
import msgspec

from naestro.__main__ import main
from naestro.types import Event, decode_event
from tests.support.pseudo_terminal import PseudoTerminal

WITHOUT_INDEXING = {"NAESTRO_INDEX__AUTOMATIC": "false"}
"""No daemon of a test indexes by itself what the test does not ask it to; the index's own tests switch it on."""
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
    """Runs commands as a person would."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.home = folder / "home"
        self.workspace = folder / "workspace"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)},
            "NAESTRO_HOME": str(self.home),
            "NAESTRO_CACHE": str(folder / "cache"),
            "HOME": str(folder / "person"),
            "XDG_CONFIG_HOME": str(folder / "person" / ".config"),
            "NAESTRO_IN_PROCESS": "1",
            **WITHOUT_INDEXING,
            "NO_COLOR": "1",
            "COLUMNS": "140",
        }
        self.home.mkdir()
        self.workspace.mkdir()
        (self.home / "config.toml").write_text(CONFIG.format(url=base_url))

    def run(
        self, *arguments: str, input_text: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The command's outcome, run in this process (not in an async test's); nobody sits at its streams."""
        if _is_async():
            return self.process(*arguments, env=env)
        out, err = io.StringIO(), io.StringIO()
        with ExitStack() as held:
            held.enter_context(_environment({**self.env, **(env or {})}))
            held.enter_context(_arguments(arguments, input_text))
            held.enter_context(chdir(self.workspace))
            held.enter_context(redirect_stdout(out))
            held.enter_context(redirect_stderr(err))
            code = main()
        return subprocess.CompletedProcess(arguments, int(code), out.getvalue(), err.getvalue())

    def process(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """As `run`, in a process of its own."""
        return subprocess.run(
            self.command(arguments),
            cwd=self.workspace,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line of bash in which `naestro` is the command."""
        script = f'naestro() {{ {" ".join(self.command([]))} "$@"; }}\n{line}'
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.workspace,
            env=self.env,
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

    def at_terminal(self, *arguments: str, columns: int = 100) -> PseudoTerminal:
        """A process at whose terminal a person sits."""
        env = {**self.env, "COLUMNS": str(columns), "TERM": "xterm-256color"}
        return PseudoTerminal(self.command(arguments), cwd=self.workspace, env=env, columns=columns)

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The command line of a process."""
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


@contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _arguments(arguments: Sequence[str], input_text: str) -> Iterator[None]:
    before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["naestro", *arguments], io.StringIO(input_text)
    try:
        yield
    finally:
        sys.argv, sys.stdin = before


def _is_async() -> bool:
    """Whether an event loop runs here already, in which no second one can."""
    try:
        anyio.get_current_task()
    except RuntimeError:
        return False
    return True
