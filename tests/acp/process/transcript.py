"""`python -m tests.acp.process.transcript`: write `docs/acp-session.md` from the wire of a real session.

The official TypeScript SDK's client drives the real agent and its daemon; the engine is scripted, so that the page
stays the same until the agent changes. What differs from run to run (ids, times, folders) is written by name.
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio

from tests.acp.process.node import install
from tests.acp.process.stage import Stage
from tests.acp.process.typescript import Person, TypeScriptClient, typescript_client
from tests.support.answers import say, say_tokens
from tests.support.request_log import Received
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import PATCH, answer_schema, proposes

PAGE = Path(__file__).resolve().parents[3] / "docs" / "acp-session.md"
TEXT_CHARS = 300
RAW_CHARS = 40
"""Of a step's raw input and output, which repeat what is shown."""
WIDTH = 110
LIST_ITEMS = 3
ANSWER = (
    "It gives the difference of both (calc.py:4-6), though its documentation says the sum.\nVariant {number}."
)
HEAD = """# A session, as it goes over the wire

What a client and Naestro said to each other in one session: the official TypeScript SDK's client on one side, the real
agent and its daemon on the other. The engine is scripted, so its words are few. `python -m
tests.acp.process.transcript` writes this page anew.

`→` goes to the agent, `←` comes from it. Each message is one line of JSON-RPC; here a request is its id, its method and
its parameters, a response its id and its result, and a `session/update` its kind and what it says, without the ids of
session and run (`_meta.naestro.run`) that each of them carries. Ids, times and folders are written by name, and long
texts and lists are cut with `…`. Of the plan, the usage, the thoughts and reads of one file only the first is shown;
how many were left out stands at the end of a part.
"""


async def record() -> str:
    """Play the session; the page."""
    with ScriptedServer() as server, tempfile.TemporaryDirectory() as folder, Stage(Path(folder)) as stage:
        server.when(lambda request: not proposes(request), answer_schema)
        server.otherwise(_propose)
        stage.use_engine(server.base_url)
        workspace = stage.workspace("calc")
        (workspace / "notes.md").write_text("Mind the sign.\n")
        page = Page({str(workspace): "/home/ada/calc", server.base_url: "http://127.0.0.1:8000/v1"})
        async with typescript_client(stage) as client:
            session = await _begin(client, page, workspace)
            await _ask(client, page, session)
            await _change(client, page, session)
            await _undo(client, page, session)
            await _cancel(client, page, session, server)
        server.otherwise(_propose)
        async with typescript_client(stage, person=Person()) as client:
            await _tomorrow(client, page, session, workspace)
        return page.text


def _propose(request: Received):
    """A change where one is wanted, else an answer."""
    if "SEARCH" in request.last:
        return PATCH
    return say(ANSWER.format(number=1 + (request.body["model"] == "beta")))


async def _begin(client: TypeScriptClient, page: "Page", workspace: Path) -> str:
    await client.initialize()
    page.add("Hello", "The client says what it can do, and the agent what it is.", client)
    session = (await client.new(workspace))["sessionId"]
    await client.until(lambda: client.of_kind("available_commands_update"))
    page.add("A session", "In a folder; its modes, its pickers and its slash commands come back.", client)
    await client.request("session/set_config_option", sessionId=session, configId="proposers", value="2")
    page.add("A picker", "The person chooses two proposers.", client)
    return session


async def _ask(client: TypeScriptClient, page: "Page", session: str) -> None:
    await client.prompt(session, "What does add in calc.py do?")
    page.add(
        "A question",
        "The plan and the steps of the council arrive while it works; proposals stream as thoughts, and the answer "
        "comes last, with what was checked.",
        client,
    )


async def _change(client: TypeScriptClient, page: "Page", session: str) -> None:
    await client.prompt(session, "/orchestrate Make add give the sum.")
    page.add(
        "A change",
        "The diff is in the permission request. After the yes the file goes through the editor, which had it open, and "
        "is read again before it is written.",
        client,
    )


async def _cancel(client: TypeScriptClient, page: "Page", session: str, server: ScriptedServer) -> None:
    server.otherwise(say_tokens(30, stall_after=4))
    prompt = await client.ask_prompt(session, "/explain notes.md")
    await client.until(lambda: server.open_chats == 2 and " 3" in client.text(session, "agent_thought_chunk"))
    await client.notify("session/cancel", sessionId=session)
    await prompt.answer()
    page.add("A cancel", "The engine stops, and the turn ends with `cancelled`.", client)


async def _undo(client: TypeScriptClient, page: "Page", session: str) -> None:
    await client.prompt(session, "/undo")
    page.add("Undo", "A slash command that starts no run.", client)


