"""A person at a terminal: a real program on a pseudo-terminal, what it draws as text, and keys."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

WAIT_S = 30.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class PseudoTerminal:
    """Runs `command` with all three streams on a terminal of that size. Leaving the context kills what still runs."""

    def __init__(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], columns: int = 100, rows: int = 40
    ) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            command, cwd=cwd, env=dict(env), stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self._text = ""
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    @property
    def text(self) -> str:
        """All that was drawn so far, without what moves the cursor or colours."""
        return ESCAPES.sub("", self._text)

    def wait_for(self, words: str) -> str:
        """Read until `words` were drawn after what the last call waited for; what came before them."""
        until = time.monotonic() + WAIT_S
        while (at := self.text.find(words, self._seen)) < 0:
            assert self._read(until), f"{words!r} did not come; this did: {self.text[self._seen :]}"
        before, self._seen = self.text[self._seen : at], at + len(words)
        return before

    def type(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Read to the end; the program's exit code."""
        until = time.monotonic() + WAIT_S
        while self._read(until):
            pass
        return self.process.wait(WAIT_S)

    def _read(self, until: float) -> bool:
        """Read what is there, waiting for it until then; whether anything came."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self._text += data.decode("utf-8", "replace")
        return bool(data)
