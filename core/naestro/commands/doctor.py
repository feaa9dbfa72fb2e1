"""What `naestro doctor` looks at: the machine, the folders, the journal, the models, the engines, the settings.

The command line above prints what comes back; below stand `engines`, `runs` and `config`. Each check is one function
that gives its own sentence; none changes anything, starts a local engine or reaches beyond what the settings name.
"""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from naestro.config import Settings, cache, home, unavailable_flags
from naestro.engines import cpu
from naestro.engines.embedded import Home
from naestro.engines.engine import Engine
from naestro.engines.fetch import installed, models_folder
from naestro.engines.llama_server import choose_program
from naestro.engines.shelf import Shelf
from naestro.errors import JournalCorrupt, NaestroError
from naestro.index.place import indexes
from naestro.index.storage.processor import lacking
from naestro.runs.database import FILE_NAME
from naestro.runs.lock import is_held, read_holder
from naestro.runs.reader import open_reader
from naestro.types import Value

PYTHON_MIN = (3, 11)
MEMORY_MIN_BYTES = 1 << 30
"""The demo's model with four slots takes 0.8 GB."""
DISK_MIN_BYTES = 1 << 30
"""The demo's model and some weeks of runs."""
HEALTH_S = 15.0
"""For one engine's answer; its own deadline is shorter."""
SYSTEMS = {"linux": "Linux", "darwin": "macOS"}
LOG_HINT = "Start the server, or correct its settings; a local one says in its log why it did not start."
PULL_HINT = "Run `naestro models pull qwen2.5-coder-0.5b`, or configure an engine in naestro.toml."


class Check(Value, frozen=True):
    """One thing that was looked at."""

    name: str
    is_ok: bool
    detail: str
    """What was found, in one line."""
    hint: str = ""
    """What to do where it is not well."""


async def diagnose(settings: Settings) -> list[Check]:
    """Everything, in the order in which a person would mend it; an error of one check is that check's result."""
    checks = [
        check_python(sys.version_info[:3]),
        check_platform(sys.platform),
        check_processor(),
        check_memory(),
        *await anyio.to_thread.run_sync(check_folders),
        check_isolation(settings),
        check_flags(settings),
        await check_llama(settings),
    ]
    return [*checks, *await check_engines(settings)]


def check_python(version: tuple[int, ...]) -> Check:
    """Whether this Python is new enough."""
    spoken = ".".join(str(part) for part in version)
    needed = ".".join(str(part) for part in PYTHON_MIN)
    return Check("python", version >= PYTHON_MIN, spoken, f"Python {needed} or newer is needed.")


def check_platform(system: str) -> Check:
    """Whether Naestro runs on this kind of system, as `sys.platform` names it."""
    spoken = f"{SYSTEMS.get(system, system)} {platform.release()} on {platform.machine()}"
    return Check("platform", system in SYSTEMS, spoken, "Windows is not supported yet; use Linux or macOS.")


def check_processor(missing: list[str] | None = None) -> Check:
    """Whether the wheel's llama.cpp runs on this processor; `missing` stands for what it lacks where given."""
    lacking = cpu.missing_instructions() if missing is None else missing
    if lacking:
        return Check("processor", False, cpu.refusal(lacking), cpu.REFUSAL_HINT)
    return Check("processor", True, f"{cpu.processor_name()}, {cpu.usable_cores()} cores to use")


def check_memory(free_bytes: int | None = None) -> Check:
    """Whether a small model fits into memory; `free_bytes` stands for what is free where given."""
    found = free_memory_bytes() if free_bytes is None else free_bytes
    hint = "Close other programs, take a smaller model, or lower embedded.slots."
    return Check("memory", found >= MEMORY_MIN_BYTES, f"{gigabytes(found)} free", hint)


def free_memory_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """What programs may still take; where the system does not tell, all that there is."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    line = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024


def check_folders() -> list[Check]:
    """The user's folder, the cache, the room on their disks, the journal, the models, and the code indexes."""
    checks = (
        lambda: check_folder("home", home()),
        lambda: check_folder("cache", cache()),
        lambda: check_disk("disk", home()),
        lambda: check_disk("disk of the cache", cache()),
        lambda: check_journal(home()),
        check_models,
        check_index,
    )
    return [guarded(check) for check in checks]


def guarded(check: Callable[[], Check], name: str = "folders") -> Check:
    """What `check` gives, or its error as a check that failed."""
    try:
        return check()
    except NaestroError as error:
        return Check(name, False, error.message, error.hint)


