"""Engines that answer and that mend, for councils that are asked over MCP."""

import pytest

from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import PATCH, answer_schema, proposes


@pytest.fixture
def answering(scripted_server: ScriptedServer) -> ScriptedServer:
    """Proposals that differ, no finding, a judge for the first."""
    scripted_server.otherwise(lambda request: f"It adds two numbers (calc.py:4-6). Variant {request.number}.")
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server


@pytest.fixture
def patching(scripted_server: ScriptedServer) -> ScriptedServer:
    """Proposers that all mend the file in the same way."""
    scripted_server.otherwise(PATCH)
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server
