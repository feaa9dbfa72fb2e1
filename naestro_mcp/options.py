"""What the person's settings say of this server: which tools there are, how long an answer may be, and may take.

`host` above keeps them for a moment; below stands the client, which reads the settings. It decides nothing.
"""

from collections.abc import Mapping

import msgspec

READ, COUNCIL, APPLY = "read", "council", "apply"
"""The toolsets."""


class Options(msgspec.Struct, frozen=True):
    """The settings under `mcp_server`; see there."""

    toolsets: tuple[str, ...] = (READ, COUNCIL)
    page_tokens: int = 6_000
    answer_s: float = 45.0

    @classmethod
    def of(cls, settings: Mapping[str, tuple[str, str]]) -> "Options":
        """Out of `naestro.client.api.Machine.settings`: each setting by its dotted key, its value as JSON."""
        return msgspec.convert(
            {
                name: msgspec.json.decode(settings[key][0])
                for name in cls.__struct_fields__
                if (key := f"mcp_server.{name}") in settings
            },
            cls,
        )
