"""A home, a scripted engine and a workspace for each test; one daemon for all tests that do not harm it."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acp.process.node import NotInstalled, install
from tests.acp.process.stage import Stage
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import PATCH, answer_schema, proposes

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def npm_clients() -> None:
    """The ACP clients from npm, installed."""
    try:
        install()
    except NotInstalled as error:
        pytest.fail(f"This test needs the ACP clients from npm, which cannot be installed: {error}.")


@pytest.fixture(scope="package")
def shared_stage() -> Iterator[Stage]:
    """A home whose daemon serves the tests of this folder, each with an engine of its own."""
    with _short_folder() as folder, Stage(Path(folder)) as stage:
        yield stage


@pytest.fixture
def stage(shared_stage: Stage, scripted_server: ScriptedServer) -> Stage:
    """The shared home, with this test's engine; nobody may harm its daemon."""
    shared_stage.use_engine(scripted_server.base_url)
    return shared_stage


@pytest.fixture
def own_stage(scripted_server: ScriptedServer) -> Iterator[Stage]:
    """A home with this test's engine, and a daemon that may be killed."""
    with _short_folder() as folder, Stage(Path(folder)) as stage:
        stage.use_engine(scripted_server.base_url)
        yield stage


@pytest.fixture
def workspace(stage: Stage) -> Path:
    """A workspace of this test's own."""
    return stage.workspace(f"workspace-{next(_numbers)}")


@pytest.fixture
def answering(scripted_server: ScriptedServer) -> ScriptedServer:
    """The engine of a question: proposals that differ, no finding, a judge for the first."""
    scripted_server.otherwise(
        lambda request: f"The function adds two numbers (calc.py:4-6). Variant {request.number}."
    )
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server


@pytest.fixture
def patching(scripted_server: ScriptedServer) -> ScriptedServer:
    """The engine whose proposers all mend `calc.py` in the same way."""
    scripted_server.otherwise(PATCH)
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server


def _short_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder whose path leaves room for a socket's name, as a home's does."""
    return tempfile.TemporaryDirectory(prefix="naestro-", ignore_cleanup_errors=True)
