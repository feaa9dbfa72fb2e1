"""How long `naestro` takes to start, against a bare interpreter, in turn.

`--version` answers before anything is imported. The other two inform: what the command line and a reader of the journal
cost at least. The package is compiled to bytecode, as an installer leaves it.
"""

import subprocess
import sys
import time
from pathlib import Path

from bench.row import Row, row
from bench.stand import own_stand

PAIRS = 20
SCRIPT = Path(sys.executable).with_name("naestro")


def measure() -> list[Row]:
    """The ratios pair by pair, so that a drift of the machine's speed cancels out."""
    bare = [sys.executable, "-c", "pass"]
    commands = {
        "start: naestro --version": [str(SCRIPT), "--version"],
        "start: naestro --help": [str(SCRIPT), "--help"],
        "start: naestro runs": [str(SCRIPT), "runs"],
    }
    with own_stand() as stand:
        ratios: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(PAIRS + 1):
            for name, command in commands.items():
                ratio = _seconds(command, stand.workspace) / _seconds(bare, stand.workspace)
                if number:
                    ratios[name].append(ratio)
    against = "the same Python's -c pass, in turn"
    return [
        row(name, samples, "x", at_most=8 if name.endswith("--version") else None, against=against)
        for name, samples in ratios.items()
    ]


def _seconds(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=60)
    return time.perf_counter() - began
