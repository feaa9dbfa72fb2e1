r"""The text of one file, and how to write a changed text back so that only what was changed differs.

A person's file has an encoding, perhaps a byte-order mark, and line endings that may even be mixed; models see and
write plain `\n`. `decode` takes the former apart, `encode_like` puts it together again. Nothing here touches a disk.
"""

import codecs
import hashlib
from collections import Counter
from dataclasses import dataclass, field

from naestro.errors import PatchConflict
from naestro.policy.diff import compare, split_lines

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_TEXT_CONTROLS = frozenset("\t\n\r\f\v\b\x1a\x1b")
"""Control characters that text files do hold; any other in a file that is no UTF-8 makes it binary."""


class BinaryContent(ValueError):
    """The bytes are no text."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of the workspace as it was read."""

    path: str
    """Relative to the workspace's root, `/` between the parts, symlinks resolved."""
    text: str
    r"""What it says: `\r\n` is `\n` here, and the byte-order mark is left out."""
    sha256: str
    """Of the bytes on disk, 64 lowercase hexadecimal digits."""
    encoding: str
    """`utf-8`, `utf-16-le`, `utf-16-be` or `latin-1`."""
    bom: bytes
    """The byte-order mark, or nothing."""
    newline: str
    r"""The line ending of most lines: `\n` or `\r\n`."""
    mode: int
    """Permission bits."""
    size_bytes: int
    crlf: frozenset[int] = field(default=frozenset(), repr=False)
    r"""Indices from 0 of the lines that end in `\r\n`."""

    @property
    def lines(self) -> list[str]:
        """The lines without their endings; a text without a line has none."""
        return [line.removesuffix("\n") for line in split_lines(self.text)]

    @property
    def has_final_newline(self) -> bool:
        """Whether the last line is ended; true of an empty file, which misses nothing."""
        return not self.text or self.text.endswith("\n")


def decode(path: str, data: bytes, mode: int) -> TextFile:
    """Read `data` as text: by its byte-order mark, else UTF-8, else Latin-1. Raises BinaryContent."""
    encoding, bom, raw = _characters(data)
    lines = raw.split("\n")
    ended = lines[:-1]
    crlf = frozenset(index for index, line in enumerate(ended) if line.endswith("\r"))
    plain = [line[:-1] if index in crlf else line for index, line in enumerate(ended)]
    return TextFile(
        path=path,
        text="\n".join([*plain, lines[-1]]),
        sha256=sha256_of(data),
        encoding=encoding,
        bom=bom,
        newline="\r\n" if 2 * len(crlf) > len(ended) else "\n",
        mode=mode,
        size_bytes=len(data),
        crlf=crlf,
    )


def encode_like(before: TextFile | None, after: str) -> bytes:
    r"""The bytes of `after`, a text with `\n`, in the form of the file that it replaces; a new file is UTF-8 with `\n`.

    A line that stays keeps its ending; a new one takes the ending of most lines. Raises PatchConflict when the
    file's encoding cannot say it.
    """
    encoding = before.encoding if before else "utf-8"
    raw = with_endings(before, after)
    try:
        return (before.bom if before else b"") + raw.encode(encoding)
    except UnicodeEncodeError as error:
        name = before.path if before else "the new file"
        raise PatchConflict(
            f"{name} is kept in {encoding}, which cannot say {raw[error.start]!r}.",
            hint="Convert the file to UTF-8 first, or ask for text that its encoding can say.",
        ) from error


def with_endings(before: TextFile | None, after: str) -> str:
    r"""`after` with the line endings of `before`: what is written, as characters."""
    if before is None or not before.crlf:
        return after
    old, new = split_lines(before.text), split_lines(after)
    endings = [before.newline] * len(new)
    for is_equal, i, i_end, j, _ in compare(old, new):
        for offset in range(i_end - i if is_equal else 0):
            endings[j + offset] = "\r\n" if i + offset in before.crlf else "\n"
    return "".join(
        line[:-1] + ending if line.endswith("\n") else line for line, ending in zip(new, endings, strict=True)
    )


def raw_text(file: TextFile) -> str:
    """The characters of `file` with its own line endings, the byte-order mark left out."""
    return with_endings(file, file.text)


def sha256_of(data: bytes) -> str:
    """The SHA-256 of `data` in lowercase hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _characters(data: bytes) -> tuple[str, bytes, str]:
    for bom, encoding in _MARKS:
        if data.startswith(bom):
            try:
                return encoding, bom, _without_nul(data[len(bom) :].decode(encoding))
            except UnicodeDecodeError as error:
                raise BinaryContent(f"not the {encoding} that its byte-order mark says") from error
    try:
        return "utf-8", b"", _without_nul(data.decode("utf-8"))
    except UnicodeDecodeError:
        return "latin-1", b"", _latin(data)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise BinaryContent("binary")
    return text


def _latin(data: bytes) -> str:
    text = data.decode("latin-1")
    controls = Counter(c for c in text if c < " " and c not in _TEXT_CONTROLS)
    if controls:
        raise BinaryContent("binary")
    return text
