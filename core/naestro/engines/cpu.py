"""Whether this processor can run the wheel's llama.cpp, and how many of its cores there are to use.

`supervisor` and the doctor ask before a start, since a missing instruction ends a process without a word. Linux
tells by `/proc/cpuinfo`, macOS by `sysctl`; where neither tells, the start itself will. It knows no engine.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

NEEDED = ("avx2", "fma", "f16c")
"""What the x86-64 wheel is built for, as Linux names it; arm64 wheels need nothing beyond the base."""

CPUINFO = Path("/proc/cpuinfo")
SYSCTL = ("/usr/sbin/sysctl", "-n", "machdep.cpu.features", "machdep.cpu.leaf7_features")
SYSCTL_TIMEOUT_S = 5.0

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of processor time and the period they are for, or `max`: Linux's control groups, version 2."""

X86_64 = ("x86_64", "amd64")


def missing_instructions(machine: str | None = None, flags: frozenset[str] | None = None) -> list[str]:
    """What the wheel needs and this processor lacks; empty where nothing is missing or nothing can be known.

    `machine` (as `platform.machine()` names it) and `flags` (lowercase) stand for the real ones where given.
    """
    if (machine or platform.machine()).lower() not in X86_64:
        return []
    known = processor_flags() if flags is None else flags
    return [name for name in NEEDED if name not in known] if known else []


def processor_flags() -> frozenset[str]:
    """The processor's abilities in lowercase; empty where the system does not tell."""
    return flags_of(sys.platform)


def flags_of(system: str) -> frozenset[str]:
    """The same, asked in the way of `system`, as `sys.platform` names it."""
    return mac_flags() if system == "darwin" else linux_flags(CPUINFO)


def linux_flags(cpuinfo: Path) -> frozenset[str]:
    """The abilities of the first processor in a file like `/proc/cpuinfo`."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    line = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].lower().split())


def mac_flags(command: tuple[str, ...] = SYSCTL) -> frozenset[str]:
    """The abilities that `sysctl` tells on macOS, which lists AVX2 with its leaf 7."""
    try:
        done = subprocess.run(  # the names are fixed
            command, capture_output=True, text=True, timeout=SYSCTL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(done.stdout.lower().split())


def processor_name(cpuinfo: Path = CPUINFO) -> str:
    """What a person calls this processor, as far as the system tells."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    line = next((line for line in lines if line.startswith("model name")), "")
    return line.partition(":")[2].strip() or platform.machine()


def usable_cores(quota: Path = CPU_QUOTA) -> int:
    """The cores that this process may use, at least 1; a container's share counts, rounded down."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, _, period = quota.read_text(encoding="ascii").partition(" ")
        return max(1, min(cores, int(share) // int(period)))
    except (OSError, ValueError):
        return cores


def refusal(missing: list[str]) -> str:
    """One sentence for a person whose processor lacks `missing`."""
    names = ", ".join(name.upper() for name in missing)
    return f"This processor lacks {names}, which the llama.cpp of the wheel xllamacpp needs."


REFUSAL_HINT = (
    "Build llama.cpp for this processor and name its llama-server in the setting embedded.llama_server, "
    "or configure a server on another machine."
)
"""What to do where instructions are missing."""
