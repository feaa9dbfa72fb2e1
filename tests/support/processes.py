"""What runs on this machine, as `ps` tells it: to see that no process is left. It starts and ends nothing else."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import anyio

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Running:
    """One line of `ps`."""

    pid: int
    parent: int
    group: int
    state: str
    command: str


def running() -> list[Running]:
    """All processes but zombies, which only wait for their parent's attention."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,pgid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 4) for line in listing.splitlines()]
    found = [Running(int(row[0]), int(row[1]), int(row[2]), row[3], row[4]) for row in rows if len(row) == 5]
    return [process for process in found if not process.state.startswith("Z")]


def members(group: int) -> list[Running]:
    """The processes of a process group."""
    return [process for process in running() if process.group == group]


def children(parent: int) -> list[Running]:
    """The processes that `parent` started."""
    return [process for process in running() if process.parent == parent]


async def group_is_gone(group: int, within_s: float) -> None:
    """Wait until no process of `group` is left; raises `TimeoutError` after `within_s`."""
    await until(lambda: not members(group), within_s)


async def until(is_so: Callable[[], object], within_s: float) -> None:
    """Wait until `is_so()` is true; raises `TimeoutError` after `within_s`. For what tells nobody when it changes."""
    with anyio.fail_after(within_s):
        while not is_so():  # noqa: ASYNC110 - other processes set no event
            await anyio.sleep(POLL_S)
