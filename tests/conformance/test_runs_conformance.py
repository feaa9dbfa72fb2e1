"""Every store is held to the conformance suite of runs."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.conformance.places import SqlitePlace
from tests.conformance.runs import CHECKS, Place
from tests.runs.flows import after_crash

pytestmark = pytest.mark.anyio


class CrashingSqlitePlace(SqlitePlace):
    """The shipped journal; a crash leaves its committed transactions."""

    def crashed(self) -> Place:
        return CrashingSqlitePlace(str(after_crash(self.home, self.home.with_name("crashed"))))


@pytest.fixture(params=[CrashingSqlitePlace])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return request.param(str(tmp_path / "place"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
async def test_a_store_keeps_the_promises_of_runs(
    check: Callable[[Place], Awaitable[None]], place: Place
) -> None:
    await check(place)
