"""What a workspace's file may set before the person trusts that workspace.

`config` above asks it for each value of a workspace's `naestro.toml`; below it stands `config_sources`. The rule is
a list of what is allowed: a key that nobody thought of needs trust. It does not know who is trusted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from naestro.config_sources import Entries, Entry, KeyPath, Source, dotted

UNTRUSTED_MAY_SET: tuple[KeyPath, ...] = (
    ("council", "*"),
    ("roles", "*", "temperature"),
    ("roles", "*", "max_tokens"),
    ("timeouts", "*"),
    ("index", "automatic"),
)
"""Nothing that spends money, sends data out, runs programs or deletes. Two more keys are judged by their value:
`isolated = true`, and `roles.*.engines` as long as it names models on this machine."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A value of the workspace's file that does not count."""

    key: str
    source: Source
    reason: str
    """One sentence."""
    needs_trust: bool
    """Whether `naestro trust` makes it count."""


def ignored_values(given: Entries, others: Entries, *, is_trusted: bool) -> Iterator[Ignored]:
    """Each value of `given`, the workspace's file, that does not count; `others` are the person's own values."""
    for path, entry in given.items():
        key = dotted(path)
        if not is_trusted and not _is_allowed(path, entry.value, others):
            reason = f"The {entry.source} sets {key}, which only a trusted workspace may set."
            yield Ignored(key, entry.source, reason, needs_trust=True)
        elif path == ("isolated",) and entry.value is False and _person_isolates(others):
            reason = (
                f"The {entry.source} sets isolated = false, and a workspace cannot switch isolation mode off."
            )
            yield Ignored(key, entry.source, reason, needs_trust=False)


def _is_allowed(path: KeyPath, value: object, others: Entries) -> bool:
    if path == ("isolated",):
        return value is True
    if value == {}:
        return (
            path[0] != "engines" or len(path) == 1
        )  # an empty table sets nothing; under `engines` it is an engine
    if _matches(path, ("roles", "*", "engines")):
        elsewhere = _elsewhere(others)  # an empty list takes every engine, these too
        return isinstance(value, list) and not (
            any(name in value for name in elsewhere) if value else elsewhere
        )
    return any(_matches(path, allowed) for allowed in UNTRUSTED_MAY_SET)


def _matches(path: KeyPath, pattern: KeyPath) -> bool:
    return len(path) == len(pattern) and all(
        want in ("*", name) for want, name in zip(pattern, path, strict=True)
    )


def _elsewhere(others: Entries) -> set[str]:
    """The person's engines that are no models on this machine."""
    engines = {path[1] for path in others if path[0] == "engines" and len(path) > 1}
    return {name for name in engines if not _is_embedded(others.get(("engines", name, "kind")))}


def _is_embedded(kind: Entry | None) -> bool:
    return kind is not None and kind.value == "embedded"


def _person_isolates(others: Entries) -> bool:
    entry = others.get(("isolated",))
    return entry is not None and entry.value is True
