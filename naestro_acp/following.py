"""Following one run for one session: its events become updates, its questions go to the person, answers go back.

`turn` above starts or resumes the run and says what its end means for the prompt; below stand the client, the
projection and the permissions. A client that is gone ends the following, never the run.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio.abc import TaskGroup

from naestro.client.api import Client
from naestro.errors import NaestroError, RunStateError
from naestro.types import (
    Delta,
    Event,
    InterruptAnswered,
    InterruptOpened,
    Notice,
    RunCancelled,
    RunFailed,
    RunStopped,
)
from naestro_acp.outlet import GONE, Outlet
from naestro_acp.permissions import Permissions
from naestro_acp.projection import Projection
from naestro_acp.sdk_gaps import NoticeUpdate, send_update, shows_notices
from naestro_acp.sessions import Sessions

BY = "acp"
"""Who answers, as the journal tells it."""
ENDS = (RunStopped, RunFailed, RunCancelled)
"""Endings after which a run may go on."""


@dataclass(slots=True)
class Following:
    """One run on one session's screen."""

    client: Client
    sessions: Sessions
    permissions: Permissions
    outlet: Outlet
    projection: Projection
    is_cancelled: bool = False
    """Whether the client cancelled the prompt by a question."""
    _asking: dict[str, anyio.CancelScope] = field(default_factory=dict[str, anyio.CancelScope])
    _failed: list[Exception] = field(default_factory=list[Exception])

    async def to_end(self, run: str, *, is_resumed: bool = False) -> None:
        """Show `run` from its beginning until it ends, stops, or waits for an answer that nobody gives.

        Raises what the client raises, and one of `GONE`.
        """
        self.outlet.run = run
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._guarded, tasks, partial(self._draw, run, tasks, is_resumed))
        if self._failed:
            raise self._failed[0]

    async def _guarded(self, tasks: TaskGroup, work: Callable[[], Awaitable[bool]]) -> None:
        """Do `work`; when it says so, or fails, all is over."""
        try:
            is_over = await work()
        except (NaestroError, *GONE) as error:
            self._failed.append(error)
            is_over = True
        if is_over:
            tasks.cancel_scope.cancel()

    async def _draw(self, run: str, tasks: TaskGroup, is_resumed: bool) -> bool:
        earlier = await self.client.history(run)
        passed = _passed(earlier, is_resumed)
        async with self.client.events(run, 0) as items:
            async for item in items:
                if isinstance(item, Event) and item.seq in passed:
                    continue
                await self._show(item)
                if isinstance(item, Event) and isinstance(item.data, InterruptOpened):
                    tasks.start_soon(self._guarded, tasks, partial(self._ask, run, item.data))
        return True

    async def _show(self, item: Event | Delta) -> None:
        if isinstance(item, Event):
            if isinstance(item.data, InterruptAnswered) and item.data.interrupt in self._asking:
                self._asking.pop(item.data.interrupt).cancel()
            if isinstance(item.data, Notice) and shows_notices(self.permissions.capabilities):
                await self._notice(item.run, item.data)
                return
        blobs = {digest: await self.client.artifact(digest) for digest in self.projection.needs(item)}
        await self.outlet.send(*self.projection.show(item, blobs))

    async def _notice(self, run: str, data: Notice) -> None:
        update = NoticeUpdate(severity=data.level, title=data.text)
        await send_update(self.outlet.conn, self.outlet.session_id, update, naestro={"run": run})

    async def _ask(self, run: str, data: InterruptOpened) -> bool:
        """Put a question to the person and its answer to the run; whether the following is over."""
        with anyio.CancelScope() as self._asking[data.interrupt]:
            session = await self.sessions.find(self.outlet.session_id)
            reply = await self.permissions.answer(self.outlet, session, data, self.projection.change)
            if self._asking.pop(data.interrupt, None) is None:
                return False  # pragma: no cover somebody else answered in the same moment: too short to hit by a test
            if reply.note:
                await self.outlet.say(reply.note)
            if reply.answer is None:
                return await self._leave(run, is_cancelled=reply.is_cancelled)
            with suppress(RunStateError):  # the run may have ended meanwhile
                await self.client.respond(run, data.interrupt, reply.answer, by=BY)
        return False

    async def _leave(self, run: str, *, is_cancelled: bool) -> bool:
        self.is_cancelled = is_cancelled
        if not is_cancelled:
            await self.outlet.say(f"`/resume {run}` asks again.")
        return True


def _passed(earlier: Sequence[Event], is_resumed: bool) -> set[int]:
    """The numbers of recorded events that are not shown: settled or overtaken questions, endings that were none."""
    answered = {event.data.interrupt for event in earlier if isinstance(event.data, InterruptAnswered)}
    newest = {event.step: event.revision or 0 for event in earlier if event.step is not None}
    last_seq = 0 if is_resumed or not earlier else earlier[-1].seq
    return {
        event.seq
        for event in earlier
        if (isinstance(event.data, InterruptOpened) and _is_settled(event, event.data, answered, newest))
        or (isinstance(event.data, InterruptAnswered))
        or (isinstance(event.data, ENDS) and event.seq != last_seq)
    }


def _is_settled(event: Event, data: InterruptOpened, answered: set[str], newest: dict[str, int]) -> bool:
    is_overtaken = event.step is not None and (event.revision or 0) < newest.get(event.step, 0)
    return data.interrupt in answered or is_overtaken
