"""Fixtures of the tests of runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from naestro.runs.journal import Journal
from tests.runs.flows import journal_in


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def journal(home: Path) -> AsyncIterator[Journal]:
    """A journal of its own for each test."""
    async with journal_in(home) as journal:
        yield journal
