"""The prompt prefix that all roles of a run share, and the message that ends it with one role's own instruction.

Order: system, code context, task; then what only some steps read (proposals, findings); the role's instruction last.
Up to the task it is the same byte for byte for every role, so that an engine's prefix cache serves every step after
the first. Chat templates of local models refuse two user messages in a row: an engine's wire joins those that stand
here. Material from files and from models is fenced: it is data, whatever it says.
"""

import hashlib
from collections.abc import Sequence

from naestro.council.roles import instruction
from naestro.engines.engine import Message
from naestro.index.spans import Span
from naestro.tools.places import show_spans
from naestro.types import Value


class Prefix(Value, frozen=True):
    """What every message of a run begins with."""

    system: str
    body: str
    """The code context and the task; the beginning of the user message."""

    def ask(self, *parts: str) -> str:
        """The user message that goes on with `parts`, the last of them a role's instruction."""
        return "\n\n".join([self.body, *filter(None, parts)])

    def messages(self, user: str, material: str = "") -> list[Message]:
        """The chat of a request whose user message is `user`.

        It is cut after what other requests of the run share: the body, then `material`. An engine's wire joins the
        pieces again by a blank line; the embedded engine reads what stands before the last piece once for all.
        """
        pieces: list[str] = []
        for shared in (self.body, material):
            if shared and user.startswith(f"{shared}\n\n"):
                pieces.append(shared)
                user = user[len(shared) + 2 :]
        shown = [Message(role="user", content=piece) for piece in (*pieces, user)]
        return [Message(role="system", content=self.system), *shown]


def build_prefix(task: str, spans: Sequence[Span]) -> Prefix:
    """The prefix of a run on `task` with the code context `spans`."""
    context = fence("code", show_spans(spans)) if spans else "No code was found for this task."
    return Prefix(system=instruction("system"), body=f"# Code\n{context}\n\n# Task\n{task}")


def fence(name: str, text: str) -> str:
    """`text` between two marks that it cannot contain: they are derived from its own digest.

    The same text gets the same marks, so that a prefix stays the same byte for byte.
    """
    mark = _digest(text)
    while mark in text:
        mark = _digest(mark + text)
    return f"<<<{name} {mark}\n{text}\n{mark} {name}>>>"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
