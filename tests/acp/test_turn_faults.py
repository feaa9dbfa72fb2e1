"""What goes wrong in a turn: a client that cannot ask, work that ends without a word, races at a run's end."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from acp.helpers import text_block

import acp
from naestro.client.local import LocalClient
from naestro.errors import JournalUnwritable, RunStateError
from naestro.types import Delta, Event, RunStatus
from naestro_acp.outlet import ClientConnection
from naestro_acp.permissions import COLLECTION
from naestro_acp.sessions import Session, Sessions
from naestro_acp.turn import Turns
from tests.acp.desk import FORMS, MENDED, NOTHING, SOURCE, Person, conn_of, core_in, desk_in
from tests.acp.test_permissions import again, pausing
from tests.acp.test_turn import TASK, answering, patching
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio
__all__ = ["answering", "patching"]


async def refused() -> str:
    """A client that answers a question with an error."""
    raise acp.RequestError.internal_error({"details": "no window"})


async def test_a_client_that_cannot_ask_leaves_the_run_waiting_and_says_so(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        desk.person.picks = [refused, "yes"]
        await desk.ask(TASK)
        run = await desk.core.get("last")
        assert run.status is RunStatus.WAITING
        assert "Your editor could not ask: Apply this change to 1 file?" in desk.person.said
        await desk.ask(f"/resume {run.id}")
        assert desk.source() == MENDED


async def test_an_answer_that_was_not_offered_counts_as_none(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        desk.person.picks = ["everything"]
        response = await desk.ask(TASK)
        assert desk.source() == SOURCE
    assert response.stop_reason == "cancelled"


async def test_a_form_that_fails_leaves_the_run_waiting(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pausing(tmp_path)
    async with desk_in(tmp_path, answering.base_url, monkeypatch, FORMS) as desk:
        desk.person.forms = [{}, {"answer": "nonsense"}]
        desk.person.broken = True
        await desk.ask("What does add do?")
        assert "Your editor could not ask: All candidates are in." in desk.person.said
        desk.person.broken = False
        for _ in range(2):
            await desk.ask("/resume last")
            assert (await desk.core.get("last")).status is RunStatus.WAITING
    assert desk.person.said.count("The run waits for the answer.") == 2


async def test_forgetting_in_one_workspace_leaves_the_others(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        await desk.core.documents.put(COLLECTION, "orchestrate\n/elsewhere", "yes")
        desk.person.picks = ["yes-session"]
        assert await again(desk) == MENDED
        await desk.ask("/forget")
        desk.person.picks = ["no"]
        assert await again(desk) == SOURCE
        assert await desk.core.documents.get(COLLECTION, "orchestrate\n/elsewhere") == "yes"


async def test_a_fresh_session_traces_and_undoes_the_last_run_of_its_workspace(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        desk.person.picks = ["yes"]
        await desk.ask(TASK)
        await desk.open()
        await desk.ask("/trace")
        assert "| ✓ apply |" in desk.person.said
        desk.person.picks = ["no"]
        await desk.ask(TASK)
        assert desk.source() != SOURCE
        await desk.ask("/undo")
        assert desk.source() == SOURCE
        await desk.ask("/undo")
        assert "no patch that could be undone" in desk.person.said


async def test_models_says_that_no_engine_is_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk_in(tmp_path, "", monkeypatch) as desk:
        await desk.ask("/models")
    assert "No engine is set up." in desk.person.said


class Faulty(LocalClient):
    """A client whose runs are followed, and ended, with faults."""

    fault: Exception | None = None
    is_late = False

    def events(self, run: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Event | Delta]]:
        return self._broken(super().events(run, after))

    @asynccontextmanager
    async def _broken(
        self, whole: AbstractAsyncContextManager[AsyncIterator[Event | Delta]]
    ) -> AsyncGenerator[AsyncIterator[Event | Delta]]:
        async with whole as items:
            yield self._first(items)

    async def _first(self, items: AsyncIterator[Event | Delta]) -> AsyncGenerator[Event | Delta]:
        yield await anext(items)
        if self.is_late:
            with pytest.raises(RunStateError):
                await self.steer()
        if self.fault is not None:
            raise self.fault

    async def steer(self) -> None:
        """What a person does at the worst moment."""

    async def cancel(self, run: str, reason: str) -> None:
        if self.is_late:
            raise RunStateError("It has ended.")
        await super().cancel(run, reason)


@asynccontextmanager
async def turns_in(
    folder: Path, server: ScriptedServer, patch: pytest.MonkeyPatch, person: Person
) -> AsyncGenerator[tuple[Turns, Faulty, Session]]:
    """Turns over a client with faults, and a session."""
    async with core_in(folder, server.base_url, patch) as core, conn_of(person) as conn:
        client = Faulty.__new__(Faulty)
        client.__dict__.update(core.__dict__)
        session = await Sessions(core.documents).create(str(folder / "workspace"), [], [])
        yield turns_of(conn, client), client, session


def turns_of(conn: ClientConnection, client: Faulty) -> Turns:
    """The turns of a connection whose client offers nothing."""
    return Turns(conn, client, NOTHING)


async def test_work_that_ends_by_a_fault_is_told_in_the_conversation(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person()
    async with turns_in(tmp_path, answering, monkeypatch, person) as (turns, client, session):
        client.fault = JournalUnwritable("The disk is full.")
        response = await turns.prompt(session, [text_block("What does add do?")])
        await person.until(lambda: "The disk is full." in person.said)
    assert response.stop_reason == "end_turn"


async def test_work_that_ends_without_a_word_is_told(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person()
    async with turns_in(tmp_path, answering, monkeypatch, person) as (turns, _, session):
        await turns.prompt(session, [text_block("What does add do?")])
        await person.until(lambda: "Nobody works on the run any more." in person.said)


async def test_steering_that_comes_too_late_starts_nothing(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with turns_in(tmp_path, answering, monkeypatch, Person()) as (turns, client, session):

        async def steer() -> None:
            await turns.steer(session.id, "and quickly")

        client.is_late = True
        client.steer = steer
        await turns.prompt(session, [text_block("What does add do?")])
        assert len(await client.runs()) == 1


async def test_a_session_without_a_run_has_nothing_to_follow(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person()
    async with turns_in(tmp_path, answering, monkeypatch, person) as (turns, _, session):
        await turns.follow(session)
    assert person.shown == []
