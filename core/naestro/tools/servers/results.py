"""What a server's tool gave, as one text: what a model can read of it, and a word on what it cannot.

`connection` above cuts it. Pure.
"""

from collections.abc import Iterator

import msgspec
from mcp_types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)


def text_of(result: CallToolResult) -> str:
    """The texts of a result, one below the other; its structured content where there is no text."""
    parts = [part for block in result.content if (part := _block(block))]
    if not parts and result.structured_content is not None:
        return msgspec.json.encode(result.structured_content).decode()
    return "\n".join(parts) or "The tool gave nothing."


def _block(block: object) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            kind = "image" if isinstance(block, ImageContent) else "sound"
            return f"[{kind} {block.mime_type}, {len(block.data) * 3 // 4:,} bytes, not shown]"
        case ResourceLink():
            return f"[resource {block.name}: {block.uri}]"
        case EmbeddedResource(resource=TextResourceContents() as inner):
            return f"[resource {inner.uri}]\n{inner.text}"
        case EmbeddedResource():
            return f"[resource {block.resource.uri}, not shown]"
        case _:
            return "[something that cannot be shown]"


def hints_of(annotations: object) -> Iterator[tuple[str, object]]:
    """The hints that a server gives about a tool, those that it says something of."""
    for name in ("read_only_hint", "destructive_hint", "idempotent_hint", "open_world_hint"):
        value = getattr(annotations, name, None)
        if value is not None:
            yield name, value
