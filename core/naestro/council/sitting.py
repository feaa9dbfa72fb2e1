"""One run's council at work: what every stage of a flow needs, and how a seat is taken, tried elsewhere or dropped.

A command makes a run and a `Kit` into a `Sitting` and hands it from stage to stage. Below stand `runs`, `routing` and
`engines`. It knows no prompt: the stages (`propose`, `critique`, ...) bring their work.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import anyio

from naestro.config import RoleSettings, Settings, ToolCalls, ToolRole
from naestro.council.budget import request_tokens
from naestro.council.generate import Seat
from naestro.council.look_up import Desk
from naestro.council.roles import Role
from naestro.errors import ContextTooLong, EngineError, NaestroError
from naestro.index.spans import Searcher
from naestro.policy.buffers import EditorBuffers
from naestro.policy.editor import Editor
from naestro.policy.workspace import Workspace
from naestro.routing.pool import Pool, Route
from naestro.routing.turns import Turns
from naestro.runs.attempt import Attempt
from naestro.runs.journal import Journal
from naestro.runs.run import Run, StepSpec
from naestro.tools.tool import Tools
from naestro.types import Fault

T = TypeVar("T")

SLOTS_WITH_A_CACHE_EACH = ("llama.cpp",)
"""Servers whose request slots share no prefix cache with one another."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What a flow works with; made by the composition root for each run."""

    workspace: Workspace
    engines: Pool
    settings: Settings
    searcher: Searcher
    journal: Journal
    """For what a flow reads of other runs, and for what it records beside its steps."""
    editor: Editor | None = None
    """What the front end lends, while it is there."""
    tools: Tools | None = None
    """What roles may call; None where no tools are offered."""

    @property
    def files(self) -> Workspace:
        """The workspace as the person has it: unsaved buffers win. To be read in worker threads (`reading`)."""
        if self.editor is None:
            return self.workspace
        return replace(self.workspace, buffers=EditorBuffers(self.editor))


@dataclass(frozen=True, slots=True)
class Sitting:
    """A run, its kit, and what it had to go on without."""

    run: Run
    kit: Kit
    turns: Turns
    losses: list[str] = field(default_factory=list[str])
    """What the run went on without, each a sentence; told first in the result."""
    ended: list[str] = field(default_factory=list[str])
    """The steps of the stages that are over, dropped ones too: what a later stage reads."""

    @classmethod
    def open(cls, run: Run, kit: Kit) -> "Sitting":
        """The sitting of `run`."""
        return cls(run, kit, Turns(kit.engines.limiter, partial(_takes_one, kit.settings)))

    def role(self, role: Role) -> RoleSettings:
        """The settings of a role."""
        roles = self.kit.settings.roles
        return {
            Role.PROPOSER: roles.proposer,
            Role.CRITIC: roles.critic,
            Role.SYNTHESIZER: roles.synthesizer,
            Role.JUDGE: roles.judge,
        }[role]

    async def desk(self, role: ToolRole) -> Desk | None:
        """What a look-up of `role` may use; None where it is offered no tools. What is missing is told, once."""
        tools, settings = self.kit.tools, self.kit.settings.tools
        if tools is None or not settings.enabled or role not in settings.roles:
            return None
        offered = await tools.offered()
        for trouble in offered.troubles:
            await self.run.notice(trouble, "warning")
        return Desk(offered, settings, is_replay=self.run.is_replay)

    def tool_calls(self, engine: str) -> ToolCalls:
        """How an engine is offered tools; `auto` is the schema for an embedded one."""
        known = self.kit.settings.engines.get(engine)
        mode = known.tool_calls if known is not None else "auto"
        is_embedded = known is None or known.kind == "embedded"
        return "schema" if mode == "auto" and is_embedded else mode

    async def seats(self, role: Role, count: int, *prompt: str) -> list[list[Route]]:
        """For each of `count` seats the engines to try, in order: those whose context holds `prompt` and its answer.

        None at all, and said so, where the prompt is too long for every engine: the run goes on without that role.
        """
        needed = request_tokens(*prompt, max_tokens=self.role(role).max_tokens)
        try:
            routes = self.kit.engines.for_role(role, count, needed_tokens=needed)
        except ContextTooLong as error:
            self.losses.append(f"Nobody took the role {role}: {error.message}")
            await self.run.notice(self.losses[-1], "warning")
            return []
        return [self.kit.engines.alternatives(role, route, needed_tokens=needed) for route in routes]

    async def take_seat(
        self,
        spec: StepSpec,
        routes: Sequence[Route],
        work: Callable[[Seat], Awaitable[T]],
        output: type[T],
        *,
        reroute_on: type[EngineError] = EngineError,
    ) -> T | None:
        """The output of a step that a model works on, or None where it had to be dropped.

        `routes` are tried in order, as long as an attempt fails with `reroute_on`; the last failure drops the step,
        with its reason.
        """
        failed: EngineError | None = None
        for route in routes:
            why = route.reason if failed is None else f"{route.reason}: {failed.message}"
            try:
                return await self._sit(replace(spec, engine=route.name, route=why), route, work, output)
            except EngineError as error:
                failed = error
            if not isinstance(failed, reroute_on):
                break
        assert failed is not None, "a seat has at least one route"
        await self.lose(spec.name, failed)
        return None

    async def lose(self, step: str, error: NaestroError) -> None:
        """Go on without `step`, and say so."""
        self.losses.append(f"{step} was dropped: {error.message}")
        await self.run.drop(step, Fault(code=error.code, message=error.message, hint=error.hint))

    async def _sit(
        self, spec: StepSpec, route: Route, work: Callable[[Seat], Awaitable[T]], output: type[T]
    ) -> T:
        async def attempt_at(attempt: Attempt) -> T:
            return await work(Seat(attempt, route.engine, self.turns))

        return await self.run.step(spec, attempt_at, output)


async def side_by_side(works: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """The results of `works`, run at the same time, in their order.

    The first `NaestroError` ends them all and is raised as it is, not in a group.
    """
    results: dict[int, T] = {}

    async def keep(number: int, work: Callable[[], Awaitable[T]]) -> None:
        results[number] = await work()

    failed: list[NaestroError] = []
    try:
        async with anyio.create_task_group() as tasks:
            for number, work in enumerate(works):
                tasks.start_soon(keep, number, work)
    except* NaestroError as group:
        failed.extend(error for error in group.exceptions if isinstance(error, NaestroError))
    if failed:
        raise failed[0]
    return [results[number] for number in range(len(works))]


def _takes_one(settings: Settings, name: str) -> bool:
    """Whether an engine should get one call of a run at a time; the embedded one shares prefixes among its slots."""
    engine = settings.engines.get(name)
    return engine is not None and engine.kind == "openai" and engine.flavour in SLOTS_WITH_A_CACHE_EACH
