"""What the benches stand on: folders of their own, the settings of a bench, and processes with a clean environment.

The folders lie beside the person's own journal, so that what is synced to disk is synced to the same one. Nothing here
measures anything.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from naestro.config import Flags, cache, home

ROOT = Path(__file__).resolve().parents[1]
SMALLEST = "smollm2-135m"
"""The model of the benches that need a real one."""

ROLES = ("proposer", "critic", "synthesizer", "judge")
SCRIPTED = """
[engines.scripted]
base_url = "{url}"
context_tokens = 16384
retries = 0
""" + "".join(f'[roles.{role}]\nengines = ["scripted"]\n' for role in ROLES)
"""Settings with the scripted engine in every seat; the council is that of the defaults."""

SOURCE = '''"""A queue of jobs, the most urgent first; of equal ones the oldest."""

import heapq
import itertools


class Queue:
    """Jobs that wait."""

    def __init__(self):
        self._heap = []
        self._number = itertools.count()

    def put(self, urgency, job):
        """Let `job` wait; a larger `urgency` comes first."""
        heapq.heappush(self._heap, (-urgency, next(self._number), job))

    def take(self):
        """The job whose turn it is; `LookupError` when none waits."""
        if not self._heap:
            raise LookupError("no job waits")
        return heapq.heappop(self._heap)[2]

    def __len__(self):
        return len(self._heap)
'''
SOURCE_NAME = "jobs.py"


@dataclass(frozen=True, slots=True)
class Stand:
    """The folders of one bench."""

    home: Path
    workspace: Path

    def settings(self, text: str) -> None:
        """Make `text`, as TOML, the person's settings."""
        (self.home / "config.toml").write_text(text)


@contextmanager
def own_folder() -> Iterator[Path]:
    """An empty folder on the disk where the person's journal lies; deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=home()) as folder:
        yield Path(folder)


@contextmanager
def own_stand() -> Iterator[Stand]:
    """A home and a workspace with one source file; for the time of the block, this process has that home too."""
    with own_folder() as folder:
        stand = Stand(folder / "home", folder / "workspace")
        stand.home.mkdir()
        stand.workspace.mkdir()
        (stand.workspace / SOURCE_NAME).write_text(SOURCE)
        with environment(clean_environment(stand)):
            yield stand


@contextmanager
def environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """`wanted` as this process's environment, for the time of the block."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def clean_environment(stand: Stand | None = None) -> dict[str, str]:
    """This environment without settings of Naestro, and with bytecode kept, as where a package is installed."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NAESTRO_")
        and name.lower() not in Flags.model_fields
        and name != "PYTHONDONTWRITEBYTECODE"
    }
    kept["NAESTRO_CACHE"] = str(cache())
    kept["NAESTRO_IN_PROCESS"] = (
        "1"  # what is measured is the command itself; the daemon has benchmarks of its own
    )
    return kept | ({"NAESTRO_HOME": str(stand.home)} if stand else {})


@dataclass(frozen=True, slots=True)
class ScriptedEngine:
    """A scripted engine in a process of its own."""

    base_url: str
    log: Path

    def arrivals(self) -> list[float]:
        """When each chat came in, on the monotonic clock."""
        return [float(line) for line in self.log.read_text().splitlines()]


@contextmanager
def scripted_engine(stand: Stand) -> Iterator[ScriptedEngine]:
    """A scripted engine that answers at a real one's pace, in every seat of the stand's council."""
    log = stand.home / "arrivals"
    command = [sys.executable, "-m", "bench.scripted", str(log)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as program:
        assert program.stdout is not None
        try:
            engine = ScriptedEngine(program.stdout.readline().strip(), log)
            stand.settings(SCRIPTED.format(url=engine.base_url))
            yield engine
        finally:
            program.communicate(timeout=10)
