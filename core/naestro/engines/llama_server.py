"""Which llama.cpp runs: a `llama-server` of this machine where it is new enough, else the wheel's.

A native build knows the processor's best instructions and is two to four times as fast as the wheel. `supervisor`
above starts what is chosen here, the doctor shows it with its reason; below stand `cpu` and the parameters. A
program that hangs, floods or lies when asked for its version is bounded and told. It starts no server.
"""

import json
import re
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from naestro.config import environment_for_child
from naestro.engines import cpu
from naestro.engines.bounded_output import BoundedOutput, output_of
from naestro.engines.guard import Order
from naestro.engines.llama_parameters import (
    BATCH_TOKENS,
    LOG_VERBOSITY,
    NGRAM_MATCH,
    NGRAM_MAX,
    NGRAM_MIN,
    Parameters,
)
from naestro.errors import EngineStartFailed

MIN_BUILD = 9000
"""n-gram speculation got its present flags in April 2026, some builds after 8941; an older server refuses them."""
UNTOLD_BUILD = 1
"""What a build from a shallow clone or a plain archive calls itself: its number says nothing."""
NEEDED_FLAGS = ("--spec-ngram-mod-n-match", "--cache-ram", "--slot-save-path", "--metrics", "--no-webui")
"""What `--help` must list where the number says nothing."""

ASK_TIMEOUT_S = 10.0
"""For `--version` or `--help`; a cold start of a build for GPUs takes some seconds."""
ASK_MAX_BYTES = 1 << 20

_VERSION = re.compile(r"version:\s*(?:(\d+)\s*\(|\S+\s*\(build\s+(\d+))")
"""`version: 9184 (7e4c0a9)`, or since 2026 `version: 0.1.0 (build 9184, commit 7e4c0a9)`."""

WHEEL_HINT = 'Name another llama-server in embedded.llama_server, or set it to "wheel".'
FOREIGN_VARIABLES = "LLAMA_ARG_"
"""llama.cpp takes any flag from the environment too; what a person set there for another server is not for this one."""


@dataclass(frozen=True, slots=True)
class Program:
    """The llama.cpp that runs, and why it."""

    kind: Literal["wheel", "llama-server"]
    path: str
    """Of the native program; of the Python that carries the wheel."""
    version: str
    reason: str
    """One sentence for the doctor."""
    fallback: "Program | None" = None
    """What runs where this one, which nobody asked for by name, fails to start."""


async def choose_program(setting: str, path: str | None = None) -> Program:
    """The program for the setting `embedded.llama_server`: `auto`, `wheel` or a path; `path` stands for PATH.

    Raises:
        EngineStartFailed: A program that the setting names cannot be used, or nothing can run here.
    """
    if setting == "wheel":
        return wheel("The setting embedded.llama_server asks for the wheel.")
    if setting != "auto":
        return await _named(setting)
    found = shutil.which("llama-server", path=path)
    if found is None:
        return wheel("No llama-server is on PATH.")
    checked = await check_program(found)
    if isinstance(checked, str):
        return wheel(f"The llama-server on PATH is not used: {checked}")
    reason = "A llama-server on PATH is faster than the wheel."
    return Program("llama-server", found, checked.version, reason, wheel_or_none())


async def _named(setting: str) -> Program:
    path = _resolve(setting)
    checked = await check_program(path) if path else "there is no such program, or it may not be run."
    if path is None or isinstance(checked, str):
        raise EngineStartFailed(
            f"The setting embedded.llama_server names {setting}, which is not used: {checked}",
            hint=WHEEL_HINT,
        )
    return Program("llama-server", path, checked.version, "The setting embedded.llama_server names it.")


def _resolve(setting: str) -> str | None:
    return shutil.which(str(Path(setting).expanduser()))


def wheel(reason: str, *, package: str = "xllamacpp", missing: list[str] | None = None) -> Program:
    """The wheel, for that reason; raises `EngineStartFailed` where it cannot run.

    `missing` stands for the instructions that this processor lacks, `package` for the wheel's name.
    """
    lacking = cpu.missing_instructions() if missing is None else missing
    if lacking:
        raise EngineStartFailed(f"{cpu.refusal(lacking)} {reason}", hint=cpu.REFUSAL_HINT)
    try:
        found = version(package)
    except PackageNotFoundError as error:
        raise EngineStartFailed(
            f"The package {package} is not installed. {reason}",
            hint="Install Naestro anew, with its requirements.",
        ) from error
    return Program("wheel", sys.executable, found, reason)


def wheel_or_none(missing: list[str] | None = None) -> Program | None:
    """The wheel behind a llama-server that nobody asked for by name; None where it cannot run."""
    try:
        return wheel("The llama-server on PATH does not start.", missing=missing)
    except EngineStartFailed:
        return None


@dataclass(frozen=True, slots=True)
class Checked:
    """A program that can be used."""

    version: str


async def check_program(path: str) -> Checked | str:
    """What the program at `path` says of itself, or one sentence why it cannot be used."""
    asked = await _ask(path, "--version")
    if isinstance(asked, str):
        return asked
    match = _VERSION.search(asked.text)
    if match is None:
        return f"{path} --version does not name a version of llama.cpp."
    build = int(match[1] or match[2])
    if build > UNTOLD_BUILD:
        return _by_number(path, build)
    return await _by_flags(path)


def _by_number(path: str, build: int) -> Checked | str:
    if build < MIN_BUILD:
        return f"{path} is build {build}; at least {MIN_BUILD} is needed."
    return Checked(f"b{build}")


async def _by_flags(path: str) -> Checked | str:
    asked = await _ask(path, "--help")
    if isinstance(asked, str):
        return asked
    missing = [flag for flag in NEEDED_FLAGS if flag not in asked.text]
    if missing:
        return f"{path} does not know {', '.join(missing)}, so it is older than build {MIN_BUILD}."
    return Checked("a build without a number")


async def _ask(path: str, flag: str) -> BoundedOutput | str:
    """What the program answers, or one sentence why it does not."""
    try:
        answer = await output_of(
            [path, flag], environment(), timeout_s=ASK_TIMEOUT_S, max_bytes=ASK_MAX_BYTES
        )
    except OSError as error:
        return f"{path} cannot be started: {error.strerror}."
    if answer.is_cut:
        return f"{path} {flag} did not end within {ASK_TIMEOUT_S:g} s and {ASK_MAX_BYTES} bytes."
    return answer


def order_for(program: Program, parameters: Parameters, log: Path) -> Order:
    """What the guard is told, to run `program` with `parameters`; the key stands on no command line."""
    of_kind = partial(Order, log=str(log), scratch=parameters.slot_folder)
    if program.kind == "wheel":
        argv = [program.path, "-m", "naestro.engines.llama_child"]
        return of_kind(
            argv=argv, environment=environment(), first_line=json.dumps(parameters.fields()) + "\n"
        )
    secret = {"LLAMA_API_KEY": parameters.api_key}
    return of_kind(
        argv=[program.path, *flags(parameters)], environment={**environment(), **secret}, first_line=""
    )


def environment() -> dict[str, str]:
    """The environment for a llama.cpp program: the person's, less what would change how it serves."""
    inherited = environment_for_child()
    foreign = [name for name in inherited if name.startswith((FOREIGN_VARIABLES, "LLAMA_API_KEY"))]
    return environment_for_child(without=foreign)


def flags(parameters: Parameters) -> list[str]:
    """`parameters` as llama-server's command line, without the key; the same as `llama_child` sets on the wheel's."""
    values = {
        "--model": parameters.model,
        "--host": "127.0.0.1",
        "--port": parameters.port,
        "--parallel": parameters.slots,
        "--ctx-size": parameters.total_context_tokens,
        "--threads": parameters.threads,
        "--threads-batch": parameters.threads,
        "--batch-size": BATCH_TOKENS,
        "--ubatch-size": BATCH_TOKENS,
        "--cache-ram": 0,
        "--slot-save-path": parameters.slot_folder,
        "--spec-type": "ngram-mod",
        "--spec-ngram-mod-n-match": NGRAM_MATCH,
        "--spec-ngram-mod-n-min": NGRAM_MIN,
        "--spec-ngram-mod-n-max": NGRAM_MAX,
        "--fit": "off",
        "--log-verbosity": LOG_VERBOSITY,
    }
    named = [word for flag, value in values.items() for word in (flag, str(value))]
    switches = ["--no-kv-unified", "--offline", "--metrics", "--slots", "--no-webui"]
    return [*named, *switches]
