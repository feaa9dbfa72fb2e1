"""Every store is held to every promise of the journal."""

from pathlib import Path

import anyio
import pytest

from tests.conformance.journal import CHECKS, WAIT_S, Check, Place
from tests.conformance.places import SqlitePlace

PLACES = [SqlitePlace]


@pytest.mark.anyio
@pytest.mark.parametrize("place_type", PLACES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_store_keeps_the_promise(
    check: Check, place_type: type[SqlitePlace], tmp_path: Path
) -> None:
    place: Place = place_type(str(tmp_path / "home"))
    with anyio.fail_after(WAIT_S):
        await check(place)
