"""The official conformance suite against the server, for both eras of the protocol.

The suite's exit code is not trusted: its checks are counted. What fails must be listed here with its reason.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acp.process.node import NotInstalled
from tests.mcp import node
from tests.mcp.desk import WAIT_S
from tests.support.cli import LEFT_OUT

ROOT = Path(__file__).resolve().parents[2]
TASKS = "the extension for tasks is not offered: a run is one, and `respond` goes on with it"
HEADERS = "no tool of Naestro repeats an argument in a header"
EXCEPTIONS: dict[str, str] = {
    "server-sse-priming-event": "a warning: streams cannot be resumed, the run's id is how one goes on",
    "server-sse-retry-field": "a warning: as above",
    "sep-2575-server-sends-prompts-list-changed-on-subscription": "a warning: the list of prompts never changes",
}
"""Checks that do not pass, each with its reason."""
LEFT_OUT_SCENARIOS = {"tasks-": TASKS}
"""Beginnings of the names of scenarios that are no part of what a server must do."""
PASSED_MIN = {"2025-11-25": 80, "2026-07-28": 150}
"""Checks that passed when this was written: fewer, and the suite has run less than it did."""


@pytest.fixture(scope="module")
def suite() -> None:
    """The suite, installed."""
    try:
        node.install()
    except NotInstalled as error:
        pytest.fail(f"This test needs the conformance suite from npm, which cannot be installed: {error}.")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server with the suite's fixtures."""
    folder = tmp_path_factory.mktemp("everything")
    env = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    env |= {
        "NAESTRO_HOME": str(folder / "home"),
        "NAESTRO_CACHE": str(folder / "cache"),
        "NAESTRO_INDEX__AUTOMATIC": "false",
    }
    command = [sys.executable, "-m", "tests.mcp.everything"]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/mcp"
        server.stdin.close()
        server.wait(WAIT_S)


@pytest.mark.slow
@pytest.mark.parametrize("revision", list(PASSED_MIN))
def test_the_suite_passes_but_for_what_is_listed(
    suite: None, url: str, tmp_path: Path, revision: str
) -> None:
    arguments = ["server", "--url", url, "--requirements", revision, "-o", tmp_path]
    done = node.run(node.CONFORMANCE, *arguments)
    checks = list(_checks(tmp_path))
    failed = {
        check["id"]: check.get("errorMessage")
        for check in checks
        if check["status"] in {"FAILURE", "WARNING"}
    }
    unexpected = {name: why for name, why in failed.items() if name not in EXCEPTIONS}
    assert unexpected == {}, done.stdout[-2000:]
    counts = Counter(check["status"] for check in checks)
    assert counts["SUCCESS"] >= PASSED_MIN[revision], (counts, done.stdout[-2000:], done.stderr[-2000:])


def _checks(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*/checks.json")):
        if not any(f"server-{name}" in file.parent.name for name in LEFT_OUT_SCENARIOS):
            yield from json.loads(file.read_text())
