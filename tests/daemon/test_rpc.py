"""The methods of the control API over HTTP, and what becomes of requests that are wrong."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from naestro import errors
from naestro.client.api import EngineStatus
from naestro.client.local import LocalClient
from naestro.daemon.api import METHODS
from naestro.daemon.methods import method_of
from naestro.daemon.rpc_errors import CODES, error_body
from naestro.errors import NaestroError, RunStateError
from tests.client.stage import Flows, Gate, asking, behind, client_in, short
from tests.daemon.web import Web, served

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def core(tmp_path: Path, gate: Gate) -> AsyncIterator[LocalClient]:
    flows = Flows()
    flows.by_text |= {"short": short, "behind": behind(gate), "asking": asking}
    async with client_in(tmp_path / "journal", flows) as client:
        yield client


@pytest.fixture
async def web(core: LocalClient, tmp_path: Path) -> AsyncIterator[Web]:
    async with served(core, tmp_path) as web:
        yield web


def command(text: str) -> dict[str, object]:
    return {"name": "explain", "task": {"text": text}, "workspace": "/w", "origin": "http"}


async def begun(web: Web, text: str) -> str:
    return (await web.rpc("runs.start", command=command(text)))["run"]


async def over(web: Web, run: str) -> str:
    """Wait until nobody works on a run; its status."""
    async with web.own.stream("GET", f"/runs/{run}/events") as stream:
        async for _ in stream.aiter_raw():
            pass
    return (await web.rpc("runs.get", run=run))["status"]


async def test_a_run_is_started_followed_and_read_by_its_methods(web: Web) -> None:
    run = await begun(web, "short")
    assert await over(web, run) == "finished"
    history = await web.rpc("runs.history", run="last")
    assert [event["seq"] for event in history] == list(range(1, len(history) + 1))
    assert await web.rpc("runs.history", run=run, after=len(history) - 1) == history[-1:]
    result = await web.rpc("runs.artifact", digest=history[-1]["data"]["result"])
    assert b"HELLO" in base64.b64decode(result["data"])
    assert [one["id"] for one in await web.rpc("runs.list")] == [run]
    assert await web.rpc("runs.list", workspace="/elsewhere") == []


async def test_a_run_is_paused_resumed_and_cancelled(web: Web, gate: Gate) -> None:
    run = await begun(web, "behind")
    await gate.came.wait()
    assert (await web.rpc("daemon.info"))["working"] == [run]
    assert await web.rpc("runs.pause", run=run) == {}
    assert (await web.rpc("runs.get", run=run))["status"] == "stopped"
    gate.came = anyio.Event()
    assert await web.rpc("runs.resume", run=run, environment={}) == {"run": run}
    await gate.came.wait()
    assert await web.rpc("runs.cancel", run=run, reason="enough") == {}
    assert (await web.rpc("runs.get", run=run))["status"] == "cancelled"


async def test_a_question_is_answered_and_steps_are_patched_rerun_forked_and_compared(web: Web) -> None:
    asked = await begun(web, "asking")
    while (await web.rpc("runs.get", run=asked))["status"] != "waiting":
        await anyio.lowlevel.checkpoint()
    opened = next(e for e in await web.rpc("runs.history", run=asked) if e["type"] == "interrupt.opened")
    interrupt = opened["data"]["interrupt"]
    assert await web.rpc("runs.respond", run=asked, interrupt=interrupt, answer="left") == {}
    assert await over(web, asked) == "finished"

    run = await begun(web, "short")
    await over(web, run)
    assert (await web.rpc("runs.patch", run=run, step="one", target="output", text='"bye"'))["revision"] == 2
    assert (await web.rpc("runs.rerun", run=run, step="two"))["step"] == "two"
    new = (await web.rpc("runs.fork", run=run, at="two"))["run"]
    replayed = (await web.rpc("runs.replay", run=asked))["run"]
    assert len({run, new, replayed}) == 3
    assert {one["step"] for one in await web.rpc("runs.compare", before=run, after=new)} >= {"result"}
    pruned = await web.rpc("runs.prune", keep_days=0, dry_run=True)
    assert pruned["is_dry_run"] is True


async def test_engines_models_settings_and_workspaces_are_told(web: Web, tmp_path: Path) -> None:
    assert (await web.rpc("engines.list", workspace="/w"))[0]["name"] == "e"
    assert "smollm2-135m" in {model["name"] for model in await web.rpc("models.list")}
    (one,) = await web.rpc("config.get", workspace=str(tmp_path), key="council.proposers")
    assert one["source"] == "default"
    named = {"NAESTRO_COUNCIL__PROPOSERS": "7"}
    (one,) = await web.rpc("config.get", workspace=str(tmp_path), key="council.proposers", environment=named)
    assert (one["value"], one["source"]) == ("7", "environment variable NAESTRO_COUNCIL__PROPOSERS")
    assert len(await web.rpc("config.get", workspace=str(tmp_path))) > 20
    assert (await web.error("config.get", {"workspace": str(tmp_path), "key": "nope"}))["code"] == -32020

    await over(web, run := await begun(web, "short"))
    assert await web.rpc("workspaces.list") == [
        {"root": "/w", "is_trusted": False, "runs": 1, "last_run": run}
    ]
    opened = await web.rpc("workspaces.open", path=str(tmp_path))
    assert (opened["root"], opened["runs"]) == (str(tmp_path), 0)
    for wrong in ("relative", "/a\0b"):
        assert (await web.error("workspaces.open", {"path": wrong}))["data"]["type"] == "InputError"


async def test_an_error_carries_its_class_code_and_hint(web: Web) -> None:
    run = await begun(web, "short")
    await over(web, run)
    error = await web.error("runs.resume", {"run": run})
    assert error["code"] == CODES[RunStateError]
    assert error["data"] == {
        "type": "RunStateError",
        "code": "run_state",
        "message": f"The run {run} has finished.",
        "hint": f"Re-run a step (`naestro rerun {run} STEP`), patch one, or fork the run.",
    }
    undone = await web.error("runs.undo", {"run": run})
    assert undone["data"]["type"] == "RunStateError"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "missing required field `run`"),
        ({"run": 1}, "Expected `str`, got `int` - at `$.run`"),
        ({"run": "a", "more": 1}, "unknown field `more`"),
        ([1], "Expected `str`, got `int` - at `$.run`"),
        (["a", 0, 1], "runs.history takes at most 2 params, not 3."),
        (["a", -1], ">= 0"),
    ],
)
async def test_wrong_params_are_told_in_one_sentence(web: Web, params: object, words: str) -> None:
    error = await web.error("runs.history", params)
    assert error["code"] == -32602
    assert words in error["message"]
    assert error["message"].endswith(".")


async def test_params_may_be_given_by_place(web: Web) -> None:
    run = await begun(web, "short")
    answer = await web.post({"jsonrpc": "2.0", "id": "x", "method": "runs.get", "params": [run]})
    assert (answer.json()["id"], answer.json()["result"]["id"]) == ("x", run)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b'{"jsonrpc": "2.0", "method"', -32700),
        (b"[" * 100_000, -32700),
        (b"\xff\xfe", -32700),
        (b"[]", -32600),
        (b"1", -32600),
        (b'{"jsonrpc": "1.0", "method": "runs.get", "id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "method": 1, "id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "method": "runs.get", "id": {}}', -32600),
        (b'{"jsonrpc": "2.0", "method": "runs.get", "params": 1, "id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "method": "no.such", "id": 1}', -32601),
    ],
)
async def test_what_is_no_request_gets_the_error_of_the_standard(web: Web, body: bytes, code: int) -> None:
    answer = await web.own.post("/rpc", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, code)


async def test_a_notification_is_done_and_not_answered(web: Web, gate: Gate) -> None:
    run = await begun(web, "behind")
    await gate.came.wait()
    answer = await web.post({"jsonrpc": "2.0", "method": "runs.cancel", "params": {"run": run}})
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await web.rpc("runs.get", run=run))["status"] == "cancelled"


async def test_a_batch_is_answered_request_by_request(web: Web) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "daemon.info"},
        5,
        {"jsonrpc": "2.0", "method": "daemon.info"},
        {"jsonrpc": "2.0", "id": 2, "method": "runs.get", "params": {"run": "zz"}},
    ]
    first, second, third = (await web.post(batch)).json()
    assert (first["id"], first["result"]["pid"] > 0) == (1, True)
    assert (second["id"], second["error"]["code"]) == (None, -32600)
    assert (third["id"], third["error"]["data"]["type"]) == (2, "NotInJournal")
    silent = await web.post([{"jsonrpc": "2.0", "method": "daemon.info"}])
    assert (silent.status_code, silent.content) == (204, b"")


async def test_a_defect_ends_its_own_request_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(workspace: str) -> list[EngineStatus]:
        raise KeyError(workspace)

    async with (
        client_in(tmp_path / "journal", Flows(), engines=broken) as core,
        served(core, tmp_path) as web,
    ):
        error = await web.error("engines.list", {"workspace": "/w"})
        assert error["code"] == -32603
        assert "engines.list failed" in caplog.text
        assert (await web.rpc("daemon.info"))["version"] == "1.2.3"


async def test_the_api_describes_itself(web: Web) -> None:
    document = await web.rpc("rpc.discover")
    assert document["openrpc"].startswith("1.")
    described = {method["name"]: method for method in document["methods"]}
    assert set(described) == {*METHODS, "rpc.discover"}
    start = described["runs.start"]
    assert [(one["name"], one["required"]) for one in start["params"]] == [
        ("command", True),
        ("environment", False),
    ]
    assert all(method["summary"] for method in described.values())
    assert document["components"]["errors"]["RunStateError"]["code"] == CODES[RunStateError]
    assert _refs(document) <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def _refs(part: object) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(_refs, part.values()))
    return set().union(*map(_refs, part)) if isinstance(part, list) else set()


def _tree(kind: type[NaestroError]) -> set[type[NaestroError]]:
    return {kind}.union(*map(_tree, kind.__subclasses__()))


def test_every_error_has_a_number_of_its_own_in_the_range_of_servers() -> None:
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, NaestroError)
    }
    assert set(CODES) == defined
    assert len(set(CODES.values())) == len(CODES)
    assert all(-32099 <= code <= -32000 for code in CODES.values())


def test_the_numbers_of_errors_stay_what_they_are() -> None:
    assert list(CODES.values()) == [-32000 - number for number in range(len(CODES))]
    assert CODES[errors.InputError] == -32001
    assert CODES[errors.NotInJournal] == -32020
    assert CODES[errors.DaemonRefused] == -32043


def test_an_error_from_elsewhere_goes_as_the_nearest_class_that_has_a_number() -> None:
    class Closer(RunStateError):
        code = "closer"

    body = error_body(Closer("It is so."))
    assert (body.code, body.data.type, body.data.code) == (CODES[RunStateError], "RunStateError", "closer")


def test_a_method_is_described_by_its_signature_alone() -> None:
    async def add(context: object, left: int, right: int = 2) -> int:
        """Add."""
        return left + right

    method = method_of("sums.add", add)
    assert (method.decode({"left": 1}), method.decode([3, 4])) == (
        {"left": 1, "right": 2},
        {"left": 3, "right": 4},
    )
