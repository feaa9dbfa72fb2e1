"""Why a local server failed to start, or ended: read from the end of its log and from its exit code.

llama.cpp raises the same words for every cause; the cause stands in what it wrote before. `supervisor` above hands
in the log; below stand the table of messages (`wire_errors`) and `errors`. It knows no process.
"""

import os
import re
import signal
from pathlib import Path

from naestro.engines.guard import BY_SIGNAL, older
from naestro.engines.wire_errors import meaning_of_text
from naestro.errors import EngineError, EngineOutOfMemory, EngineStartFailed, EngineUnreachable

HEADER = b"=== start\n"
"""Stands in the log before what one start writes."""
TAIL_BYTES = 1 << 16
"""Of the log, as much as is looked at; a start writes about 3 kB."""
LINE_MAX_CHARS = 200

KILLED = BY_SIGNAL + signal.SIGKILL
ILLEGAL_INSTRUCTION = BY_SIGNAL + signal.SIGILL

CAUSES: tuple[tuple[str, str], ...] = (
    ("couldn't bind HTTP server socket", "another program took its port"),
    ("invalid magic characters", "the model's file is no GGUF file"),
    ("is not within the file bounds", "the model's file is cut short or damaged"),
    ("ModuleNotFoundError", "a Python package is missing; install Naestro anew"),
)
"""What llama.cpp says on the way down, and how a person says it; the first that is found counts."""

_ERROR_LINE = re.compile(r"^[\d.]+ E +(.*)$", re.MULTILINE)
"""`0.00.037.076 E llama_model_load: error loading model: ...`."""

START_HINT = "Look at the end of that log, then take another model or mend its file by `naestro models pull`."
DEATH_HINT = "Ask again: the next request starts it anew."


def start_error(name: str, log: Path, code: int | None, start_s: float) -> EngineError:
    """Why the engine `name` did not start: its guard ended with `code`, or still waits after `start_s` (None)."""
    what = "was not ready" if code is None else "did not start"
    limit = f" within {start_s:g} s" if code is None else ""
    text = last_start(log)
    message = f"The engine {name} {what}{limit}: {_cause(text, code)}. Its log is {log}."
    if _lacks_memory(text, code):
        return EngineOutOfMemory(message)
    return EngineStartFailed(message, hint=START_HINT)


def death_error(name: str, log: Path, code: int | None) -> EngineError:
    """Why the engine `name`, which ran, ended by itself; its guard ended with `code`."""
    text = last_start(log)
    message = f"The engine {name} ended while it ran: {_cause(text, code)}. Its log is {log}."
    if _lacks_memory(text, code):
        return EngineOutOfMemory(message)
    return EngineUnreachable(message, hint=DEATH_HINT)


def is_port_taken(log: Path) -> bool:
    """Whether the last start failed because another program has the port: another port helps."""
    return CAUSES[0][0] in last_start(log)


def last_start(log: Path) -> str:
    """What was written since the last header, as far as it lies in the last `TAIL_BYTES`."""
    tail = _tail(log)
    if HEADER not in tail and len(tail) < TAIL_BYTES:
        tail = _tail(older(log)) + tail  # the log was turned over since
    return tail.rpartition(HEADER)[2].decode("utf-8", "replace")


def _tail(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(0, size_bytes - TAIL_BYTES))
            return file.read()
    except OSError:
        return b""


def _lacks_memory(text: str, code: int | None) -> bool:
    meaning = meaning_of_text(text)
    return code == KILLED or (meaning is not None and meaning.kind is EngineOutOfMemory)


def _cause(text: str, code: int | None) -> str:
    """The cause in a few words: a known one, the first error in the log, its last line, or the exit code."""
    if code == KILLED:
        return "its process was killed, most likely by the system because memory ran out"
    if code == ILLEGAL_INSTRUCTION:
        return "it uses an instruction that this processor lacks"
    if known := next((meaning for pattern, meaning in CAUSES if pattern in text), None):
        return known
    lines = _ERROR_LINE.findall(text) or text.split("\n")[-2:-1]
    said = " ".join(lines[0].split())[:LINE_MAX_CHARS].rstrip(".") if lines else ""
    return said or f"its process ended with code {code} and said nothing"
