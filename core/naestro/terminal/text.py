"""Text for a person's eyes: what models and files said, without what could drive the terminal."""

import msgspec


def printable(text: str) -> str:
    """`text` without control characters but newline and tab, and without what no terminal can encode."""
    return "".join(char for char in text if char in "\n\t" or (char.isprintable() or char == " "))


def one_line(text: str, max_chars: int | None = None) -> str:
    """`text` on one line, cut with an ellipsis where it is longer than `max_chars`."""
    line = " ".join(printable(text).split())
    return line if max_chars is None or len(line) <= max_chars else line[: max_chars - 1] + "…"


def readable(data: bytes) -> str:
    """Recorded bytes for a reader: JSON indented, text as it is."""
    try:
        text = msgspec.json.format(data, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = data.decode("utf-8", "replace")
    return printable(text)
