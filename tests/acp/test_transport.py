"""The transport: faults are answered and the connection lives, lines leave whole and in order, at the reader's pace."""

from typing import Any

import anyio
import pytest

from naestro_acp.transport import OPEN_REQUESTS_MAX, QUEUE_LINES, LineTransport
from tests.acp.wire import WAIT_S, Wire, socket_pair

pytestmark = pytest.mark.anyio


async def test_a_line_that_is_no_message_is_answered_and_the_next_one_is_read() -> None:
    async with socket_pair() as (ours, theirs), anyio.create_task_group() as tasks:
        transport, wire = LineTransport(ours), Wire(theirs)
        tasks.start_soon(transport.run_writer)
        await wire.send(b"garbage")
        await wire.send([])
        await wire.send({"jsonrpc": "2.0", "id": 1, "method": "x"})
        with anyio.fail_after(WAIT_S):
            assert (await transport.receive() or {})["id"] == 1
        assert [(await wire.receive())["error"]["code"] for _ in range(2)] == [-32700, -32600]
        await transport.close()


async def test_nothing_is_received_when_the_client_has_gone() -> None:
    async with socket_pair() as (ours, theirs), anyio.create_task_group() as tasks:
        transport = LineTransport(ours)
        tasks.start_soon(transport.run_writer)
        await theirs.send(b"garbage\n")
        await theirs.aclose()
        with anyio.fail_after(WAIT_S):
            assert await transport.receive() is None
            await transport.close()
        with pytest.raises(ConnectionError):
            await transport.send({"late": True})


async def test_a_transport_whose_writer_has_ended_receives_nothing_after_a_fault() -> None:
    async with socket_pair() as (ours, theirs):
        transport = LineTransport(ours)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await transport.run_writer()
        await theirs.send(b"garbage\n")
        with anyio.fail_after(WAIT_S):
            assert await transport.receive() is None
        await transport.close()


async def test_messages_leave_in_the_order_in_which_they_were_sent() -> None:
    async with socket_pair() as (ours, theirs), anyio.create_task_group() as tasks:
        transport, wire = LineTransport(ours), Wire(theirs)
        for number in range(QUEUE_LINES):
            await transport.send({"number": number})
        tasks.start_soon(transport.run_writer)
        assert [(await wire.receive())["number"] for _ in range(QUEUE_LINES)] == list(range(QUEUE_LINES))
        await transport.close()


async def test_a_client_that_does_not_read_makes_its_senders_wait() -> None:
    async with socket_pair() as (ours, theirs), anyio.create_task_group() as tasks:
        transport, wire = LineTransport(ours), Wire(theirs)
        tasks.start_soon(transport.run_writer)
        sent = 0

        async def send_all() -> None:
            nonlocal sent
            for number in range(2000):
                await transport.send({"number": number, "text": "x" * 4000})
                sent += 1

        tasks.start_soon(send_all)
        await anyio.wait_all_tasks_blocked()
        assert sent < 1000
        for number in range(2000):
            assert (await wire.receive())["number"] == number
        await transport.close()


async def test_a_sender_that_is_cancelled_leaves_no_half_line() -> None:
    async with socket_pair() as (ours, theirs), anyio.create_task_group() as tasks:
        transport, wire = LineTransport(ours), Wire(theirs)
        tasks.start_soon(transport.run_writer)

        async def send_without_end() -> None:
            while True:
                await transport.send({"text": "x" * 100_000})

        async with anyio.create_task_group() as senders:
            senders.start_soon(send_without_end)
            await anyio.wait_all_tasks_blocked()
            senders.cancel_scope.cancel()
        tasks.start_soon(_send, transport, {"last": True})
        assert all(set(message) in ({"text"}, {"last"}) for message in await wire.until(last=True))
        await transport.close()


async def test_a_connection_that_ends_does_not_wait_for_a_client_that_does_not_read() -> None:
    async with socket_pair() as (ours, _), anyio.create_task_group() as tasks:
        transport = LineTransport(ours)
        tasks.start_soon(transport.run_writer)
        await transport.send({"text": "x" * 10_000_000})
        with anyio.fail_after(WAIT_S):
            await transport.close()


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ({"text": "a\ud800b"}, {"text": "a?b"}),
        ({"number": float("nan")}, {"number": None}),
        ({"path": anyio.Path("/x")}, {"path": "/x"}),
    ],
)
async def test_whatever_is_sent_leaves_as_json(sent: dict[str, Any], received: dict[str, Any]) -> None:
    async with socket_pair() as (ours, theirs), anyio.create_task_group() as tasks:
        transport, wire = LineTransport(ours), Wire(theirs)
        tasks.start_soon(transport.run_writer)
        await transport.send(sent)
        assert await wire.receive() == received
        await transport.close()


async def _send(transport: LineTransport, message: dict[str, Any]) -> None:
    await transport.send(message)


async def test_a_request_beyond_many_open_ones_is_refused_until_one_is_answered() -> None:
    async with socket_pair() as (ours, theirs), anyio.create_task_group() as tasks:
        transport, wire = LineTransport(ours), Wire(theirs)
        tasks.start_soon(transport.run_writer)

        async def ask(first: int, count: int) -> None:
            for number in range(first, first + count):
                await wire.send({"jsonrpc": "2.0", "id": number, "method": "x"})
            await wire.send({"jsonrpc": "2.0", "method": "end"})

        async def received() -> list[Any]:
            ids: list[Any] = []
            with anyio.fail_after(WAIT_S):
                while (message := await transport.receive() or {})["method"] != "end":
                    ids.append(message["id"])
            return ids

        tasks.start_soon(ask, 0, OPEN_REQUESTS_MAX + 2)
        assert await received() == list(range(OPEN_REQUESTS_MAX))
        refused = [await wire.receive() for _ in range(2)]
        assert [one["id"] for one in refused] == [OPEN_REQUESTS_MAX, OPEN_REQUESTS_MAX + 1]
        assert "requests are open" in refused[0]["error"]["message"]
        await transport.send({"jsonrpc": "2.0", "id": 7, "result": None})
        tasks.start_soon(ask, 5000, 2)
        assert await received() == [5000]
        await transport.close()
