"""The smallest real model for tests: fetched once, kept in the cache folder outside the tree, checked by its SHA-256.

Where it cannot be fetched, the tests that need it fail and say why; they are never skipped in silence.
"""

from pathlib import Path

import anyio
import pytest

from naestro.config import load_settings
from naestro.engines.fetch import pull
from naestro.errors import NaestroError

SMALLEST = "smollm2-135m"


@pytest.fixture(scope="session")
def smallest_model() -> Path:
    """The file of the smallest model of the catalogue."""
    try:
        return anyio.run(pull, SMALLEST, load_settings(None).settings)
    except NaestroError as error:
        pytest.fail(
            f"This test needs the model {SMALLEST}, which cannot be fetched: {error.message} {error.hint}"
        )
