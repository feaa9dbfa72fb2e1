"""From a model's text to changes of files: strict about what is meant, with each refusal's reason.

The text holds search/replace blocks and whole files (`patch_grammar`); each block must meet its file in exactly one
place (`patch_match`). Files are read through the caller's `read`, the workspace's, so that no path leaves it and no
ignored or secret file is met. Nothing is written here: `policy.changes` does that, after a yes.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from naestro.council.lone_block import as_whole_file
from naestro.council.patch_grammar import HINT, Block, Part, WholeFile, looks_like_path, scan
from naestro.council.patch_match import find
from naestro.errors import MissingFile, PatchConflict, PatchEmpty, PatchMalformed
from naestro.policy.changes import Change
from naestro.policy.text import TextFile
from naestro.types import Value

KEPT_SHARE_MIN = 0.5
"""Of the lines of a file, how many a whole new one has to keep when it is so much shorter: small models that are asked
for a file often write the one function that they changed, and the rest would be lost."""
CHECKED_LINES_MIN = 12
"""Lines of a file from which that is asked; a shorter one may well be written anew."""

_COMMENT = r"(?:#|//|/\*|--|<!--|;|%)"
_LEFT_OUT = r"\(?(?:the )?(?:rest|existing|remaining|other|previous|same|unchanged)\b.*"
_PLACEHOLDER = re.compile(
    rf"^\s*(?:{_COMMENT}\s*(?:\.{{3}}|…)\s*(?:{_LEFT_OUT}|\*/|-->)?|(?:\.{{3}}|…)\s*{_LEFT_OUT})\s*$|^(?:\.{{3}}|…)\s*$",
    re.IGNORECASE,
)
"""A line that stands for lines that the model left out."""


class Patch(Value, frozen=True):
    """A model's text as changes."""

    changes: list[Change]
    notes: list[str]
    """What was forgiven, one sentence each."""


def has_patch(text: str) -> bool:
    """Whether `text` has the form of a patch, good or bad."""
    try:
        return bool(scan(text))
    except PatchMalformed:
        return True


def parse_patch(text: str, read: Callable[[str], TextFile]) -> list[Change]:
    """The changes that `read_patch` finds, without its notes."""
    return read_patch(text, read).changes


def read_patch(text: str, read: Callable[[str], TextFile], shown: TextFile | None = None) -> Patch:
    """The patch in `text`; files are read by `read`, which refuses what may not be read.

    `shown` is the one file that the model saw whole: a lone code block that can only be meant for it is taken so.

    Raises PatchMalformed for what is no patch by the grammar, PatchConflict where a search is not found exactly once,
    PatchEmpty when nothing would change, and what `read` raises.
    """
    _refuse_unwritable(text)
    parts = scan(text)
    drafts = _Drafts(read)
    if not parts and shown and (whole := as_whole_file(text, shown)):
        drafts.notes.append(f"{shown.path}: a code block without a path was taken for the whole file.")
        parts = [whole]
    if not parts:
        raise PatchMalformed("The text holds no patch.", hint=HINT)
    for part in parts:
        drafts.take(part)
    changes = [draft.change() for draft in drafts.by_path.values() if draft.is_changed]
    if not changes:
        raise PatchEmpty("The patch changes nothing.", hint="Change at least one line.")
    return Patch(changes=changes, notes=drafts.notes)


@dataclass(slots=True)
class _Draft:
    """A file while the parts of a patch are applied to it."""

    path: str
    file: TextFile | None
    text: str | None
    """None as long as there is no file."""

    @property
    def is_changed(self) -> bool:
        return self.text != (self.file.text if self.file else None)

    @property
    def lines(self) -> list[str]:
        """The lines without their endings."""
        text = self.text or ""
        return text.removesuffix("\n").split("\n") if text else []

    def put(self, lines: Sequence[str]) -> None:
        """Replace all lines; whether the last one is ended stays as it is."""
        is_ended = not self.text or self.text.endswith("\n")
        self.text = "\n".join(lines) + ("\n" if is_ended and lines else "")

    def change(self) -> Change:
        """What the file becomes."""
        return Change(path=self.path, before_sha256=self.file.sha256 if self.file else None, after=self.text)


