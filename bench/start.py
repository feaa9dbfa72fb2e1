"""`naestro --version` against a bare interpreter, the two in turn."""

import subprocess
import sys
import time

from bench.row import Row, row

PAIRS = 30


def measure() -> list[Row]:
    """The ratio pair by pair, so that a drift of the machine's speed cancels out."""
    bare = [sys.executable, "-c", "pass"]
    ours = [sys.executable, "-m", "naestro", "--version"]
    script = [str(_script()), "--version"]
    for command in (bare, ours, script):
        _seconds(command)
    ratios = [_seconds(script) / _seconds(bare) for _ in range(PAIRS)]
    return [row("start: naestro --version", ratios, "x", at_most=8, against="the same Python's -c pass")]


def _script():
    from pathlib import Path

    return Path(sys.executable).with_name("naestro")


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return time.perf_counter() - began
