"""Streams of events over HTTP: numbered, resumable, alive, and never a brake on a run."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from naestro.client.local import LocalClient
from naestro.errors import JournalCorrupt
from naestro.runs.run import Run
from tests.client.stage import Flows, Gate, behind, client_in, command, short
from tests.daemon.web import Web, served
from tests.runs.flows import Text, calls, spec

pytestmark = pytest.mark.anyio
PIECES = 5_000
PIECE = "x" * 1_000


class Broken(LocalClient):
    """A core whose journal is damaged once somebody follows."""

    async def history(self, run: str, after: int = 0):
        raise JournalCorrupt("It is damaged.")


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "user"))


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def talkative(run: Run) -> Text:
    return Text(await run.step(spec("one"), calls(*[PIECE] * PIECES), str))


@pytest.fixture
async def core(tmp_path: Path, gate: Gate) -> AsyncIterator[LocalClient]:
    flows = Flows()
    flows.by_text |= {"short": short, "behind": behind(gate), "talkative": talkative}
    async with client_in(tmp_path / "journal", flows) as client:
        yield client


@pytest.fixture
async def web(core: LocalClient, tmp_path: Path) -> AsyncIterator[Web]:
    async with served(core, tmp_path) as web:
        yield web


def parsed(text: str) -> list[tuple[str | None, str, Any]]:
    """Each event of a stream: its id, its name, its data."""
    found: list[tuple[str | None, str, Any]] = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields.get("id"), fields["event"], msgspec.json.decode(fields["data"])))
    return found


async def events(web: Web, path: str, **headers: str) -> list[tuple[str | None, str, Any]]:
    """A stream that ends."""
    answer = await web.own.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return parsed(answer.text)


async def test_a_run_streams_its_events_with_their_numbers_and_then_its_end(
    web: Web, core: LocalClient
) -> None:
    run = await core.start(command("short"))
    found = await events(web, f"/runs/{run}/events")
    numbered = [(one, data) for one, _, data in found if one is not None]
    assert [int(one) for one, _ in numbered] == list(range(1, len(numbered) + 1))
    assert [data["seq"] for _, data in numbered] == [int(one) for one, _ in numbered]
    assert all(name == data["type"] for one, name, data in found if one is not None)
    assert found[-1] == (None, "end", {"run": run, "status": "finished", "last_seq": len(numbered)})


async def test_text_comes_at_once_without_a_number(web: Web, core: LocalClient, gate: Gate) -> None:
    run = await core.start(command("behind"))
    received = ""
    async with web.own.stream("GET", f"/runs/{run}/events") as stream:
        async for piece in stream.aiter_text():
            received += piece
            if gate.came.is_set():
                gate.goes.set()
    deltas = [(one, data) for one, name, data in parsed(received) if name == "delta"]
    assert all(one is None and data["run"] == run for one, data in deltas)
    texts = "".join(data["data"]["text"] for _, name, data in parsed(received) if name == "tokens")
    assert texts == "HELLO"


async def test_a_reader_that_comes_back_misses_nothing_and_gets_nothing_twice(
    web: Web, core: LocalClient
) -> None:
    run = await core.start(command("short"))
    whole = [one for one in await events(web, f"/runs/{run}/events") if one[0] is not None]
    assert await events(web, f"/runs/{run}/events?after=3") == [*whole[3:], _end(run, len(whole))]
    by_header = await events(web, f"/runs/{run}/events?after=1", **{"Last-Event-ID": "5"})
    assert by_header == [*whole[5:], _end(run, len(whole))]


def _end(run: str, last_seq: int) -> tuple[None, str, Any]:
    return None, "end", {"run": run, "status": "finished", "last_seq": last_seq}


async def test_without_following_what_is_recorded_is_given_while_the_run_goes_on(
    web: Web, core: LocalClient, gate: Gate
) -> None:
    run = await core.start(command("behind"))
    await gate.came.wait()
    found = await events(web, f"/runs/{run}/events?follow=false")
    assert found[0][1] == "run.started"
    assert found[-1][1:] == ("end", {"run": run, "status": "running", "last_seq": int(found[-2][0] or 0)})


async def test_a_stream_that_has_nothing_to_say_shows_that_it_lives(
    web: Web, core: LocalClient, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WS_HEARTBEAT_MS", "100")
    run = await core.start(command("behind"))
    await gate.came.wait()
    received = ""
    async with web.own.stream("GET", f"/runs/{run}/events") as stream:
        async for piece in stream.aiter_text():
            received += piece
            if received.count(": still here") == 2:
                gate.goes.set()
    assert received.count(": still here") >= 2
    assert parsed(received)[-1][1] == "end"


async def test_a_reader_that_reads_nothing_holds_up_no_run_and_then_gets_every_event(
    web: Web, core: LocalClient
) -> None:
    run = await core.start(command("talkative"))
    async with await anyio.connect_unix(web.path) as reader:
        await reader.send(f"GET /runs/{run}/events HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        async with core.events(run) as items:
            async for _ in items:
                pass
        assert (await core.get(run)).status == "finished"
        received = b""
        try:
            while True:
                received += await reader.receive()
        except anyio.EndOfStream:
            pass
    found = parsed(received.partition(b"\r\n\r\n")[2].decode())
    numbers = [int(one) for one, _, _ in found if one is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    tokens = "".join(data["data"]["text"] for _, name, data in found if name == "tokens")
    assert len(tokens) == PIECES * len(PIECE)
    assert found[-1][1] == "end"


async def test_all_runs_come_in_one_stream_by_their_global_numbers(web: Web, core: LocalClient) -> None:
    first, second = await core.start(command("short")), await core.start(command("short"))

    async def until_both_ended(path: str, **headers: str) -> list[tuple[str | None, str, Any]]:
        received, ended = "", set[str]()
        async with web.own.stream("GET", path, headers=headers) as stream:
            async for piece in stream.aiter_text():
                received += piece
                whole = received.rpartition("\r\n\r\n")[0]
                ended = {data["run"] for _, name, data in parsed(whole) if name == "run.finished"}
                if ended >= {first, second}:
                    return parsed(whole)
        raise AssertionError(ended)

    found = await until_both_ended("/events")
    numbers = [int(one or 0) for one, _, _ in found]
    assert numbers == sorted(set(numbers))
    assert {data["run"] for _, _, data in found} == {first, second}
    again = await until_both_ended("/events", **{"Last-Event-ID": str(numbers[1])})
    assert again == found[2:]


@pytest.mark.parametrize(
    "path",
    ["/runs/{run}/events?after=x", "/events?after=-1", "/events?after=" + "9" * 30, f"/events?after={2**63}"],
)
async def test_what_is_no_number_of_an_event_is_refused(web: Web, core: LocalClient, path: str) -> None:
    run = await core.start(command("short"))
    answer = await web.own.get(path.format(run=run))
    assert (answer.status_code, "is no number of an event" in answer.text) == (400, True)


async def test_an_unknown_run_is_an_error_and_no_stream(web: Web) -> None:
    answer = await web.own.get("/runs/nope/events")
    assert (answer.status_code, answer.json()["error"]["data"]["type"]) == (404, "NotInJournal")


async def test_an_error_in_the_middle_of_a_stream_ends_it_and_is_told(
    web: Web, core: LocalClient, tmp_path: Path
) -> None:
    run = await core.start(command("short"))
    await events(web, f"/runs/{run}/events")
    broken = object.__new__(Broken)
    broken.__dict__.update(core.__dict__)
    (tmp_path / "second").mkdir()
    async with served(broken, tmp_path / "second") as second:
        ((one, name, data),) = await events(second, f"/runs/{run}/events?follow=false")
    assert (one, name, data["data"]["type"]) == (None, "error", "JournalCorrupt")
