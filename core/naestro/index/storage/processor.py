"""Whether this processor can run LanceDB, which dies on the spot where it lacks the instructions it was built for.

Asked before LanceDB is loaded. `holdings` asks; `workspace_index` above it falls back to words alone, and says so.
"""

import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

_NEEDED: Final = {"avx2": "AVX2", "fma": "FMA"}
_CPUINFO: Final = Path("/proc/cpuinfo")
_SYSCTL: Final = ["/usr/sbin/sysctl", "-n", "machdep.cpu.features", "machdep.cpu.leaf7_features"]
_SYSCTL_TIMEOUT_S: Final = 5


def lacking(machine: str | None = None, flags: str | None = None) -> str:
    """What this processor lacks for the index, as a sentence; empty where it lacks nothing.

    `machine` (`x86_64`, `arm64`, …) and `flags` (the names of its instruction sets, any case) are this computer's own
    where they are None.
    """
    machine = platform.machine() if machine is None else machine
    if machine.lower() not in ("x86_64", "amd64"):
        return ""
    has = set((_flags() if flags is None else flags).lower().split())
    missing = [shown for name, shown in _NEEDED.items() if name not in has]
    if not missing:
        return ""
    return (
        f"This processor has no {' and no '.join(missing)}, which the index's database needs: "
        "searches go by words alone."
    )


def _flags() -> str:
    """The names of this processor's instruction sets; all that are needed where nobody can tell."""
    read = _flags_of_macos() if sys.platform == "darwin" else _flags_of_linux(_CPUINFO)
    return _or_trusted(read)


def _or_trusted(flags: str) -> str:
    return flags or " ".join(_NEEDED)


def _flags_of_linux(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")


def _flags_of_macos() -> str:  # pragma: no cover  # Runs on a Mac alone.
    try:
        asked = subprocess.run(
            _SYSCTL, capture_output=True, text=True, timeout=_SYSCTL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout
