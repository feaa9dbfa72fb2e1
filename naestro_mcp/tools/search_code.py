"""`search_code`: code that answers a question, or lines that a regular expression matches."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from naestro.client.api import Match, SearchReply
from naestro.errors import InputError
from naestro_mcp.options import READ
from naestro_mcp.tool import Call, Lines, Reply, Tool

LIMIT_MAX = 50
"""More are asked for by a better question."""


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What it takes."""

    query: Annotated[str, msgspec.Meta(max_length=4_000, description="Question, words, name or trace")] = ""
    regex: Annotated[str, msgspec.Meta(max_length=1_000, description="Instead: lines that match, RE2")] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)] = 10
    cursor: str = ""
    root: str = ""


class Hit(Lines, omit_defaults=True):
    """A place that was found."""

    symbol: str = ""
    why: str = ""


class Found(msgspec.Struct, omit_defaults=True):
    """What it gives."""

    results: Sequence[Lines]
    note: str = ""
    next_cursor: str = ""


async def search_code(call: Call, asked: Arguments) -> Reply:
    """The places, the best first; the lines by path."""
    if bool(asked.query.strip()) == bool(asked.regex):
        raise InputError("Give either query or regex.", hint="A question goes into query.")
    if asked.regex:
        matches = await call.host.client.index.grep(call.root, asked.regex, limit=asked.limit)
        return _reply(call, [_line(match) for match in matches], "")
    reply = await call.host.client.index.search(call.root, asked.query, limit=asked.limit)
    hits = [Hit(one.path, one.start, one.end, one.text, one.symbol, one.why) for one in reply.results]
    return _reply(call, hits, _note(reply))


def _reply(call: Call, hits: Sequence[Lines], note: str) -> Reply:
    rest = hits[call.place :]
    shown = rest[: call.fitting([hit.text for hit in rest])]
    place = call.place + len(shown)
    cursor = call.cursor(place) if place < len(hits) else ""
    value = Found(list(shown), note, cursor)
    return Reply(value, _text(value))


def _text(found: Found) -> str:
    parts = [_shown(hit) for hit in found.results] or ["Nothing was found."]
    more = f"next_cursor: {found.next_cursor}" if found.next_cursor else ""
    return _between(found).join(filter(None, [*parts, found.note, more]))


def _between(found: Found) -> str:
    return "\n" if found.results and not isinstance(found.results[0], Hit) else "\n\n"


def _shown(hit: Lines) -> str:
    if not isinstance(hit, Hit):
        return f"{hit.path}:{hit.start}: {hit.text}"
    about = " ".join(filter(None, [hit.symbol, f"({hit.why})" if hit.why else ""]))
    return f"{hit.path}:{hit.start}-{hit.end} {about}".rstrip() + f"\n{hit.text}"


def _line(match: Match) -> Lines:
    return Lines(match.path, match.line, match.line, match.text)


def _note(reply: SearchReply) -> str:
    """What a caller should know before relying on it."""
    unseen = f"{reply.unseen_files} files are not indexed yet." if reply.unseen_files else ""
    return " ".join(filter(None, [reply.detail, reply.note, unseen]))


TOOL = Tool(
    name="search_code",
    title="Search the code",
    description=(
        "Find code by meaning and words: what answers a question, defines a name, caused a stack "
        "trace. Best first, with file and lines. Use it before reading files."
    ),
    toolset=READ,
    arguments=Arguments,
    reply=Found,
    work=search_code,
    is_reading=True,
)