def check_folder(name: str, folder: Path) -> Check:
    """Whether a folder can be written; a file is made in it and removed."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Check(name, True, str(folder))
    except OSError as error:
        return Check(name, False, f"{folder} cannot be written: {error.strerror}", "Mend its permissions.")


def check_disk(name: str, folder: Path, min_bytes: int = DISK_MIN_BYTES) -> Check:
    """Whether there is room for `min_bytes` on the disk of a folder."""
    free_bytes = shutil.disk_usage(folder).free
    hint = "Free some space, or remove old runs by `naestro runs prune` and models by `naestro models rm`."
    return Check(name, free_bytes >= min_bytes, f"{gigabytes(free_bytes)} free at {folder}", hint)


def check_journal(folder: Path) -> Check:
    """The journal's size, who holds it (which is no fault), and whether it is sound where nobody does."""
    path = folder / FILE_NAME
    if not is_held(folder):
        with open_reader(folder) as reader:
            found = reader.damage()
        if found:
            return Check("journal", False, " ".join(found[0].split()), JournalCorrupt.default_hint)
    size = gigabytes(path.stat().st_size) if path.is_file() else "none yet"
    held = f", held by {read_holder(folder) or 'another process'}" if is_held(folder) else ""
    return Check("journal", True, f"{size}{held}")


def check_models() -> Check:
    """Which models of the catalogue are here; none is no fault, since engines may be elsewhere."""
    names = installed()
    return Check("models", True, f"{', '.join(names) or 'none'} in {models_folder()}")


def check_index(lacks: str | None = None) -> Check:
    """How much the code indexes take, and whether this processor can use them; `lacks` stands for what it lacks."""
    folder = indexes()
    count = sum(path.is_dir() for path in folder.iterdir()) if folder.is_dir() else 0
    of = "1 workspace" if count == 1 else f"{count} workspaces"
    held = f"{gigabytes(size_below(folder))} for {of} in {folder}" if count else "none yet"
    fallback = lacking() if lacks is None else lacks
    return Check("index", True, f"{held}. {fallback}" if fallback else held)


def size_below(folder: Path) -> int:
    """The bytes of all files below a folder; what goes away meanwhile counts as nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total


def check_isolation(settings: Settings) -> Check:
    """Whether anything may leave this machine."""
    detail = "on: nothing leaves this machine" if settings.isolated else "off"
    return Check("isolation", True, detail)


def check_flags(settings: Settings) -> Check:
    """Whether a flag asks for a feature that this version does not have."""
    names = unavailable_flags(settings)
    if not names:
        return Check("flags", True, "none asks for what is not there")
    detail = f"{', '.join(names)}: this version does not have that feature yet"
    return Check("flags", False, detail, "Unset them; the features come in later versions.")


async def check_llama(settings: Settings) -> Check:
    """Which llama.cpp local models run on, and why."""
    try:
        program = await choose_program(settings.embedded.llama_server)
    except NaestroError as error:
        return Check("llama.cpp", False, error.message, error.hint)
    return Check("llama.cpp", True, f"{program.kind} {program.version} ({program.path}). {program.reason}")


async def check_engines(settings: Settings) -> list[Check]:
    """Each engine that the settings give, asked whether it can answer, side by side."""
    checks: list[Check] = []
    async with anyio.create_task_group() as owner, Shelf(Home(home() / "logs", owner)) as shelf:
        checks.extend(await _ask_all(_engines(shelf, settings)))
    return checks


async def _ask_all(engines: list[Engine] | Check) -> list[Check]:
    if isinstance(engines, Check):
        return [engines]
    found: dict[str, Check] = {}
    async with anyio.create_task_group() as tasks:
        for engine in engines:
            tasks.start_soon(_note_health, engine, found)
    return [found[engine.info.name] for engine in engines]


def _engines(shelf: Shelf, settings: Settings) -> list[Engine] | Check:
    try:
        engines = shelf.engines(settings)
    except NaestroError as error:
        return Check("engines", False, error.message, error.hint)
    return engines or Check("engines", False, "there is none", PULL_HINT)


async def _note_health(engine: Engine, found: dict[str, Check]) -> None:
    name = engine.info.name
    found[name] = Check(f"engine {name}", False, f"gave no answer within {HEALTH_S:g} s", LOG_HINT)
    with anyio.move_on_after(HEALTH_S):
        health = await engine.health()
        found[name] = Check(f"engine {name}", health.is_ready, health.detail, LOG_HINT)


def gigabytes(size_bytes: int) -> str:
    """A size as a person reads it."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"
