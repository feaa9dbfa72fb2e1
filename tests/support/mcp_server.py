"""A scripted server of tools over its standard input and output, good or bad as told: a program of its own.

`python tests/support/mcp_server.py '{"tools": [...], "behave": {"slow": "never"}}'` (or `@FILE`) speaks just enough of
the Model Context Protocol by hand, so that it can break it as no library would. `behave` says by the tool's name what a
call does:

`echo` the arguments; `never` answer; `die`; `junk` (a broken line as the answer); `chatter` (lines that are no
messages, then an answer); `huge` (`megabytes` of text); `huge_last` (with the id behind the result); `flood`
(notifications without end); `drip` (a byte now and then, without an end); `error`; `stderr` (much to standard error,
then an answer); `environment` (the names and values that it got); `child` (starts a child that outlives it; its
number); `wrong` (a result that fits nothing); `count` (how often this process was called); `ask` (makes the request
`method` of the client, then tells what came of it); `renew` (says that its tools changed, and lists
`tools_after_renewal` from now on); `halves` (text with half an emoji, and a byte that is no UTF-8); `batch` (the answer
in a list); `half` (half an answer, then its end); `mutter` (its variables to standard error, a few bytes at a time).
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PLAIN = {"type": "object", "properties": {}}


def tool(name: str, **more: object) -> dict[str, object]:
    """A tool as `tools/list` has it."""
    return {"name": name, "description": f"Does {name}.", "inputSchema": PLAIN, **more}


class Wire:
    """What the server knows, and its way to speak."""

    def __init__(self, order: dict[str, object]) -> None:
        self.order = order
        self.behave: dict[str, str] = order.get("behave", {})  # pyright: ignore[reportAttributeAccessIssue]
        self.calls = 0
        self.asking: list[int] = []
        self.is_renewed = False

    def _note(self, words: str) -> None:
        if "marks" in self.order:
            with Path(str(self.order["marks"])).open("a") as file:
                file.write(words + "\n")

    def _text(self, request: int, text: str) -> None:
        self._give(request, {"content": [{"type": "text", "text": text}]})

    def _give(self, request: int, result: object) -> None:
        self._say({"jsonrpc": "2.0", "id": request, "result": result})

    def _say(self, message: object) -> None:
        self._line(json.dumps(message))

    def _line(self, text: str) -> None:
        self._out(text + "\n")

    def _out(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class Ways(Wire):
    """The ways to answer a call."""

    def _do_echo(self, request: int, arguments: object) -> None:
        self._text(request, json.dumps(arguments, sort_keys=True))

    def _do_count(self, request: int, _: object) -> None:
        self._text(request, str(self.calls))

    def _do_never(self, request: int, _: object) -> None:
        self._note(f"asked {request}")

    def _do_die(self, request: int, _: object) -> None:
        os._exit(7)

    def _do_junk(self, request: int, _: object) -> None:
        self._line(f'{{"jsonrpc":"2.0","id":{request},"result":{{"content":[oops')

    def _do_chatter(self, request: int, _: object) -> None:
        for _number in range(50):
            self._line("Listening ...")
        self._text(request, "after chatter")

    def _do_huge(self, request: int, arguments: dict[str, object]) -> None:
        self._out(f'{{"jsonrpc":"2.0","id":{request},"result":{{"content":[{{"type":"text","text":"')
        self._megabytes(arguments)
        self._line('"}]}}')

    def _do_huge_last(self, request: int, arguments: dict[str, object]) -> None:
        self._out('{"result":{"content":[{"type":"text","text":"')
        self._megabytes(arguments)
        self._line(f'"}}]}},"jsonrpc":"2.0","id":{request}}}')

    def _do_flood(self, request: int, _: object) -> None:
        while True:
            self._say(
                {
                    "jsonrpc": "2.0",
                    "method": "notifications/message",
                    "params": {"level": "info", "data": "x"},
                }
            )

    def _do_drip(self, request: int, _: object) -> None:
        self._out(f'{{"jsonrpc":"2.0","id":{request},"result":{{"content":[{{"type":"text","text":"')
        while True:
            self._out("x")
            time.sleep(0.05)

    def _do_error(self, request: int, _: object) -> None:
        self._say({"jsonrpc": "2.0", "id": request, "error": {"code": -32000, "message": "it went wrong"}})

    def _do_wrong(self, request: int, _: object) -> None:
        self._give(request, {"content": "no list"})

    def _do_stderr(self, request: int, _: object) -> None:
        for number in range(3_000):
            sys.stderr.write(f"{number} " + "e" * 1_000 + "\n")
        self._text(request, "said much")

    def _do_environment(self, request: int, _: object) -> None:
        self._text(request, json.dumps(dict(os.environ)))

    def _do_child(self, request: int, _: object) -> None:
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(3600)"], stdin=subprocess.DEVNULL
        )
        self._text(request, str(child.pid))

    def _megabytes(self, arguments: dict[str, object]) -> None:
        piece = "x" * (1 << 20)
        for _number in range(int(str(arguments.get("megabytes", 100)))):
            self._out(piece)


class OtherWays(Ways):
    """More of them."""

    def _do_ask(self, request: int, arguments: dict[str, object]) -> None:
        self.asking.append(request)
        message = {"role": "user", "content": {"type": "text", "text": "hi"}}
        parameters = {
            "sampling/createMessage": {"messages": [message], "maxTokens": 9},
            "elicitation/create": {"message": "Who?", "requestedSchema": PLAIN},
            "roots/list": {},
        }
        method = str(arguments["method"])
        self._say({"jsonrpc": "2.0", "id": 9_000, "method": method, "params": parameters[method]})

    def answered(self, message: dict[str, Any]) -> None:
        """The client answered what was asked of it."""
        self._text(self.asking.pop(), json.dumps(message.get("error") or message.get("result")))

    def _do_renew(self, request: int, _: object) -> None:
        self.is_renewed = True
        self._say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        self._text(request, "renewed")

    def _do_halves(self, request: int, _: object) -> None:
        line = f'{{"jsonrpc":"2.0","id":{request},"result":{{"content":[{{"type":"text","text":"a\\ud83d b'
        self._bytes(line.encode() + b'\xe9 c"}]}}\n')

    def _do_batch(self, request: int, _: object) -> None:
        result = {"content": [{"type": "text", "text": "in a list"}]}
        self._say([{"jsonrpc": "2.0", "id": request, "result": result}])

    def _do_half(self, request: int, _: object) -> None:
        self._out(f'{{"jsonrpc":"2.0","id":{request},"result":{{"cont')
        os._exit(0)

    def _do_mutter(self, request: int, _: object) -> None:
        words = json.dumps(dict(os.environ)).encode()
        for start in range(0, len(words), 7):
            os.write(2, words[start : start + 7])
        self._text(request, "muttered")

    def _bytes(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


class Server(OtherWays):
    """The loop."""

    def serve(self) -> None:
        """Answer until the input ends."""
        if self.order.get("start") == "never":
            time.sleep(3_600)
        if self.order.get("start") == "die":
            sys.stderr.write("no such luck\n")
            sys.exit(3)
        if self.order.get("start") == "die once" and self._is_first():
            sys.exit(3)
        for line in sys.stdin:
            message = json.loads(line)
            if "id" in message and "method" in message:
                self._answer(message)
            elif "method" not in message:
                self.answered(message)
            elif message["method"] == "notifications/cancelled":
                self._note(f"cancelled {message['params']['requestId']}")

    def _is_first(self) -> bool:
        is_first = not Path(str(self.order["marks"])).exists()
        self._note("started")
        return is_first

    def _answer(self, message: dict[str, Any]) -> None:
        method, request = message["method"], message["id"]
        if method == "initialize":
            version = message["params"]["protocolVersion"]
            self._give(
                request,
                {
                    "protocolVersion": version,
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "scripted", "version": "1"},
                },
            )
        elif method == "tools/list":
            self._give(request, self._page(message.get("params") or {}))
        elif method == "tools/call":
            self.calls += 1
            self._call(request, message["params"])
        else:
            self._say(
                {"jsonrpc": "2.0", "id": request, "error": {"code": -32601, "message": "Method not found"}}
            )

    def _page(self, params: dict[str, Any]) -> object:
        """All tools, or `pages` of as many as are asked for at each."""
        if "pages" not in self.order:
            return {"tools": self._tools()}
        page = int(params.get("cursor") or 0)
        size, pages = int(str(self.order["page_tools"])), int(str(self.order["pages"]))
        tools = [tool(f"t{page}_{number}") for number in range(size)]
        return {"tools": tools, **({"nextCursor": str(page + 1)} if page + 1 < pages else {})}

    def _tools(self) -> object:
        if self.is_renewed:
            return self.order["tools_after_renewal"]
        listed = self.order.get("tools") or [tool(name) for name in self.behave]
        after = self.order.get("tools_after_restart")
        if after and Path(str(self.order["marks"])).exists():
            return after
        if after:
            self._note("listed")
        return listed

    def _call(self, request: int, params: dict[str, Any]) -> None:
        way = self.behave.get(params["name"], "echo")
        getattr(self, f"_do_{way}")(request, params.get("arguments") or {})


if __name__ == "__main__":
    given = sys.argv[1]
    Server(json.loads(Path(given[1:]).read_text() if given[:1] == "@" else given)).serve()
