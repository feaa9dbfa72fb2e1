"""Fixtures of the tests of the client."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from naestro.client.local import LocalClient
from tests.client.stage import Flows, client_in, short


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and models of nobody."""
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def flows() -> Flows:
    flows = Flows()
    flows.by_text["short"] = short
    return flows


@pytest.fixture
async def client(tmp_path: Path, flows: Flows) -> AsyncIterator[LocalClient]:
    async with client_in(tmp_path, flows) as client:
        yield client
