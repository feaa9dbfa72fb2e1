"""Fixtures that every test may use. It knows nothing of the core: what tests a package stands beside them."""

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # what a test takes is measured in `bench`
settings.load_profile("untimed")

pytest_plugins = ["tests.support.fixtures", "tests.support.models"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, the only event loop that Naestro is run on."""
    return "asyncio"
