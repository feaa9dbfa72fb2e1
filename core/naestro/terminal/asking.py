"""Asking the person who sits at the terminal: the thing is shown, then a line is read until it is an answer.

`watch` above decides when to ask. What was typed before the question stood there is thrown away: a yes must have
seen the diff. Nothing here knows a run.
"""

import sys
import termios
from contextlib import suppress

import anyio

from naestro.terminal.text import printable

BOLD, GREEN, RED, DIM, PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
DIFF_STYLES = (("+++", BOLD), ("---", BOLD), ("diff ", BOLD), ("@@", DIM), ("+", GREEN), ("-", RED))
"""First match wins: how the beginning of a diff's line is drawn."""


async def ask(question: str, options: list[str], shown: str) -> str | None:
    """Show `shown` and ask until a line is an option, or any text where there are none; None at the end of input."""
    if shown:
        print(shown, file=sys.stderr)
    choices = f" [{'/'.join(options)}]" if options else ""
    _forget_what_was_typed()
    while True:
        print(f"{printable(question)}{choices} ", end="", file=sys.stderr, flush=True)
        await anyio.wait_readable(sys.stdin)
        line = sys.stdin.readline()
        if not line:
            return None
        answer = option_of(line.strip(), options)
        if answer is not None:
            return answer


def option_of(typed: str, options: list[str]) -> str | None:
    """The one option that begins with what was typed, or the text itself where there are no options."""
    if not options:
        return typed or None
    fitting = [option for option in options if typed and option.startswith(typed.lower())]
    return typed if typed in options else fitting[0] if len(fitting) == 1 else None


def colour_diff(text: str) -> str:
    """A unified diff with the colours that git gives it."""
    return "\n".join(_colour(line) for line in text.splitlines())


def _colour(line: str) -> str:
    style = next((style for start, style in DIFF_STYLES if line.startswith(start)), "")
    return f"{style}{line}{PLAIN}" if style else line


def _forget_what_was_typed() -> None:
    with suppress(termios.error):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
