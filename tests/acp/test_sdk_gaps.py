"""What the SDK lacks or does wrong, mended: each request gets one answer, whatever it is and whatever fails."""

import logging
from typing import Any

import anyio
import pytest
from acp.exceptions import RequestError
from acp.router import MessageRouter
from pydantic import BaseModel

from acp import schema
from naestro.errors import NotInJournal
from naestro_acp.sdk_gaps import (
    CompactionSummaryChunk,
    CompactionUpdate,
    InitializeRequest,
    NoticeUpdate,
    after_answer,
    notification_route,
    request_route,
    send_update,
    shows_notices,
)
from tests.acp.wire import WAIT_S, Wire, wired

pytestmark = pytest.mark.anyio


class Words(BaseModel):
    text: str
    note: str = "unset"


class Handlers:
    """A router with a handler for each kind of behaviour; `seen` is what they were given."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.came = anyio.Event()
        self.cancelled: list[str] = []
        self.router = MessageRouter()
        for method in ("initialize", "session/prompt", "echo", "wait", "fail", "nothing", "plain"):
            handler = getattr(self, method.rpartition("/")[2])
            self.router.add_route(request_route(method, Words, handler))
        self.router.add_route(notification_route("told", Words, self.told))
        self.router.add_route(notification_route("fall", Words, self.fail))

    async def initialize(self, request: Words) -> Words:
        return request

    async def echo(self, request: Words) -> Words:
        self.seen.append(request)
        return request

    async def wait(self, request: Words) -> None:
        self.came.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.cancelled.append(request.text)

    async def prompt(self, request: Words) -> Words:
        self.came.set()
        await anyio.sleep_forever()
        return request

    async def fail(self, request: Words) -> None:
        match request.text:
            case "known":
                raise NotInJournal("There is no run x.", hint="Name one.")
            case "wire":
                raise RequestError(-32001, "Not now.")
            case "gone":
                raise ConnectionError
            case _:
                raise ValueError(object())

    async def nothing(self, request: Words) -> None:
        self.seen.append(request)

    async def plain(self, request: Words) -> Any:
        return {"text": request.text}

    async def told(self, request: Words) -> None:
        self.seen.append(request)
        self.came.set()


async def ready(wire: Wire) -> None:
    """Say hello."""
    assert "result" in await wire.ask("initialize", text="hi")


async def test_a_result_is_sent_whole_with_what_was_not_set() -> None:
    async with wired(Handlers().router) as (wire, *_):
        await ready(wire)
        assert (await wire.ask("echo", text="a"))["result"] == {"text": "a", "note": "unset"}
        assert (await wire.ask("nothing", text="a"))["result"] == {}
        assert (await wire.ask("plain", text="a"))["result"] == {"text": "a"}


async def test_meta_overwrites_no_argument() -> None:
    handlers = Handlers()
    async with wired(handlers.router) as (wire, *_):
        await ready(wire)
        await wire.ask("echo", text="a", _meta={"text": "b", "self": 1})
    assert handlers.seen == [Words(text="a")]


@pytest.mark.parametrize("method", ["session/delete", "logout", "no/such", "$/no_such", "_no_such", ""])
async def test_what_is_not_implemented_is_told_and_not_answered_with_null(method: str) -> None:
    async with wired(Handlers().router) as (wire, *_):
        await ready(wire)
        assert (await wire.ask(method))["error"]["code"] == -32601


async def test_requests_before_initialize_are_refused_and_notifications_passed_over() -> None:
    handlers = Handlers()
    async with wired(handlers.router) as (wire, *_):
        await wire.tell("told", text="early")
        refused = await wire.ask("echo", text="early")
        assert (refused["error"]["code"], "initialize" in refused["error"]["message"]) == (-32600, True)
        await ready(wire)
        assert "result" in await wire.ask("echo", text="late")
    assert [one.text for one in handlers.seen] == ["late"]


async def test_a_second_initialize_is_refused_and_one_that_failed_may_be_tried_again() -> None:
    async with wired(Handlers().router) as (wire, *_):
        assert (await wire.ask("initialize"))["error"]["code"] == -32602
        await ready(wire)
        assert (await wire.ask("initialize", text="hi"))["error"]["code"] == -32600


async def test_wrong_parameters_are_told_by_name_without_what_was_sent() -> None:
    async with wired(Handlers().router) as (wire, *_):
        await ready(wire)
        error = (await wire.ask("echo", text={"secret": "s3cr3t"}))["error"]
    assert error["code"] == -32602
    assert "text: " in error["message"]
    assert "s3cr3t" not in str(error)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("known", -32002, "There is no run x."),
        ("wire", -32001, "Not now."),
        ("gone", -32603, "Something went wrong inside Naestro."),
        ("defect", -32603, "Something went wrong inside Naestro."),
    ],
)
async def test_whatever_a_handler_raises_is_answered_and_the_connection_lives(
    text: str, code: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with wired(Handlers().router) as (wire, *_):
        await ready(wire)
        error = (await wire.ask("fail", text=text))["error"]
        assert (error["code"], error["message"]) == (code, message)
        assert "result" in await wire.ask("echo", text="a")
    assert ("The request fail failed" in caplog.text) == (text == "defect")


async def test_a_fault_in_a_notification_is_logged_and_not_answered(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    async with wired(Handlers().router) as (wire, *_):
        await ready(wire)
        await wire.tell("no/such")
        await wire.tell("told", wrong=True)
        await wire.tell("fall", text="defect")
        await wire.tell("fall", text="gone")
        assert [message["id"] for message in await wire.asked("echo", text="a")] == [2]
    assert "The notification fall failed" in caplog.text
    assert capsys.readouterr() == ("", "")


async def test_a_request_is_cancelled_by_its_id_and_answered_so() -> None:
    handlers = Handlers()
    async with wired(handlers.router) as (wire, *_):
        await ready(wire)
        number = await wire.begin("wait", text="a")
        await wire.tell("$/cancel_request", requestId=number)
        await wire.tell("$/cancel_request", requestId=number)
        assert (await wire.until(id=number))[-1]["error"]["code"] == -32800
        number = await wire.begin("wait", text="b")
        await handlers.came.wait()
        await wire.tell("$/cancel_request", requestId=number)
        assert (await wire.until(id=number))[-1]["error"]["code"] == -32800
    assert handlers.cancelled[-1] == "b"


@pytest.mark.parametrize("params", [{"requestId": 99}, {"requestId": [1]}, {}])
async def test_cancelling_what_is_not_open_is_passed_over(params: dict[str, Any]) -> None:
    async with wired(Handlers().router) as (wire, *_):
        await ready(wire)
        await wire.tell("$/cancel_request", **params)
        assert "result" in await wire.ask("echo", text="a")


async def test_a_method_may_say_how_it_is_withdrawn() -> None:
    handlers = Handlers()
    asked = []
    async with wired(handlers.router) as (wire, _, connection):

        async def withdraw(parameters: dict[str, Any]) -> None:
            asked.append(parameters)
            connection._open[2].scope.cancel()

        connection.withdrawals["session/prompt"] = withdraw
        await ready(wire)
        number = await wire.begin("session/prompt", text="a")
        await wire.tell("$/cancel_request", requestId=number)
        assert (await wire.until(id=number))[-1]["error"]["code"] == -32800
    assert asked == [{"text": "a"}]


async def test_two_requests_of_one_id_are_both_answered() -> None:
    async with wired(Handlers().router) as (wire, *_):
        await ready(wire)
        for text in ("a", "b"):
            await wire.send({"jsonrpc": "2.0", "id": "same", "method": "echo", "params": {"text": text}})
        answers = [(await wire.receive())["result"]["text"] for _ in range(2)]
    assert sorted(answers) == ["a", "b"]


async def test_what_follows_an_answer_never_overtakes_it(caplog: pytest.LogCaptureFixture) -> None:
    router = MessageRouter()
    async with wired(router) as (wire, editor, _):

        async def tell() -> None:
            for number in range(3):
                await editor.ext_notification("told", {"number": number})

        async def defect() -> None:
            raise ValueError

        async def greet(request: Words) -> Words:
            after_answer(tell)
            after_answer(defect)
            if request.text == "fail":
                raise RequestError(-32001, "No.")
            await anyio.lowlevel.checkpoint()
            return request

        router.add_route(request_route("initialize", Words, greet))
        await wire.ask("initialize", text="fail")
        first = await wire.ask("initialize", text="a")
        assert "result" in first
        assert [(await wire.receive())["params"]["number"] for _ in range(3)] == [0, 1, 2]
        assert (await wire.ask("initialize", text="a"))["error"]["code"] == -32600
    assert "What follows the answer to initialize failed" in caplog.text


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        ({"error": {"code": 7, "message": "No."}}, 7, "No."),
        ({"result": None, "error": {"code": 7, "message": "No."}}, 7, "No."),
        ({"error": {}}, -32603, "The client gave no reason."),
        ({"error": {"code": "x", "message": 5}}, -32603, "The client gave no reason."),
    ],
)
async def test_a_strange_error_of_the_client_reaches_who_asked(
    answer: dict[str, Any], code: int, message: str
) -> None:
    async with wired(MessageRouter()) as (wire, editor, _), anyio.create_task_group() as tasks:
        caught: list[RequestError] = []

        async def ask() -> None:
            try:
                await editor.read_text_file(session_id="s", path="/x")
            except RequestError as error:
                caught.append(error)

        tasks.start_soon(ask)
        number = (await wire.receive())["id"]
        await wire.send({"jsonrpc": "2.0", "id": "strange", "result": 1})
        await wire.send({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "?"}})
        await wire.send({"jsonrpc": "2.0", "id": number, **answer})
        with anyio.fail_after(WAIT_S):
            while not caught:
                await anyio.lowlevel.checkpoint()
    assert (caught[0].code, str(caught[0])) == (code, message)


async def test_an_elicitation_says_the_type_of_its_schema() -> None:
    async with wired(MessageRouter()) as (wire, editor, _), anyio.create_task_group() as tasks:
        mode = schema.ElicitationFormSessionMode(
            session_id="s", requested_schema=schema.ElicitationSchema(title="t")
        )
        tasks.start_soon(editor.create_elicitation, "Which?", mode)
        asked = await wire.receive()
        assert asked["params"]["requestedSchema"] == {"type": "object", "properties": {}, "title": "t"}
        await wire.send({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "cancel"}})


async def test_updates_that_the_sdk_lacks_are_sent_as_the_schema_has_them() -> None:
    text = schema.TextContentBlock(type="text", text="t")
    async with wired(MessageRouter()) as (wire, editor, _):
        for update in (
            NoticeUpdate(severity="warning", title="Careful."),
            CompactionUpdate(compaction_id="c", status="completed", summary=[text]),
            CompactionSummaryChunk(compaction_id="c", content=text),
        ):
            await send_update(editor, "s", update, naestro={"run": "r"})
        await send_update(editor, "s", NoticeUpdate(severity="info", title="Bare."))
        shown = [(await wire.receive())["params"] for _ in range(4)]
    assert [one["update"] for one in shown] == [
        {"sessionUpdate": "notice", "severity": "warning", "title": "Careful."},
        {
            "sessionUpdate": "compaction_update",
            "compactionId": "c",
            "status": "completed",
            "summary": [{"type": "text", "text": "t"}],
        },
        {
            "sessionUpdate": "compaction_summary_chunk",
            "compactionId": "c",
            "content": {"type": "text", "text": "t"},
        },
        {"sessionUpdate": "notice", "severity": "info", "title": "Bare."},
    ]
    assert [one.get("_meta") for one in shown] == [*[{"naestro": {"run": "r"}}] * 3, None]


@pytest.mark.parametrize(
    ("session", "expected"),
    [({"notices": {}}, True), ({}, False), (None, False), ({"notices": None, "compaction": {}}, False)],
)
def test_the_client_s_word_on_notices_is_kept(session: object, expected: bool) -> None:
    request = InitializeRequest.model_validate(
        {
            "protocolVersion": 1,
            "clientCapabilities": {"session": session, "fs": {"readTextFile": True}},
        }
    )
    assert shows_notices(request.client_capabilities) is expected
    assert request.client_capabilities is not None
    assert request.client_capabilities.fs == schema.FileSystemCapabilities(read_text_file=True)


def test_capabilities_that_were_not_told_show_no_notices() -> None:
    assert not shows_notices(None)
    assert not shows_notices(schema.ClientCapabilities())


async def test_settling_waits_for_quick_requests_and_not_for_a_turn() -> None:
    handlers = Handlers()
    async with wired(handlers.router) as (wire, _, connection):
        await ready(wire)
        await wire.begin("session/prompt", text="long")
        await handlers.came.wait()
        with anyio.fail_after(WAIT_S):
            await connection.settle(WAIT_S * 2, but="session/prompt")
        handlers.came = anyio.Event()
        await wire.begin("wait", text="a")
        await handlers.came.wait()
        await connection.settle(0.01, but="session/prompt")
        assert not handlers.cancelled


async def test_a_request_whose_client_has_gone_ends_quietly(caplog: pytest.LogCaptureFixture) -> None:
    handlers = Handlers()
    async with wired(handlers.router) as (wire, editor, connection):
        await ready(wire)
        number = await wire.begin("wait", text="a")
        await handlers.came.wait()
        request = connection._open[number]
        await editor.close()
    assert request.done.is_set()
    assert not caplog.records


async def test_an_answer_that_nobody_reads_any_more_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    handlers = Handlers()
    async with wired(handlers.router) as (wire, _, connection):
        await ready(wire)
        number = await wire.begin("wait", text="a")
        await handlers.came.wait()
        request = connection._open[number]
        await connection._transport.close()
        request.scope.cancel()
        with anyio.fail_after(WAIT_S):
            await request.done.wait()
    assert not caplog.records


async def test_a_withdrawal_that_fails_is_logged_and_the_connection_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handlers = Handlers()
    async with wired(handlers.router) as (wire, _, connection):

        async def withdraw(parameters: dict[str, Any]) -> None:
            raise ValueError

        connection.withdrawals["wait"] = withdraw
        await ready(wire)
        number = await wire.begin("wait", text="a")
        await wire.tell("$/cancel_request", requestId=number)
        assert "result" in await wire.ask("echo", text="a")
    assert "A task of the connection failed" in caplog.text
