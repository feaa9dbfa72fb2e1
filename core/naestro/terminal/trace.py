"""`naestro trace`: the waterfall as a table, one step whole, JSON lines, or a page."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from naestro.config import home
from naestro.errors import InputError
from naestro.runs.history import History
from naestro.runs.lock import is_held
from naestro.runs.reader import Reader
from naestro.terminal.exits import Exit
from naestro.terminal.plain import JsonPrinter, wide_console
from naestro.terminal.questions import question_lines
from naestro.terminal.store import open_store
from naestro.types import Delta, Event, RunInfo, RunStatus, Tokens, encode

POLL_S = 0.1
"""How often the journal is asked for news of a run that another process works on."""


def show_trace(run: str, *, is_following: bool, html: Path | None, step: str | None, as_json: bool) -> int:
    """Show a run in the asked form; the exit code. Following, it ends when the run does; Ctrl-C ends it alone."""
    with open_store() as reader:
        info = reader.run(run)
        if html is not None:
            _write_page(reader, info, html)
        elif step is not None:
            _show_step(reader, info, step, as_json=as_json)
        elif as_json:
            printer = JsonPrinter()
            for event in _events(reader, info, is_following=is_following):
                printer.show(event)
        else:
            if is_following:
                _follow(reader, info)
            _show_table(reader, info.id)
    return Exit.OK


def _show_step(reader: Reader, info: RunInfo, name: str, *, as_json: bool) -> None:
    record = History.of(reader.events(info.id)).step(name)
    if as_json:
        print(encode(record).decode())
        return
    from naestro.terminal.step import step_text

    wide_console().print(step_text(record, reader.artifact), soft_wrap=True)


def _write_page(reader: Reader, info: RunInfo, html: Path) -> None:
    from naestro.terminal.page import page

    document = page(info, reader.events(info.id), reader.artifact)
    try:
        html.write_text(document, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{html} cannot be written: {error.strerror}.", hint="Name a file that you can write."
        ) from error
    print(f"{html}: {len(document.encode()) // 1024 + 1} KiB")


def _follow(reader: Reader, info: RunInfo) -> None:
    """Wait for the end, and draw the run as it grows where somebody looks."""
    if not sys.stdout.isatty():
        for _ in _events(reader, info, is_following=True):
            pass
        return
    from naestro.terminal.live import LivePrinter

    printer = LivePrinter(is_answer=True)
    try:
        for event in _events(reader, info, is_following=True):
            printer.show(_as_delta(event))
    finally:
        printer.pause()


def _as_delta(event: Event) -> Event | Delta:
    """Recorded text as it once arrived; every other event as it is."""
    if isinstance(event.data, Tokens) and event.step is not None:
        return Delta(event.run, event.step, event.data.call, event.data.text)
    return event


def _show_table(reader: Reader, run: str) -> None:
    """Print the table of a run, and what it waits for."""
    from naestro.terminal.chart import table

    info, events, console = reader.run(run), reader.events(run), wide_console()
    console.print(table(info, events, width=console.width))
    if info.status is RunStatus.WAITING:
        print("\n".join(["", *question_lines(History.of(events), reader.artifact)]))


def _events(reader: Reader, info: RunInfo, *, is_following: bool) -> Iterator[Event]:
    """The run's events in order; while following, until the run ends or nobody works on it.

    A run that waits is worked on as long as somebody holds the journal: an answer may come at any moment.
    """
    seen, version = 0, -1
    while True:
        status, committed = reader.run(info.id).status, reader.version()
        news = reader.events(info.id, after=seen) if committed != version else []
        version = committed
        for event in news:
            seen = event.seq
            yield event
        if not is_following or not _is_worked_on(status):
            return
        time.sleep(POLL_S)


def _is_worked_on(status: RunStatus) -> bool:
    return status is RunStatus.RUNNING or (status is RunStatus.WAITING and is_held(home()))
