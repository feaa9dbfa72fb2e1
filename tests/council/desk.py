"""What tests of the council share: a workspace, scripted engines and a journal, and runs of real commands over them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
import msgspec

from naestro.commands import explain, judge, orchestrate, review
from naestro.commands import test as test_command
from naestro.config import CouncilSettings, Settings, settings_for_journal
from naestro.council.sitting import Kit
from naestro.council.verdict import CouncilResult, Verdict
from naestro.engines.engine import Engine, EngineInfo
from naestro.engines.openai import OpenAIEngine, OpenAISettings
from naestro.index.grounding import Index, IndexSearcher
from naestro.policy.editor import Editor
from naestro.policy.workspace import Workspace
from naestro.routing.pool import Pool
from naestro.runs.execution import Execution
from naestro.runs.history import History
from naestro.runs.interrupts import answer
from naestro.runs.journal import Journal, open_journal
from naestro.runs.run import Run
from naestro.types import Event, Origin, RunStarted, RunStatus
from tests.support.answers import Answer, say_json
from tests.support.scripted_server import Received, ScriptedServer

T = TypeVar("T")
LIMIT_S = 20.0
"""No run here may take longer."""

SOURCE = '''"""Adds."""


def add(left, right):
    """The sum."""
    return left - right
'''
PATCH = """calc.py
<<<<<<< SEARCH
    return left - right
=======
    return left + right
>>>>>>> REPLACE
"""
FLOWS = {
    "orchestrate": orchestrate.orchestrate,
    "explain": explain.explain,
    "judge": judge.judge,
    "test": test_command.test,
    "review": review.review,
}
JUDGE, CRITIC = "You are the judge", "You are the critic"
PROPOSE, SYNTHESIZE = "Answer the task with 2 to 4", "Write the one best answer"
PROPOSE_CHANGE, SYNTHESIZE_CHANGE = "Make the change that the task asks for", "Write the one best change"

QUICK = CouncilSettings(proposers=2, critics=1, judges=1)


def council(**changes: object) -> Settings:
    """Settings whose council is `QUICK` with `changes`."""
    return Settings(council=QUICK.model_copy(update=changes))


@dataclass
class Desk:
    """A journal, a workspace and engines; runs commands over them."""

    journal: Journal
    workspace: Path
    engines: Sequence[Engine]
    settings: Settings
    preferences: Mapping[str, list[str]] = field(default_factory=dict)
    editor: Editor | None = None
    """What a front end lends its runs."""
    index: Index | None = None
    """The workspace's index; without one the words alone find the code."""

    def kit(self) -> Kit:
        """The kit that a composition root would make."""
        workspace = Workspace(self.workspace)
        pool = Pool(self.engines, self.preferences)
        searcher = IndexSearcher(self.index, workspace)
        return Kit(workspace, pool, self.settings, searcher, self.journal, self.editor)

    async def start(self, command: str, task: Mapping[str, object], seed: int = 7) -> str:
        """A new run, not executed yet; its id."""
        return await self.journal.create_run(
            RunStarted(
                command=command,
                task=dict(task),
                workspace=str(self.workspace),
                origin=Origin.CLI,
                settings=settings_for_journal(self.settings),
                seed=seed,
            )
        )

    def execution(self, run: str, command: str) -> Execution:
        """The run in the hands of this process."""
        kit = self.kit()

        async def flow(running: Run) -> CouncilResult:
            return await FLOWS[command](running, kit)

        return Execution(self.journal, run, flow)

    async def execute(self, run: str, command: str) -> RunStatus:
        """Start or resume a run; the status in which it ended."""
        with anyio.fail_after(LIMIT_S):
            return await self.execution(run, command).run()

    async def run(self, command: str, **task: object) -> "Done":
        """Run a command to its end."""
        run = await self.start(command, task)
        status = await self.execute(run, command)
        return await self.done(run, status)

    async def done(self, run: str, status: RunStatus) -> "Done":
        """What a run left in the journal."""
        events = await self.journal.read(self.journal.reader.events, run)
        return Done(self.journal, run, status, events, History.of(events))

    async def answering(
        self, run: str, command: str, reply: str, meanwhile: Callable[[], object] = lambda: None
    ) -> RunStatus:
        """Execute a run; when it asks, do `meanwhile` and answer `reply`."""
        statuses: list[RunStatus] = []
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:

                async def work() -> None:
                    statuses.append(await self.execute(run, command))

                tasks.start_soon(work)
                interrupt = await self.open_interrupt(run)
                meanwhile()
                await answer(self.journal, run, interrupt, reply, by="the test")
        return statuses[0]

    async def open_interrupt(self, run: str) -> str:
        """The name of the question that a run asks, waited for."""
        async with self.journal.live(run) as feed:
            while True:
                history = (await self.done(run, RunStatus.RUNNING)).history
                if history.open_interrupts:
                    return history.open_interrupts[0].interrupt
                await feed.receive()