async def _tomorrow(client: TypeScriptClient, page: "Page", session: str, workspace: Path) -> None:
    await client.initialize()
    await client.request("session/list", cwd=str(workspace))
    await client.request("session/load", sessionId=session, cwd=str(workspace), mcpServers=[])
    page.add(
        "The next day",
        "Another process of the client, after the first one was closed: the session is there, and is shown again.",
        client,
        skip=2,
    )


class Page:
    """The page as it grows."""

    def __init__(self, names: dict[str, str]) -> None:
        self.text = HEAD
        self._names = names
        self._shown: dict[int, int] = {}

    def add(self, title: str, words: str, client: TypeScriptClient, *, skip: int = 0) -> None:
        """A part with all that went over the wire of `client` since its last part."""
        begin = self._shown.get(id(client), skip)
        self._shown[id(client)] = len(client.wire)
        blocks = "\n".join(self._lines(client.wire[begin:]))
        self.text += f"\n## {title}\n\n{words}\n\n```text\n{blocks}\n```\n"

    def _lines(self, wire: list[tuple[str, str]]) -> Iterator[str]:
        told: set[str] = set()
        left_out: Counter[str] = Counter()
        unseen: set[object] = set()
        for direction, line in wire:
            message = json.loads(line)
            name = _repeats(message)
            if name in told or (direction == "out" and "method" not in message and message["id"] in unseen):
                left_out[name.partition(" /")[0]] += 1
                if "id" in message and "method" in message:
                    unseen.add(message["id"])
                continue
            told |= {name} if name else set()
            yield f"{'→' if direction == 'out' else '←'} {self._shown_message(message)}"
        del left_out[""]
        if left_out:
            yield f"  left out: {', '.join(f'{count} x {name}' for name, count in sorted(left_out.items()))}"

    def _shown_message(self, message: dict[str, Any]) -> str:
        title, rest = _without_envelope(message)
        whole = f"{title} {json.dumps(_short(rest), ensure_ascii=False)}"
        for name, shown in self._names.items():
            whole = whole.replace(name, shown)
        return _wrapped(self._renamed(whole))

    def _renamed(self, text: str) -> str:
        for pattern, name in (
            (r"[0-9a-f]{12}-[0-9a-f]{20}", "session"),
            (r"\b01[0-9a-z]{24}\b", "run"),
            (r"\b[0-9a-f]{64}\b", "hash"),
        ):
            for found in dict.fromkeys(re.findall(pattern, text)):
                known = [one for one in self._names.values() if one.startswith(f"{name}-")]
                self._names.setdefault(found, f"{name}-{len(known) + 1}")
                text = text.replace(found, self._names[found])
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "2026-01-31T12:00:00Z", text)
        text = re.sub(r'"seed": \d+', '"seed": 7', text)
        return re.sub(r"\b\d+\.\d+ s\b", "0.1 s", text)


def _repeats(message: dict[str, Any]) -> str:
    """What a part shows once alone; empty for what is always shown."""
    params = message.get("params") or {}
    update = params.get("update")
    if update is None:
        return f"{message['method']} {params['path']}" if message.get("method") == "fs/read_text_file" else ""
    kind = update["sessionUpdate"]
    if kind in ("plan", "usage_update", "agent_thought_chunk", "available_commands_update"):
        return kind
    is_small = kind == "tool_call_update" and update.get("status") not in ("completed", "failed")
    return "tool_call_update in between" if is_small else ""


def _without_envelope(message: dict[str, Any]) -> tuple[str, Any]:
    """What a message is, and what it says."""
    if "method" not in message:
        outcome = "result" if "result" in message else "error"
        return f"{message['id']} {outcome}", message[outcome]
    params = message.get("params") or {}
    if update := params.get("update"):
        rest = {name: value for name, value in update.items() if name != "sessionUpdate"}
        return update["sessionUpdate"], rest
    return " ".join(str(one) for one in (message.get("id"), message["method"]) if one is not None), params


def _short(value: Any, name: str = "") -> Any:
    """`value` with long texts and lists cut."""
    if isinstance(value, str):
        room = RAW_CHARS if name.startswith("raw") else TEXT_CHARS
        return value if len(value) <= room else f"{value[:room]}…"
    if isinstance(value, list):
        room = 1 if name.startswith("raw") or name == "options" else LIST_ITEMS
        room = len(value) if name == "options" and any("kind" in one for one in value) else room
        cut = [_short(one, name) for one in value[:room]]
        return cut if len(value) <= room else [*cut, f"… {len(value) - room} more"]
    if isinstance(value, dict):
        return {key: _short(one, name if name.startswith("raw") else key) for key, one in value.items()}
    return value


def _wrapped(text: str) -> str:
    """`text` on lines that a page has room for, broken at its commas."""
    lines, line = [], ""
    for part in re.split(r"(?<=, )", text):
        if line and len(line) + len(part) > WIDTH:
            lines.append(line.rstrip())
            line = "    "
        line += part
    return "\n".join([*lines, line])


if __name__ == "__main__":
    install()
    PAGE.write_text(anyio.run(record))