@dataclass(slots=True)
class _Drafts:
    """All files that a patch names, by their resolved paths, in order."""

    read: Callable[[str], TextFile]
    by_path: dict[str, _Draft] = field(default_factory=dict[str, _Draft])
    notes: list[str] = field(default_factory=list[str])

    def take(self, part: Part) -> None:
        """Apply one part."""
        draft = self._draft(part.path)
        if isinstance(part, WholeFile):
            self._replace_all(draft, part)
        else:
            self._replace(draft, part)

    def _draft(self, path: str) -> _Draft:
        try:
            file = self.read(path)
            fresh = _Draft(file.path, file, file.text)
        except MissingFile as error:
            fresh = _Draft(error.path or path, None, None)
        return self.by_path.setdefault(fresh.path, fresh)

    def _replace_all(self, draft: _Draft, part: WholeFile) -> None:
        old = draft.lines
        if len(part.lines) < len(old) and _is_within(part.lines, old):
            self.notes.append(f"{draft.path}: an excerpt of the file was passed over.")
            return
        left_out = next((line for line in part.lines if _PLACEHOLDER.match(line) and line not in old), None)
        if left_out is not None:
            raise PatchMalformed(
                f"{draft.path}: a line stands for lines that were left out: {left_out.strip()!r}.",
                hint="Write the file whole, or use a SEARCH/REPLACE block.",
            )
        if _loses_most(part.lines, old):
            raise PatchMalformed(
                f"{draft.path}: most of the file is missing from its new text.",
                hint="Write the file whole, or use a SEARCH/REPLACE block.",
            )
        draft.text = draft.text or ""
        draft.put(part.lines)

    def _replace(self, draft: _Draft, part: Block) -> None:
        if not any(line.strip() for line in part.search) and not (draft.text or "").strip():
            self._create(draft, part)
            return
        if draft.text is None:
            raise PatchConflict(
                f"There is no file {draft.path} to search in.",
                hint="Name a file that exists, or leave SEARCH empty to make a new one.",
            )
        if not part.search:
            raise PatchMalformed(
                f"{draft.path} is there already, and the SEARCH of line {part.line} is empty.",
                hint="Copy the lines that change into SEARCH.",
            )
        match = find(draft.path, draft.lines, part.search, part.replace)
        if match.note:
            self.notes.append(f"{draft.path}:{match.start + 1}: found but for {match.note}.")
        lines = draft.lines
        draft.put([*lines[: match.start], *match.lines, *lines[match.end :]])

    def _create(self, draft: _Draft, part: Block) -> None:
        if draft.text is None and not looks_like_path(part.path):
            raise PatchMalformed(
                f"Line {part.line} of the patch makes a file of no name: {part.path!r}.", hint=HINT
            )
        draft.text = draft.text or ""
        draft.put(part.replace)


def _is_within(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether `part` stands in `whole` as it is; an empty one does not count."""
    size = len(part)
    return size > 0 and any(list(whole[at : at + size]) == list(part) for at in range(len(whole) - size + 1))


def _loses_most(new: Sequence[str], old: Sequence[str]) -> bool:
    """Whether `new` is no rewriting of a long file but a small part of it."""
    before, after = (Counter(line.strip() for line in lines if line.strip()) for lines in (old, new))
    kept = (before & after).total()
    is_small = len(new) < (1 - KEPT_SHARE_MIN) * len(old)
    return len(old) >= CHECKED_LINES_MIN and is_small and kept < KEPT_SHARE_MIN * before.total()


def _refuse_unwritable(text: str) -> None:
    """Raise for characters that no text file holds."""
    bad = next((c for c in text if c == "\0" or "\ud800" <= c <= "\udfff"), None)
    if bad is not None:
        raise PatchMalformed(
            f"The patch holds the character {bad!r}, which is no text.", hint="Write plain text."
        )
