"""What protocol servers keep over restarts: small JSON documents in the journal's file.

It implements `Documents` of `api` for the process that holds the journal; below stand the journal and its table of
documents. It knows no protocol and no collection by name.
"""

import msgspec

from naestro.errors import InputError, JournalCorrupt
from naestro.runs.documents import Delete, Put
from naestro.runs.journal import Journal
from naestro.types import Json, encode

VALUE_MAX_BYTES = 1_048_576
"""A session with a long talk in it has some 100 kB; what is larger belongs into a run."""


class JournalDocuments:
    """`naestro.client.api.Documents` over a journal that this process holds."""

    def __init__(self, journal: Journal) -> None:
        """Keep them in the file of `journal`."""
        self._journal = journal

    async def put(self, collection: str, key: str, value: Json) -> None:
        """Keep `value` under `key`, in place of what was there; durable when this returns.

        Raises:
            InputError: It is larger than `VALUE_MAX_BYTES` as JSON, or JSON cannot say it; what was there stays.
            JournalError: It could not be stored; what was there stays.
        """
        try:
            raw = encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InputError(
                f"The document {collection}/{key} cannot be written as JSON: {error}."
            ) from error
        if len(raw) > VALUE_MAX_BYTES:
            raise InputError(
                f"The document {collection}/{key} has {len(raw):,} bytes; at most {VALUE_MAX_BYTES:,} are kept.",
                hint="Keep less in it: what a run said can be read from the run.",
            )
        await self._journal.apply(Put(collection, key, raw))

    async def get(self, collection: str, key: str) -> Json | None:
        """What lies under `key`; None where nothing does."""
        raw = await self._journal.read(self._journal.reader.document, collection, key)
        return None if raw is None else _decoded(collection, key, raw)

    async def list(self, collection: str) -> list[tuple[str, Json]]:
        """All of a collection as (key, value), the latest put first."""
        rows = await self._journal.read(self._journal.reader.documents, collection)
        return [(key, _decoded(collection, key, raw)) for key, raw in rows]

    async def delete(self, collection: str, key: str) -> None:
        """Remove what lies under `key`, if anything does."""
        await self._journal.apply(Delete(collection, key))


def _decoded(collection: str, key: str, raw: bytes) -> Json:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise JournalCorrupt(
            f"The journal is damaged: the document {collection}/{key} cannot be read."
        ) from error
