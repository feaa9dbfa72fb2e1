"""The documents of protocol servers, as their `Documents` interface promises them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from naestro.client.api import Documents
from naestro.client.documents import VALUE_MAX_BYTES, JournalDocuments
from naestro.client.local import LocalClient
from naestro.errors import InputError, JournalCorrupt
from tests.client.stage import Flows, client_in
from tests.runs.flows import Text

pytestmark = pytest.mark.anyio


async def test_a_document_is_what_was_last_put(client: LocalClient) -> None:
    kept: Documents = client.documents
    assert await kept.get("s", "a") is None
    await kept.put("s", "a", {"title": "ü", "turns": [1, 2.5, None, True]})
    await kept.put("s", "b", ["other"])
    await kept.put("s", "a", None)
    await kept.put("s", "a", {"title": "new"})
    assert await kept.get("s", "a") == {"title": "new"}
    assert await kept.list("s") == [("a", {"title": "new"}), ("b", ["other"])]
    await kept.delete("s", "a")
    await kept.delete("s", "a")
    assert await kept.list("s") == [("b", ["other"])]


async def test_documents_outlive_the_process(tmp_path: Path, flows: Flows) -> None:
    async with client_in(tmp_path, flows) as client:
        await client.documents.put("s", "a", 1)
    async with client_in(tmp_path, flows) as client:
        assert await client.bound({}).documents.get("s", "a") == 1


async def test_a_struct_is_kept_as_json(client: LocalClient) -> None:
    await client.documents.put("s", "a", Text("said"))
    assert await client.documents.get("s", "a") == {"text": "said"}


async def test_a_document_that_is_too_large_is_refused_with_its_size(client: LocalClient) -> None:
    fits = "x" * (VALUE_MAX_BYTES - 2)
    await client.documents.put("s", "a", fits)
    with pytest.raises(
        InputError, match=r"The document s/a has 1,048,577 bytes; at most 1,048,576 are kept\."
    ):
        await client.documents.put("s", "a", fits + "x")
    assert await client.documents.get("s", "a") == fits


async def test_what_json_cannot_say_is_refused(client: LocalClient) -> None:
    with pytest.raises(InputError, match="cannot be written as JSON"):
        await client.documents.put("s", "a", object())
    assert await client.documents.list("s") == []


async def test_many_put_at_once_and_each_is_kept(client: LocalClient) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(64):
            tasks.start_soon(client.documents.put, "s", str(number), number)
    assert sorted(value for _, value in await client.documents.list("s")) == list(range(64))  # pyright: ignore[reportArgumentType]  # numbers were put


async def test_a_damaged_document_is_told(client: LocalClient, tmp_path: Path) -> None:
    await client.documents.put("s", "a", 1)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other, other:
        other.execute("UPDATE documents SET value = '{'")
    assert isinstance(client.documents, JournalDocuments)
    with pytest.raises(JournalCorrupt, match="s/a"):
        await client.documents.get("s", "a")
