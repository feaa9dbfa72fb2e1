"""The methods of the control API for the code index, in the style of `api`, which takes them in.

Limits stand in the signatures for whoever reads the description; `naestro.client.indexing` refuses what is beyond them
in the same words for every door. Below stands `naestro.client`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from naestro.client.api import CallerClient, IndexStatus, MapReply, Match, Only, Place, SearchReply
from naestro.client.indexing import (
    BUDGET_MAX,
    BUDGET_MIN,
    NAME_CHARS_MAX,
    PATH_CHARS_MAX,
    PATTERN_CHARS_MAX,
    PLACES_MAX,
    QUERY_CHARS_MAX,
    RESULTS_MAX,
)
from naestro.daemon.context import Context, Environment, Folder, absolute
from naestro.daemon.methods import WrongParams

Query = Annotated[
    str, Meta(min_length=1, max_length=QUERY_CHARS_MAX, description="A question, words, or a name.")
]
Name = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_CHARS_MAX, description="A name: `append`, or `Journal.append`."),
]
FilePath = Annotated[
    str, Meta(min_length=1, max_length=PATH_CHARS_MAX, description="A file, from the workspace's root.")
]
Within = Annotated[
    str,
    Meta(
        max_length=PATH_CHARS_MAX,
        description="Only what lies in this file or folder, or matches this pattern as in `.gitignore`: `src/**/*.py`.",
    ),
]
Language = Annotated[
    str, Meta(max_length=NAME_CHARS_MAX, description="Only what is written in this language: `python`.")
]
Pattern = Annotated[
    str, Meta(min_length=1, max_length=PATTERN_CHARS_MAX, description="A regular expression for one line.")
]
Results = Annotated[int, Meta(ge=1, le=RESULTS_MAX, description="How many at most, the best first.")]
Places = Annotated[int, Meta(ge=1, le=PLACES_MAX, description="How many at most.")]
Budget = Annotated[int, Meta(ge=BUDGET_MIN, le=BUDGET_MAX, description="Tokens of the map, about.")]
Buffers = Annotated[
    dict[str, str | None] | None,
    Meta(description="Texts that an editor did not save, by path from the root; null: deleted there."),
]


class UpdateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /index/update`."""

    workspace: str
    rebuild: bool = False
    environment: dict[str, str] | None = None

    @classmethod
    def of(cls, body: bytes) -> "UpdateRequest":
        """Read one. Raises `WrongParams` for what is none, `InputError` for a folder that is not absolute."""
        try:
            request = msgspec.json.decode(body, type=cls)
        except (msgspec.DecodeError, RecursionError) as error:
            raise WrongParams(f"The body of the request is wrong: {error}.") from error
        absolute(request.workspace)
        return request

    def client(self, context: Context) -> CallerClient:
        """The client as the caller sees it."""
        return context.of(self.environment)


async def index_search(  # noqa: PLR0913, PLR0917  Each is a parameter of the method.
    context: Context,
    workspace: Folder,
    query: Query,
    limit: Results = 10,
    path: Within = "",
    language: Language = "",
    buffers: Buffers = None,
    environment: Environment = None,
) -> SearchReply:
    """Find the places that answer a question, the best first; never waits for an index run."""
    root = str(absolute(workspace))
    index, only = context.of(environment).index, Only(path, language)
    return await index.search(root, query, limit=limit, buffers=buffers or {}, only=only)


async def index_symbol(
    context: Context, workspace: Folder, name: Name, limit: Places = 50, environment: Environment = None
) -> list[Place]:
    """Say where a name is defined."""
    return await context.of(environment).index.symbol(str(absolute(workspace)), name, limit=limit)


async def index_references(
    context: Context, workspace: Folder, name: Name, limit: Places = 100, environment: Environment = None
) -> list[Place]:
    """Say where a name is used."""
    return await context.of(environment).index.references(str(absolute(workspace)), name, limit=limit)


async def index_outline(
    context: Context,
    workspace: Folder,
    path: FilePath,
    buffers: Buffers = None,
    environment: Environment = None,
) -> list[Place]:
    """Say what a file defines, from its top to its end."""
    root = str(absolute(workspace))
    return await context.of(environment).index.outline(root, path, buffers=buffers or {})


async def index_map(
    context: Context,
    workspace: Folder,
    budget_tokens: Budget = 2048,
    question: Annotated[str, Meta(max_length=QUERY_CHARS_MAX, description="What the map is for.")] = "",
    environment: Environment = None,
) -> MapReply:
    """Give the repository map: the files and signatures that matter most, within a budget of tokens."""
    root = str(absolute(workspace))
    return await context.of(environment).index.map(root, budget_tokens=budget_tokens, question=question)


async def index_grep(
    context: Context,
    workspace: Folder,
    pattern: Pattern,
    limit: Places = 200,
    buffers: Buffers = None,
    environment: Environment = None,
) -> list[Match]:
    """Give the lines that a regular expression matches, in time linear in the text."""
    root = str(absolute(workspace))
    return await context.of(environment).index.grep(root, pattern, limit=limit, buffers=buffers or {})


async def index_status(context: Context, workspace: Folder, environment: Environment = None) -> IndexStatus:
    """Say what the index of a workspace holds now."""
    return await context.of(environment).index.status(str(absolute(workspace)))


async def index_update(
    context: Context, workspace: Folder, rebuild: bool = False, environment: Environment = None
) -> IndexStatus:
    """Bring the index to what the disk says, and answer when that is done; `POST /index/update` tells how far it is."""
    root, index = str(absolute(workspace)), context.of(environment).index
    async with index.update(root, rebuild=rebuild) as steps:
        async for _ in steps:
            pass
    return await index.status(root)


INDEX_METHODS: Mapping[str, Callable[..., Awaitable[object]]] = {
    "index.search": index_search,
    "index.symbol": index_symbol,
    "index.references": index_references,
    "index.outline": index_outline,
    "index.map": index_map,
    "index.grep": index_grep,
    "index.status": index_status,
    "index.update": index_update,
}
"""The methods by name."""
