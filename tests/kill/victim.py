"""A process that executes one run and prints every event that it was shown; made to be killed.

`live` is forked from a server process that has imported everything, so that a life takes a tenth of a second. What it
prints has left the process when the write returns, so nothing that was shown is lost with it. Each step's work begins
by adding its key to a file: the side effect that must not happen twice.

To die at a commit point it overrides the journal's one writing method and nothing else.
"""

import os
import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import anyio
import httpx2  # noqa: F401 - loaded here, so that no life waits for it
import msgspec

from naestro.engines.engine import ChatRequest, Completion, Engine, EngineInfo, Message
from naestro.engines.openai import OpenAIEngine, OpenAISettings
from naestro.runs.attempt import Attempt
from naestro.runs.execution import execute
from naestro.runs.interrupts import answer
from naestro.runs.journal import Draft, Guard, Journal, open_journal
from naestro.runs.run import Run, StepSpec
from naestro.types import Delta, Event, Origin, RunStarted, StepKind, Value, encode

INFO = EngineInfo("scripted", "scripted", 4096, is_local=True)
STEPS = ("retrieve", "propose.1", "propose.2", "propose.3", "synthesize", "adjudicate")
RESULT = (
    b'{"text":"retrieve[] propose.1[aaaabbbb] propose.2[aaaabbbb] propose.3[aaaabbbb] '
    b'synthesize[aaaabbbb] adjudicate[aaaabbbb]: yes"}'
)


class Order(msgspec.Struct):
    """What to do."""

    home: str
    base_url: str
    """Of the scripted engine."""
    run: str | None = None
    """The run to go on with; None begins one."""
    kind: str | None = None
    """Die when an event of this type is written for the `nth` time,"""
    nth: int = 1
    when: Literal["before", "during", "after"] = "after"
    delay_s: float = 0.0
    """for `during`: so long after the write began."""


class Text(Value, frozen=True):
    """The result."""

    text: str


class MortalJournal(Journal):
    """A journal whose owner dies at a commit point."""

    order: Order
    count: int

    async def write(
        self, run: str, *drafts: Draft, artifacts: Sequence[bytes] = (), guard: Guard | None = None
    ) -> list[Event]:
        before = self.count
        self.count += sum(self.order.kind == draft.data.TYPE for draft in drafts)
        if not before < self.order.nth <= self.count:
            return await super().write(run, *drafts, artifacts=artifacts, guard=guard)
        if self.order.when == "before":
            die()
        if self.order.when == "during":
            threading.Thread(target=die, args=(self.order.delay_s,), daemon=True).start()
        events = await super().write(run, *drafts, artifacts=artifacts, guard=guard)
        die()
        return events


def die(delay_s: float = 0.0) -> None:
    time.sleep(delay_s)
    os.kill(os.getpid(), signal.SIGKILL)


def say(line: bytes) -> None:
    os.write(1, line + b"\n")


def flow_noting(effects: Path, engine: Engine):
    """The flow, the file that its steps write to, and the engine that they ask."""

    def work(name: str, words: Sequence[str]):
        async def body(attempt: Attempt) -> str:
            note(effects, attempt.key)
            prompt = await attempt.given("prompt", f"Do {name}.")
            parts = [await generate(attempt, engine, f"{prompt} {word}") for word in words]
            return f"{name}[{''.join(parts)}]"

        return body

    async def flow(run: Run) -> Text:
        outputs: dict[str, str] = {}

        async def step(name: str, kind: StepKind, *reads: str, words: Sequence[str] = ("a", "b")) -> None:
            outputs[name] = await run.step(StepSpec(name, kind, reads), work(name, words), str)

        await step("retrieve", StepKind.RETRIEVE, words=())
        async with anyio.create_task_group() as group:
            for number in (1, 2, 3):
                group.start_soon(step, f"propose.{number}", StepKind.PROPOSE, "retrieve")
        said = await run.ask("go-on", "approve", "Go on?", ["yes", "no"])
        await step("synthesize", StepKind.SYNTHESIZE, "propose.1", "propose.2", "propose.3")
        await step("adjudicate", StepKind.ADJUDICATE, "synthesize")
        return Text(f"{' '.join(outputs[name] for name in STEPS)}: {said}")

    return flow


def note(effects: Path, key: str) -> None:
    file = os.open(effects, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, key.encode() + b"\n")
    os.close(file)


async def generate(attempt: Attempt, engine: Engine, text: str) -> str:
    """A call that streams for some hundredths of a second."""
    request = ChatRequest([Message("user", text)], max_tokens=9, seed=attempt.seed)
    async with attempt.call("scripted", request) as call:
        if call.recorded is not None:
            return msgspec.json.decode(call.recorded, type=Completion).text
        async with engine.chat(request) as stream:
            async for piece in stream:
                call.token(piece)
        completion = stream.completion()
        await call.finish(completion, completion.usage)
        return completion.text


async def show(journal: Journal, run: str) -> None:
    """Print what is shown; answer what is asked."""
    async with journal.live(run) as feed:
        for interrupt in await journal.read(open_interrupts, journal, run):
            await answer(journal, run, interrupt, "yes", "test")
        async for item in feed:
            if isinstance(item, Delta):
                continue
            say(encode(item))
            if item.type == "interrupt.opened":
                await answer(journal, run, "go-on", "yes", "test")


def open_interrupts(journal: Journal, run: str) -> list[str]:
    events = journal.reader.events(run)
    answered = any(event.type == "interrupt.answered" for event in events)
    return ["go-on"] if not answered and any(event.type == "interrupt.opened" for event in events) else []


async def obey(order: Order) -> None:
    home = Path(order.home)
    async with open_journal(home, holder="victim") as opened:
        journal = MortalJournal.__new__(MortalJournal)
        vars(journal).update(vars(opened), order=order, count=0)
        run = order.run or await journal.create_run(
            RunStarted("orchestrate", {}, "/w", Origin.CLI, {}, seed=1)
        )
        say(b"run " + run.encode())
        async with anyio.create_task_group() as group:
            group.start_soon(show, journal, run)
            async with OpenAIEngine(INFO, OpenAISettings(order.base_url)) as engine:
                status = await execute(journal, run, flow_noting(home / "effects", engine))
            say(b"ended " + status.encode())
            group.cancel_scope.cancel()


def live(order: Order, mouth: Connection) -> None:
    """The process from beginning to end; what it says goes to `mouth`."""
    os.dup2(mouth.fileno(), 1)
    anyio.run(obey, order)
