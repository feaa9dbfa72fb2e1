"""A kind of resource: the addresses that it has, and the function that reads one of them.

`resources` makes them, `catalogue` lists them, `reading` finds the one that an address means. Nothing here knows one.
Addresses are templates of RFC 6570 at its simplest: `{name}` is one part, `{+path}` may have slashes.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

import mcp.types as wire

from naestro_mcp.tool import Call

_VARIABLE = re.compile(r"\\\{(?P<plus>\\\+)?(?P<name>\w+)\\\}")


@dataclass(frozen=True, slots=True)
class Content:
    """What a resource says."""

    text: str
    mime_type: str = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceKind:
    """One kind, or one resource where its template has no variable."""

    template: str
    name: str
    title: str
    description: str
    mime_type: str
    read: Callable[
        [Call, str], Awaitable[Content | list[wire.TextResourceContents | wire.BlobResourceContents]]
    ]
    """Given the variable's value; empty where there is none."""
    complete: Callable[[Call, str], Awaitable[list[str]]] | None = None
    """The values that begin so."""
    needs_workspace: bool = True
    is_watched: bool = False
    """Whether a client may subscribe to it."""

    @property
    def is_single(self) -> bool:
        """Whether it is one resource."""
        return "{" not in self.template

    def match(self, uri: str) -> str | None:
        """The variable's value in `uri`; None where it is of another kind."""
        pattern = _VARIABLE.sub(
            lambda found: "(.+)" if found["plus"] else "([^/]+)", re.escape(self.template)
        )
        found = re.fullmatch(pattern, uri, re.DOTALL)
        if found is None:
            return None
        return unquote(found[1]) if found.groups() else ""

    def shown(self) -> wire.Resource:
        """As the list of resources shows it."""
        return wire.Resource(
            uri=self.template,
            name=self.name,
            title=self.title,
            description=self.description,
            mime_type=self.mime_type,
        )

    def shown_template(self) -> wire.ResourceTemplate:
        """As the list of templates shows it."""
        return wire.ResourceTemplate(
            uri_template=self.template,
            name=self.name,
            title=self.title,
            description=self.description,
            mime_type=self.mime_type,
        )