@dataclass
class Done:
    """A run as the journal has it."""

    journal: Journal
    run: str
    status: RunStatus
    events: list[Event]
    history: History

    async def result(self) -> CouncilResult:
        """Its result; the run must have finished."""
        assert self.history.result is not None, (self.status, self.history.fault)
        raw = await self.journal.read(self.journal.reader.artifact, self.history.result)
        return msgspec.json.decode(raw, type=CouncilResult)

    async def verdict(self) -> Verdict:
        """The verdict of its result."""
        return (await self.result()).verdict

    async def output(self, step: str, form: type[T]) -> T:
        """The recorded output of a step."""
        digest = self.history.step(step).last.output
        assert digest is not None
        return msgspec.json.decode(await self.journal.read(self.journal.reader.artifact, digest), type=form)

    @property
    def steps(self) -> dict[str, str]:
        """Each step with its state."""
        return {name: str(step.state) for name, step in self.history.steps.items()}

    @property
    def notices(self) -> str:
        """All notices, one a line."""
        return "\n".join(notice.text for notice in self.history.notices)


@asynccontextmanager
async def desk_in(
    folder: Path,
    settings: Settings,
    *urls: str,
    context_tokens: int = 8192,
    flavour: str = "openai",
    **preferences: list[str],
) -> AsyncIterator[Desk]:
    """A desk in `folder` with the file `calc.py`, and an engine `one`, `two`, ... for each address."""
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    if not (workspace / "calc.py").exists():
        (workspace / "calc.py").write_text(SOURCE)
    async with AsyncExitStack() as stack:
        engines = [
            await stack.enter_async_context(_engine(name, url, context_tokens, flavour))
            for name, url in zip(("one", "two", "three"), urls, strict=False)
        ]
        journal = await stack.enter_async_context(open_journal(folder / "home", holder="the test"))
        yield Desk(journal, workspace, engines, settings, preferences)


def _engine(name: str, url: str, context_tokens: int, flavour: str) -> OpenAIEngine:
    info = EngineInfo(name=name, model="scripted", context_tokens=context_tokens, is_local=True)
    return OpenAIEngine(info, OpenAISettings(base_url=url, retries=0, flavour=flavour))  # pyright: ignore[reportArgumentType]


def is_json(request: Received) -> bool:
    """Whether a request wants JSON by a schema: a critic's or a judge's."""
    return "response_format" in request.body


def findings(*found: dict[str, object]) -> Answer:
    """A critic's answer."""
    return say_json({"findings": list(found)})


def choose(best: str, reason: str = "it is right") -> Answer:
    """A judge's answer."""
    return say_json({"best": best, "reason": reason})


def choose_text(text: str) -> Callable[[Received], Answer]:
    """A judge that takes the candidate with `text` in it, whatever its letter."""

    def decide(request: Received) -> Answer:
        sections = request.last.split("## Candidate ")[1:]
        return choose(next(section[0] for section in sections if text in section))

    return decide


def script(server: ScriptedServer) -> None:
    """Let `server` play a whole council on a question: different proposals, no finding, a judge for the first."""
    server.otherwise(lambda request: f"- (calc.py:4-6): variant {request.body['seed']}")
    server.when(SYNTHESIZE, "- (calc.py:1-6): the merged answer")
    server.when(CRITIC, findings())
    server.when(JUDGE, choose_text("the merged answer"))
