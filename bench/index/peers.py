"""Other searches over code beside ours: semble, bm25s and ripgrep, in an environment of their own.

Installed once from the package index, at the versions below, into the cache folder. They reach no hub: semble takes its
model from a folder.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from naestro.config import cache

PACKAGES = ("semble==0.7.0", "bm25s==0.3.16", "ripgrep==14.1.0", "numpy==2.4.6")
INSTALL_S = 600
RUN_S = 180
PROGRAM = Path(__file__).with_name("program.py")


class NoPeers(RuntimeError):
    """They cannot be installed here, or do not work."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a peer took for its questions."""

    ready_s: float
    """Until the first question: building the index, or loading it."""
    ms: list[float]
    """Of each question."""
    resident_mb: float


class Peers:
    """The environment, and a folder where they keep what they make."""

    def __init__(self, environment: Path, model: Path, folder: Path) -> None:
        """In `environment`, as `installed` gives it, and keep below `folder`; `model` is for semble, of Model2Vec."""
        self._python = environment / "bin"
        self._kept = folder
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {"SEMBLE_CACHE_LOCATION": str(folder / "semble"), "HF_HUB_OFFLINE": "1", "HOME": str(folder)}
        self._environment = {**os.environ, **wanted, "SEMBLE_MODEL_NAME": str(model)}

    def forget(self) -> None:
        """Drop what semble keeps, so that the next run is a cold one."""
        shutil.rmtree(self._kept / "semble", ignore_errors=True)

    def semble_s(self, folder: Path, question: str) -> float:
        """Seconds of semble's own command for one question, which indexes what is not indexed yet."""
        began = time.perf_counter()
        self._run([str(self._python / "semble"), "search", question, str(folder)])
        return time.perf_counter() - began

    def semble(self, folder: Path, questions: Sequence[str]) -> Asked:
        """The library semble, its index loaded once."""
        return self._asked(["semble", str(folder)], questions)

    def bm25s(self, folder: Path, questions: Sequence[str]) -> Asked:
        """The library bm25s over the chunks that semble keeps of `folder`."""
        return self._asked(["bm25s", str(folder), str(self._kept / "bm25s")], questions)

    def ripgrep_ms(self, folder: Path, questions: Sequence[str]) -> list[float]:
        """Milliseconds of ripgrep's command for each question's longest word."""
        times: list[float] = []
        for question in questions:
            began = time.perf_counter()
            self.ripgrep(folder, longest_word(question))
            times.append((time.perf_counter() - began) * 1000)
        return times

    def ripgrep(self, folder: Path, word: str) -> str:
        """What ripgrep's command prints for a word; nothing where it finds none."""
        command = [str(self._python / "rg"), "-n", "-i", "-F", word, str(folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False).stdout

    def disk_mb(self, name: str) -> float:
        """What one of them keeps on the disk."""
        return size_mb(self._kept / name)

    def _asked(self, arguments: Sequence[str], questions: Sequence[str]) -> Asked:
        command = [str(self._python / "python"), str(PROGRAM), *arguments]
        return Asked(**json.loads(self._run(command, json.dumps(questions))))

    def _run(self, command: Sequence[str], given: str = "") -> str:
        done = subprocess.run(
            command,
            input=given,
            env=self._environment,
            cwd=self._kept,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["it gave no reason"]
            raise NoPeers(f"{Path(command[0]).name} failed: {said[-1]}")
        return done.stdout


def longest_word(question: str) -> str:
    """What a person would grep for."""
    return max(re.findall(r"[A-Za-z_]+", question), key=len)


def size_mb(folder: Path) -> float:
    """All files below a folder, in megabytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def peak_mb() -> float:
    """The largest resident size of any process that this one has waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6


def installed() -> Path:
    """The environment of the peers, made where it is not there in those versions. Raises `NoPeers`."""
    folder = cache() / "bench" / "peers" / "search"
    stamp, wanted = folder / ".installed", "\n".join(PACKAGES)
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    print(f"installing {', '.join(PACKAGES)} …", file=sys.stderr, flush=True)
    try:
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "pip"), "install", "-q", *PACKAGES],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines() or ["it gave no reason"]
        raise NoPeers(f"The peers cannot be installed: {said[-1]}") from error
    stamp.write_text(wanted)
    return folder
