"""The servers of tools that editors lend at the moment, by session, so that they can be looked at and allowed.

A protocol server above says what a session's editor lends, and when it is gone. What is lent may hold secrets: it stays
in memory, and what it comes to is `definition`'s matter.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from naestro.types import Json


class Lent:
    """What is lent to all sessions that are open."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._sessions: dict[str, tuple[Path, Sequence[Mapping[str, Json]]]] = {}

    def lend(self, session: str, root: Path, servers: Sequence[Mapping[str, Json]]) -> None:
        """The editor of `session`, which works in the workspace `root`, lends these and no others."""
        self.take_back(session)
        if servers:
            self._sessions[session] = (root, tuple(servers))

    def take_back(self, session: str) -> None:
        """The editor of `session` lends nothing any more."""
        self._sessions.pop(session, None)

    def within(self, root: Path) -> list[Mapping[str, Json]]:
        """What is lent in the workspace `root`; of what several sessions have alike, the latest."""
        found: dict[str, Mapping[str, Json]] = {}
        for place, servers in self._sessions.values():
            if place == root:
                found |= {_told_apart_by(one): one for one in servers}
        return list(found.values())


def _told_apart_by(server: Mapping[str, Json]) -> str:
    return json.dumps([server.get(name) for name in ("name", "command", "args", "url")], default=str)
