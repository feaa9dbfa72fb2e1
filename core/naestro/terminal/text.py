"""Text for a person's eyes: what models and files said, without what could drive the terminal."""

import msgspec


def printable(text: str) -> str:
    """`text` without control characters but newline and tab, and without what no terminal can encode."""
    return "".join(char for char in text if char in "\n\t" or (char.isprintable() or char == " "))


def visible(text: str) -> str:
    r"""`text` as `printable` gives it, but with what that leaves out written as `<U+202E>`.

    For a change that a person says yes to: no character of it may be hidden. A line's `\r\n` counts as its end.
    """
    ended = text.replace("\r\n", "\n")
    return "".join(char if printable(char) else f"<U+{ord(char):04X}>" for char in ended)


def one_line(text: str, max_chars: int | None = None) -> str:
    """`text` on one line, cut with an ellipsis where it is longer than `max_chars`."""
    line = " ".join(printable(text).split())
    return line if max_chars is None or len(line) <= max_chars else line[: max_chars - 1] + "…"


def readable(data: bytes) -> str:
    """Recorded bytes for a reader: JSON indented, text as it is, nothing hidden."""
    try:
        text = msgspec.json.format(data, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = data.decode("utf-8", "replace")
    return visible(text)


def counted(number: int, thing: str) -> str:
    """`1 file`, `1,200 files`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
