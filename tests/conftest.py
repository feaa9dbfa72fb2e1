"""Fixtures that every test may use. It knows nothing of the core: what tests a package stands beside them."""

import pytest

pytest_plugins = ["tests.support.fixtures", "tests.support.models"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, the only event loop that Naestro is run on."""
    return "asyncio"
