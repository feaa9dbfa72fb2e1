"""What the conformance suite asks of a server, served by Naestro's own server factory behind the daemon's guard.

`python -m tests.mcp.everything` prints the port and serves until its standard input closes. The fixtures are those that
the suite's scenarios describe (their names begin with `test_`); Naestro's tools, resources and prompts are beside them.
The suite sends no token, so one is put into each request before the guard sees it.
"""

import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import mcp.types as wire
import msgspec
from mcp.server.subscriptions import ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from naestro.app import open_core
from naestro.daemon.guard import Guard
from naestro.daemon.web_server import WebServer
from naestro_mcp.catalogue import CATALOGUE, Catalogue
from naestro_mcp.host import Host, open_host
from naestro_mcp.http import sessions
from naestro_mcp.prompts import Prompt
from naestro_mcp.request import InputNeeded, Request
from naestro_mcp.resource import Content, ResourceKind
from naestro_mcp.server import McpServer, build_server
from naestro_mcp.tool import Call, Tool

TOKEN = "the suite has none"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
PAUSE_S = 0.05
SCHEMA_2020 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


class Nothing(msgspec.Struct):
    """No arguments."""


class Said(msgspec.Struct):
    """One text, whatever it is called."""

    message: str = ""
    prompt: str = ""


def text(words: str) -> wire.CallToolResult:
    return wire.CallToolResult(content=[wire.TextContent(type="text", text=words)])


def form(message: str, **properties: Any) -> wire.ElicitRequest:
    schema = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    return wire.ElicitRequest(params=wire.ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(words: str, tokens: int) -> wire.CreateMessageRequest:
    said = wire.SamplingMessage(role="user", content=wire.TextContent(type="text", text=words))
    return wire.CreateMessageRequest(
        params=wire.CreateMessageRequestParams(messages=[said], max_tokens=tokens)
    )


class Schema(Tool):
    """A tool whose schema is given as it is."""

    def input_schema(self, *, has_roots: bool) -> dict[str, Any]:
        return SCHEMA_2020


class WithHeaders(Tool):
    """A tool an argument of which clients repeat in a header."""

    def input_schema(self, *, has_roots: bool) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
            "required": ["region"],
        }


def tool(
    name: str, work: Callable[[Call, Any], Any], arguments: type[msgspec.Struct] = Nothing, **more: Any
) -> Tool:
    kind = more.pop("kind", Tool)
    return kind(
        name=name,
        title=name,
        description=f"A fixture of the conformance suite: {name}.",
        toolset="",
        arguments=arguments,
        reply=None,
        work=work,
        needs_workspace=False,
        **more,
    )


def always(result: wire.CallToolResult) -> Callable[[Call, Any], Any]:
    async def work(_: Call, __: Any) -> wire.CallToolResult:
        return result

    return work


IMAGE = wire.ImageContent(type="image", data=PNG, mime_type="image/png")


def embedded(uri: str, mime_type: str, words: str) -> wire.EmbeddedResource:
    return wire.EmbeddedResource(
        type="resource", resource=wire.TextResourceContents(uri=uri, mime_type=mime_type, text=words)
    )


async def with_logging(call: Call, _: Any) -> wire.CallToolResult:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        with warnings.catch_warnings():  # the SDK calls it deprecated; the suite still asks for it
            warnings.simplefilter("ignore")
            await call.request.ctx.session.send_log_message("info", words, None, call.request.ctx.request_id)
        await anyio.sleep(PAUSE_S)
    return text("done")


async def trigger_tool_change(call: Call, _: Any) -> wire.CallToolResult:
    await call.host.watching.bus.publish(ToolsListChanged())
    return text("done")


async def with_progress(call: Call, _: Any) -> wire.CallToolResult:
    for done in (0, 50, 100):
        await call.request.ctx.session.report_progress(done, 100, f"{done} of 100")
        await anyio.sleep(PAUSE_S)
    return text("done")


async def sample(call: Call, said: Said) -> wire.CallToolResult:
    related = ServerMessageMetadata(call.request.ctx.request_id)
    result = await call.request.ctx.session.send_request(
        sampling(said.prompt, 100), wire.CreateMessageResult, None, related
    )
    return text(f"LLM response: {getattr(result.content, 'text', '')}")


def elicit(message: str, **properties: Any) -> Callable[[Call, Any], Any]:
    async def work(call: Call, said: Said) -> wire.CallToolResult:
        question = form(message or said.message, **properties).params
        assert isinstance(question, wire.ElicitRequestFormParams)
        if not call.request.can_ask:
            return wire.CallToolResult(
                content=[wire.TextContent(type="text", text="No form.")], is_error=True
            )
        answer = await call.request.ask(question, {})
        assert answer is not None
        return text(f"Elicitation completed: action={answer.action}, content={answer.content}")

    return work


async def reconnect(call: Call, _: Any) -> wire.CallToolResult:
    if call.request.ctx.close_sse_stream is not None:
        await call.request.ctx.close_sse_stream()
    await anyio.sleep(PAUSE_S)
    return text("done")


