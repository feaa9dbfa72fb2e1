"""The three standard streams, also where they are closed, full, gone, or of an encoding that lacks our characters."""

import io
import os
import sys
from contextlib import suppress

from naestro.errors import InputError

STDIN = "-"
"""The argument that stands for standard input."""


def secure_streams() -> None:
    """Open what is closed onto nothing, and replace what the encoding cannot say.

    Without it the next file that is opened would take the number of a closed stream, and be written to by whoever
    writes there.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if not _is_open(number):
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def drop_output() -> None:
    """Let stdout lead nowhere from now on, so that the interpreter's last flush cannot fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def say(words: str) -> None:
    """Print on stderr, as far as anybody still listens."""
    with suppress(OSError):
        print(words, file=sys.stderr, flush=True)


def refuse_odd_bytes(arguments: list[str]) -> None:
    """Raise `InputError` where an argument is no text: nothing later could record or print it."""
    for argument in arguments:
        if not is_text(argument):
            raise InputError(
                f"The argument {argument!a} holds bytes that are not UTF-8 text.",
                hint="Write it in UTF-8, or rename the file.",
            )


def is_text(argument: str) -> bool:
    """Whether `argument` holds whole characters alone."""
    return not any("\ud800" <= char <= "\udfff" for char in argument)


def text_of(argument: str) -> str:
    """`argument` itself, or all of standard input where it is `-`. Raises `InputError` where that is no text."""
    if argument != STDIN:
        return argument
    try:
        text = sys.stdin.read().strip()
    except (OSError, UnicodeDecodeError):
        text = None
    if text is None or not is_text(text):
        raise InputError("Standard input is no UTF-8 text.", hint="Pipe text into the command.")
    return text
