"""A user's home for each test, and the end of every process that was started in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.daemon.stage import Stage


@pytest.fixture
async def stage(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Stage]:
    """Relays and daemons of one user, with the scripted protocol as `acp`."""
    stage = Stage(tmp_path)
    try:
        yield stage
    finally:
        await stage.close()
