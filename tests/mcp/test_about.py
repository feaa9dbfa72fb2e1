"""The first answer, given before the SDK is there: it is what the SDK says a moment later."""

from pathlib import Path
from typing import Any

import pytest
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS

from naestro_mcp.about import VERSIONS, first_answer
from tests.mcp.desk import core_in, wired

pytestmark = pytest.mark.anyio


def opening(version: Any = "2025-11-25", **changes: Any) -> dict[str, Any]:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params | changes}


def test_the_versions_are_those_of_the_sdk() -> None:
    assert list(VERSIONS) == list(HANDSHAKE_PROTOCOL_VERSIONS)


async def test_the_first_answer_is_the_sdks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with core_in(tmp_path, "", monkeypatch) as core:
        for version in (*VERSIONS, "2026-07-28", "1999-01-01"):
            async with wired(core, tmp_path / "workspace") as wire:
                message = opening(version)
                await wire.send(**message)
                assert (await wire.receive())["result"] == first_answer(message)


@pytest.mark.parametrize(
    "message",
    [
        {"id": 1, "method": "ping"},
        {"id": None, **{key: value for key, value in opening().items() if key != "id"}},
        opening(7),
        opening(capabilities=[]),
        opening(capabilities={"roots": 5}),
        opening(clientInfo={"name": "x"}),
        opening(clientInfo=None),
        {**opening(), "params": []},
    ],
)
def test_what_is_not_plain_is_left_to_the_sdk(message: dict[str, Any]) -> None:
    assert first_answer(message) is None
