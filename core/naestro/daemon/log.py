"""The daemon's log: one file that only the user can read, turned over when it is full, without any secret.

`process` and `standalone` open it before anything else is loaded. What must never stand in it (the daemon's token, keys
in a caller's environment) is told to it, and taken out of each line, tracebacks included.
"""

import logging
import logging.handlers
import os
import time
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

LOG_MAX_BYTES = 5 << 20
LOGS_KEPT = 2
LOG_MODE = 0o600
SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH")
"""Parts of the names of variables that hold what nobody else should see."""
SECRET_LENGTH_MIN = 8
"""A shorter value stands in too many lines by chance, and protects nothing."""
TALKATIVE = ("uvicorn", "uvicorn.error", "httpx2", "httpcore2", "mcp", "acp")


class Plain(logging.Formatter):
    """One line a record, in UTC, with secrets taken out."""

    converter = time.gmtime

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self._secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        """Take `secret` out of what is written from now on."""
        if len(secret) >= SECRET_LENGTH_MIN:
            self._secrets.add(secret)

    def hide_environment(self, variables: Mapping[str, str]) -> None:
        """Hide the values of the variables whose names say that they are secret."""
        for name, value in variables.items():
            if any(word in name.upper() for word in SECRET_WORDS):
                self.hide(value)

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text


class PrivateFile(logging.handlers.RotatingFileHandler):
    """A file of at most `LOG_MAX_BYTES`, made for its owner alone, and the ones before it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=LOG_MAX_BYTES, backupCount=LOGS_KEPT, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.fdopen(os.open(self.baseFilename, flags, LOG_MODE), "a", encoding="utf-8", errors="replace")


def open_log(path: Path) -> Plain:
    """Write this process's log into `path`; what hides secrets in it. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, plain = PrivateFile(path), Plain()
    file.setFormatter(plain)
    root = logging.getLogger()
    root.addHandler(file)
    root.setLevel(logging.INFO)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of each write to a client that has gone, hundreds of them where a stream was left.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    return plain
