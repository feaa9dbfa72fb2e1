"""Servers of the ecosystem and the protocol's conformance suite, from npm, against Naestro's client.

`tests/toolbox/node/package-lock.json` pins the servers, `tests/mcp/node/package-lock.json` the suite. The suite's exit
code is not trusted: its checks are counted.
"""

import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from pydantic import SecretStr

from naestro.config import ToolsSettings
from naestro.errors import ToolError
from naestro.tools.servers.connection import Connection
from naestro.tools.servers.definition import Definition
from naestro.tools.servers.source import open_server
from naestro.tools.servers.way import Terms
from tests.acp.process.node import NotInstalled, install_in, node
from tests.mcp.node import FOLDER as SUITE_FOLDER
from tests.mcp.node import MODULES as SUITE

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
FOLDER = Path(__file__).parent / "node"
PACKAGES = FOLDER / "node_modules" / "@modelcontextprotocol"
ROOT = Path(__file__).parents[2]
LIMIT_S = 90.0
SCENARIO_S = 120
SETTINGS = ToolsSettings(start_s=60, call_s=20)

# Roots, which two checks of request-metadata ask for, are offered to no server.
SCENARIOS: Mapping[tuple[str, str], int] = {
    ("initialize", "2025-11-25"): 1,
    ("tools_call", "2025-11-25"): 2,
    ("sse-retry", "2025-11-25"): 3,
    ("json-schema-2020-12-preservation", "2025-11-25"): 4,
    ("tools_call", "2026-07-28"): 2,
    ("request-metadata", "2026-07-28"): 5,
    ("http-standard-headers", "2026-07-28"): 3,
    ("http-custom-headers", "2026-07-28"): 18,
    ("http-invalid-tool-headers", "2026-07-28"): 12,
    ("json-schema-ref-no-deref", "2026-07-28"): 1,
    ("json-schema-2020-12-preservation", "2026-07-28"): 7,
}
"""The suite's scenarios that the client is held to, each with the least number of checks that must succeed."""
NOT_RUN = {
    "auth/": "OAuth: a server's token comes from a variable or a header; nobody sits at a browser during a run",
    "elicitation-sep1034-client-defaults": "a tool asks nobody during a run, so the client does not say that it can",
    "sep-2322-client-request-state": "the same: its tools want an answer of a person",
    "sep-2640-": "an extension: skills",
}
"""Scenarios that are left out, by the beginning of their names, and why."""


@pytest.fixture(scope="module")
def npm() -> None:
    """The packages, installed."""
    try:
        install_in(FOLDER)
        install_in(SUITE_FOLDER)
    except NotInstalled as error:
        pytest.fail(f"This test needs servers of tools from npm, which cannot be installed: {error}.")


@asynccontextmanager
async def opened(root: Path, definition: Definition) -> AsyncIterator[Connection]:
    with anyio.fail_after(LIMIT_S):
        async with open_server(definition, Terms(SETTINGS, root)) as server:
            yield server


def program(package: str, root: Path, *arguments: str) -> Definition:
    script = PACKAGES / package / "dist" / "index.js"
    return Definition(
        name=package,
        origin="settings",
        root=root,
        command=str(node()),
        args=(str(script), *arguments),
        env={"MARK": SecretStr("mark-of-the-test")},
    )


async def test_the_filesystem_server_reads_inside_its_folder_and_refuses_the_rest(
    npm: None, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_text("hello from the file\n")
    (tmp_path / "secret.txt").write_text("outside")
    async with opened(tmp_path, program("server-filesystem", root, str(root))) as server:
        tools = {tool.name: tool for tool in await server.tools()}
        assert {"read_text_file", "list_directory", "write_file"} <= tools.keys()
        assert tools["read_text_file"].hints["read_only_hint"] is True
        assert server.listing.lost == {}
        text = (await server.call("read_text_file", {"path": str(root / "a.txt")})).text
        assert text == "hello from the file\n"
        outside = await server.call("read_text_file", {"path": str(tmp_path / "secret.txt")})
        assert outside.is_error
        assert "outside allowed directories" in outside.text
        wrong = await server.call("read_text_file", {"nonsense": 1})
        assert wrong.is_error


async def test_the_everything_server_is_called_with_all_its_kinds_of_results(
    npm: None, tmp_path: Path
) -> None:
    async with opened(tmp_path, program("server-everything", tmp_path)) as server:
        tools = [tool.name for tool in await server.tools()]
        assert "echo" in tools
        assert (await server.call("echo", {"message": "hi"})).text == "Echo: hi"
        assert "5" in (await server.call("get-sum", {"a": 2, "b": 3})).text
        assert "not shown" in (await server.call("get-tiny-image", {})).text
        environment = (await server.call("get-env", {})).text
        assert "********" in environment
        assert "mark-of-the-test" not in environment
        structured = await server.call("get-structured-content", {"location": "New York"})
        assert "temperature" in structured.text
        assert (await server.call("trigger-long-running-operation", {"duration": 1, "steps": 2})).text
        with pytest.raises(ToolError):
            await server.call("no-such-tool", {})


async def test_the_everything_server_is_called_over_http(npm: None, tmp_path: Path, http_server: str) -> None:
    definition = Definition(name="web", origin="settings", root=tmp_path, url=http_server)
    async with opened(tmp_path, definition) as server:
        assert (await server.call("echo", {"message": "hi"})).text == "Echo: hi"
        assert (await server.call("trigger-long-running-operation", {"duration": 1, "steps": 2})).text


@pytest.fixture
def http_server(npm: None) -> Iterator[str]:
    """The everything server on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = PACKAGES / "server-everything" / "dist" / "index.js"
    process = subprocess.Popen(
        [node(), script, "streamableHttp"],
        env={"PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if str(port).encode() in line:
                break
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("scenario", "version"), SCENARIOS)
def test_the_conformance_suite_is_content_with_the_client(
    scenario: str, version: str, npm: None, tmp_path: Path
) -> None:
    command = f"{sys.executable} -m tests.toolbox.conformance_client"
    done = subprocess.run(
        [
            *(node(), SUITE / "conformance" / "dist" / "index.js", "client", "--command", command),
            *("--scenario", scenario, "--spec-version", version, "-o", tmp_path, "--timeout", "60000"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SCENARIO_S,
        check=False,
    )
    (checks,) = tmp_path.glob("*/checks.json")
    counted = Counter(check["status"] for check in json.loads(checks.read_text()))
    assert counted["FAILURE"] == 0, done.stdout
    assert counted["SUCCESS"] >= SCENARIOS[scenario, version], done.stdout


def test_every_scenario_of_the_suite_is_run_or_has_a_reason(npm: None) -> None:
    listed = subprocess.run(
        [node(), SUITE / "conformance" / "dist" / "index.js", "list", "--client"],
        capture_output=True,
        text=True,
        timeout=SCENARIO_S,
        check=True,
    ).stdout
    names = [line.split()[1] for line in listed.splitlines() if line.startswith("  - ")]
    run = {scenario for scenario, _ in SCENARIOS}
    assert len(names) > 40
    assert [name for name in names if name not in run and not name.startswith(tuple(NOT_RUN))] == []
