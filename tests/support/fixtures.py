"""Fixtures of the scripted server for every test; named as a plug-in in `tests/conftest.py`."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.scripted_server import ScriptedServer


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """A fresh scripted engine on a loopback port; see the docstring of `tests.support.scripted_server`."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def scripted_program() -> Iterator[str]:
    """The base URL of a scripted engine in a process of its own, which answers `ok`."""
    command = [sys.executable, "-m", "tests.support.scripted_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        yield program.stdout.readline().strip()
        program.communicate(timeout=10)
