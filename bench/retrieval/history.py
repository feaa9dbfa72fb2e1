"""A git history beside the benchmark: what a commit says, and what it changed.

The messages are other people's text: they are read where a clone lies at hand and kept nowhere.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

GIT_S = 60
QUESTION_CHARS_MAX = 400
"""A longer message tells the whole story of the change; a person asks in a few lines."""

_TRAILER = re.compile(
    r"^(?:[A-Z][A-Za-z-]+-by|co-authored-by|change-id|closes|fixes|fixed|resolves|refs?|references|see|issue|"
    r"pull request|pr|ticket|cherry.picked|\(cherry)\b[: ].*$",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBER = re.compile(
    r"\(?(?:\b(?:gh|issues?|pr|pull request|ticket|bpo)[ -]?)?#\d+\)?|\b(?:gh|bpo|issue)-?\d+\b"
    r"|:(?:issue|pr|ticket|gh):`\d+`",
    re.IGNORECASE,
)
_NO_SENTENCE = re.compile(r"\s*(?:[*#<>|`-]|\d+[.)]|Co-authored-by|Signed-off-by)")
"""How a list, a heading, a table or code begins: what a squashed branch leaves behind is no question."""
_ADDRESS = re.compile(r"\w+://\S+")
_PREFIX = re.compile(
    r"^(?:\[[^\]]{1,40}\]\s*)+|^(?:fix|feat|perf|refactor|chore|docs|test|build|ci)(?:\([^)]*\))?!?:\s*"
)


@dataclass(frozen=True, slots=True)
class History:
    """A clone of one repository."""

    folder: Path

    @classmethod
    def of(cls, histories: Path, repository: str) -> "History | None":
        """The clone of `owner/name` among `histories`, or None: as `name`, `owner+name` or `owner/name`."""
        names = (repository.partition("/")[2], repository.replace("/", "+"), repository)
        for name in names:
            for folder in (histories / name, histories / name / "repo", histories / name / "repo" / ".git"):
                if (folder / "HEAD").exists() or (folder / ".git").exists():
                    return cls(folder)
        return None

    def git(self, *arguments: str) -> bytes:
        """What git answers; raises `CalledProcessError`."""
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, timeout=GIT_S).stdout

    def question(self, commit: str) -> str:
        """What a commit's message says, without numbers, addresses and trailers."""
        return asked_by(self.git("log", "-1", "--format=%s%n%b", commit).decode(errors="replace"))


def asked_by(message: str) -> str:
    """The subject and the first paragraph of a message that is a sentence, cleaned."""
    subject, _, body = message.strip().partition("\n")
    said = (part for part in body.strip().split("\n\n") if part and not _NO_SENTENCE.match(part))
    text = f"{_PREFIX.sub('', subject.strip())}\n{next(said, '')}"
    for pattern in (_ADDRESS, _TRAILER, _NUMBER):
        text = pattern.sub(" ", text)
    return " ".join(text.split())[:QUESTION_CHARS_MAX]
