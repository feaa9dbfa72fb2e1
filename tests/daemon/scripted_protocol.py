"""A protocol server whose every move the test orders; its file is copied to where a plug-in would be installed.

One JSON object a line, in and out. A request's method says what is to happen; see `serve`.
"""

import json
import os
import signal

import anyio

AT_ONCE = ("initialize", "echo")
"""Answered before the next line is read."""


async def serve(stream, client, cwd):
    """Serve one connection."""
    speaker = Speaker(stream, client, cwd)
    async with anyio.create_task_group() as tasks:
        async for line in lines(stream):
            message = json.loads(line)
            if message.get("method") in AT_ONCE:
                await speaker.handle(message)
            else:
                tasks.start_soon(speaker.handle, message)
        tasks.cancel_scope.cancel()


async def lines(stream):
    rest = bytearray()
    async for data in stream:
        rest += data
        if b"\n" in data:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield line


class Speaker:
    def __init__(self, stream, client, cwd):
        self.stream = stream
        self.client = client
        self.cwd = cwd
        self.answers = {}
        self.turn = anyio.Lock()

    async def say(self, **message):
        async with self.turn:
            await self.stream.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def handle(self, message):
        method = message.get("method")
        if method is None:
            self.answers[message["id"]].set(message["result"])
            return
        result = await getattr(self, f"do_{method.replace('/', '_')}")(message.get("params") or {})
        if "id" in message:
            await self.say(id=message["id"], result=result)

    async def do_initialize(self, params):
        if "fault" in params:
            raise RuntimeError(params["fault"])
        return {"pid": os.getpid(), "params": params, "cwd": str(self.cwd)}

    async def do_echo(self, params):
        return params

    async def do_size(self, params):
        return len(params["text"])

    async def do_text(self, params):
        return "x" * params["size"]

    async def do_runs(self, params):
        return [run.id for run in await self.client.runs()]

    async def do_work(self, params):
        """Name a run, and never end."""
        update = {"sessionId": params["sessionId"], "_meta": {"naestro": {"run": params["run"]}}}
        await self.say(method="update", params=update)
        await anyio.sleep_forever()

    async def do_half(self, params):
        """Begin a line, and never end it."""
        await self.stream.send(b'{"jsonrpc": "2.0", "method": "half' + b"x" * params["size"])
        await anyio.sleep_forever()

    async def do_ask(self, params):
        """Ask the editor, under a given id; its answer is the answer."""
        answer = Answer()
        self.answers[params["id"]] = answer
        await self.say(id=params["id"], method="question", params={"text": params["text"]})
        return await answer.get()

    async def do_die(self, params):
        os.kill(os.getpid(), signal.SIGKILL)

    async def do_fault(self, params):
        raise RuntimeError(f"a fault in a connection with {params.get('secret')}")


class Answer:
    def __init__(self):
        self.event = anyio.Event()

    def set(self, value):
        self.value = value
        self.event.set()

    async def get(self):
        await self.event.wait()
        return self.value