async def missing_capability(call: Call, _: Any) -> wire.CallToolResult:
    has = call.request.ctx.session.client_capabilities
    if has is None or has.sampling is None:
        raise MCPError(
            code=-32021,
            message="Missing required client capability",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return text("done")


def asking(
    questions: Mapping[str, Any], finish: Callable[[Mapping[str, Any]], str], state: str | None = None
) -> Callable[[Call, Any], Any]:
    """A tool that asks all of `questions` at once, and is done when all are answered."""

    async def work(call: Call, _: Any) -> wire.CallToolResult | wire.InputRequiredResult:
        answers = call.request.answers
        if all(name in answers for name in questions) and (
            state is None or call.request.state.get("s") == state
        ):
            return text(finish(answers))
        return wire.InputRequiredResult(
            input_requests=dict(questions),
            request_state=None if state is None else msgspec.json.encode({"s": state}).decode(),
        )

    return work


async def multi_round(call: Call, _: Any) -> wire.CallToolResult:
    if call.request.state.get("round") == 2 and "step2" in call.request.answers:
        return text("both answered")
    if call.request.state.get("round") == 1 and "step1" in call.request.answers:
        raise InputNeeded(
            "step2", form("Step 2: What is your favorite color?", color={"type": "string"}), {"round": 2}
        )
    raise InputNeeded("step1", form("Step 1: What is your name?", name={"type": "string"}), {"round": 1})


async def by_capability(call: Call, _: Any) -> wire.CallToolResult | wire.InputRequiredResult:
    has = call.request.ctx.session.client_capabilities
    questions: dict[str, Any] = {}
    if has is not None and has.elicitation is not None:
        questions["name"] = form("What is your name?", name={"type": "string"})
    if has is not None and has.sampling is not None:
        questions["greeting"] = sampling("Generate a greeting", 50)
    if not questions or call.request.answers:
        return text("done")
    return wire.InputRequiredResult(input_requests=questions)


NAME = {"user_name": form("What is your name?", name={"type": "string"})}
ENUM = ["option1", "option2", "option3"]
TITLED = [{"const": f"value{n}", "title": words} for n, words in enumerate(("First", "Second", "Third"), 1)]
TOOLS = [
    tool("test_simple_text", always(text("This is a simple text response for testing."))),
    tool("test_image_content", always(wire.CallToolResult(content=[IMAGE]))),
    tool(
        "test_audio_content",
        always(
            wire.CallToolResult(content=[wire.AudioContent(type="audio", data=WAV, mime_type="audio/wav")])
        ),
    ),
    tool(
        "test_embedded_resource",
        always(
            wire.CallToolResult(
                content=[
                    embedded(
                        "test://embedded-resource", "text/plain", "This is an embedded resource content."
                    )
                ]
            )
        ),
    ),
    tool(
        "test_multiple_content_types",
        always(
            wire.CallToolResult(
                content=[
                    wire.TextContent(type="text", text="Multiple content types test:"),
                    IMAGE,
                    embedded(
                        "test://mixed-content-resource", "application/json", '{"test":"data","value":123}'
                    ),
                ]
            )
        ),
    ),
    tool(
        "test_error_handling",
        always(
            wire.CallToolResult(
                content=[
                    wire.TextContent(type="text", text="This tool intentionally returns an error for testing")
                ],
                is_error=True,
            )
        ),
    ),
    tool("test_tool_with_logging", with_logging),
    tool("test_logging_tool", with_logging),
    tool("test_streaming_elicitation", elicit("Please", answer={"type": "string"})),
    tool("test_custom_headers_tool", always(text("done")), kind=WithHeaders),
    tool("test_tool_with_progress", with_progress),
    tool("test_sampling", sample, Said),
    tool(
        "test_elicitation",
        elicit("", username={"type": "string"}, email={"type": "string"}),
        Said,
    ),
    tool(
        "test_elicitation_sep1034_defaults",
        elicit(
            "Please",
            name={"type": "string", "default": "John Doe"},
            age={"type": "integer", "default": 30},
            score={"type": "number", "default": 95.5},
            status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            verified={"type": "boolean", "default": True},
        ),
    ),
    tool(
        "test_elicitation_sep1330_enums",
        elicit(
            "Please",
            untitledSingle={"type": "string", "enum": ENUM},
            titledSingle={"type": "string", "oneOf": TITLED},
            legacyEnum={
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            untitledMulti={"type": "array", "items": {"type": "string", "enum": ENUM}},
            titledMulti={"type": "array", "items": {"anyOf": TITLED}},
        ),
    ),
    tool("json_schema_2020_12_tool", always(text("done")), kind=Schema),
    tool("test_reconnection", reconnect),
    tool("test_missing_capability", missing_capability),
    tool("test_trigger_tool_change", trigger_tool_change),
    tool(
        "test_input_required_result_elicitation",
        asking(NAME, lambda answers: f"Hello, {(answers['user_name'].content or {}).get('name')}!"),
    ),
    tool(
        "test_input_required_result_sampling",
        asking(
            {"capital_question": sampling("What is the capital of France?", 100)},
            lambda answers: str(getattr(answers["capital_question"].content, "text", "")),
        ),
    ),
    tool(
        "test_input_required_result_list_roots",
        asking(
            {"client_roots": wire.ListRootsRequest()},
            lambda answers: ", ".join(str(root.uri) for root in answers["client_roots"].roots),
        ),
    ),
    tool(
        "test_input_required_result_request_state",
        asking({"confirm": form("Please confirm", ok={"type": "boolean"})}, lambda _: "state-ok", "confirm"),
    ),
    tool(
        "test_input_required_result_tampered_state",
        asking({"confirm": form("Please confirm", ok={"type": "boolean"})}, lambda _: "state-ok", "tampered"),
    ),
    tool(
        "test_input_required_result_multiple_inputs",
        asking(
            {
                **NAME,
                "greeting": sampling("Generate a greeting", 50),
                "client_roots": wire.ListRootsRequest(),
            },
            lambda _: "all answered",
            "several",
        ),
    ),
    tool("test_input_required_result_multi_round", multi_round),
    tool("test_input_required_result_capabilities", by_capability),
]


class AskingPrompt(Prompt):
    """A prompt that asks first."""

    def rendered(self, given: Mapping[str, str], request: Request) -> wire.GetPromptResult:
        if "user_context" not in request.answers:
            question = form("What context should the prompt use?", context={"type": "string"})
            raise InputNeeded("user_context", question, {})
        return super().rendered(given, request)


def said(*blocks: Any) -> list[wire.PromptMessage]:
    return [wire.PromptMessage(role="user", content=block) for block in blocks]


def prompt(
    name: str, render: Callable[[Mapping[str, str]], Any], *arguments: str, kind: type[Prompt] = Prompt
) -> Prompt:
    return kind(
        name=name,
        title=name,
        description=f"A fixture of the conformance suite: {name}.",
        arguments={one: (one, True) for one in arguments},
        render=render,
        complete={},
    )


PROMPTS = [
    prompt("test_simple_prompt", lambda _: "This is a simple prompt for testing."),
    prompt(
        "test_prompt_with_arguments",
        lambda given: f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'",
        "arg1",
        "arg2",
    ),
    prompt(
        "test_prompt_with_embedded_resource",
        lambda given: said(
            embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing."),
            wire.TextContent(type="text", text="Please process the embedded resource above."),
        ),
        "resourceUri",
    ),
    prompt(
        "test_prompt_with_image",
        lambda _: said(IMAGE, wire.TextContent(type="text", text="Please analyze the image above.")),
    ),
    prompt("test_input_required_result_prompt", lambda _: "With context.", kind=AskingPrompt),
]


def resource(
    template: str, mime_type: str, read: Callable[[Call, str], Any], *, is_watched: bool = False
) -> ResourceKind:
    return ResourceKind(
        template=template,
        name=template,
        title=template,
        description="A fixture of the conformance suite.",
        mime_type=mime_type,
        read=read,
        needs_workspace=False,
        is_watched=is_watched,
    )


async def static_text(_: Call, __: str) -> Content:
    return Content("This is the content of the static text resource.")


async def static_binary(_: Call, __: str) -> list[wire.TextResourceContents | wire.BlobResourceContents]:
    return [wire.BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=PNG)]


async def template_data(_: Call, value: str) -> Content:
    data = {"id": value, "templateTest": True, "data": f"Data for ID: {value}"}
    return Content(msgspec.json.encode(data).decode(), "application/json")


RESOURCES = [
    resource("test://static-text", "text/plain", static_text),
    resource("test://static-binary", "image/png", static_binary),
    resource("test://watched-resource", "text/plain", static_text, is_watched=True),
    resource("test://template/{id}/data", "application/json", template_data),
]
EVERYTHING = Catalogue(
    tools=[*CATALOGUE.tools, *TOOLS],
    resources=[*CATALOGUE.resources, *RESOURCES],
    prompts=[*CATALOGUE.prompts, *PROMPTS],
)


def with_token(app: ASGIApp) -> ASGIApp:
    """`app` for whoever has no token."""

    async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            *scope.get("headers", []),
            (b"authorization", f"Bearer {TOKEN}".encode()),
            (b"naestro-workspace", tempfile.gettempdir().encode()),
        ]
        await app({**scope, "headers": headers}, receive, send)

    return pass_on


async def set_level(_: Any, __: wire.SetLevelRequestParams) -> wire.EmptyResult:
    """Naestro sends no log messages and has no such method; a fixture of the suite does, and so it has."""
    return wire.EmptyResult()


def server_of(host: Host) -> McpServer:
    server = build_server(host, EVERYTHING)
    server.add_request_handler("logging/setLevel", wire.SetLevelRequestParams, set_level)
    return server


async def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    async with (
        open_core("the conformance suite") as core,
        open_host(core, None) as host,
        sessions(server_of(host)) as app,
        anyio.create_task_group() as tasks,
    ):
        guarded = Guard(Starlette(routes=[Route("/mcp", app)]), TOKEN)
        web = WebServer(with_token(guarded))
        tasks.start_soon(web.serve, [listening])
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main)
