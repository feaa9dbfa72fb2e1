"""What a session that is loaded shows of its past, told from the journal and the session's own words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from acp.helpers import SessionUpdate

from naestro.client.api import Client, Command
from naestro.client.local import LocalClient
from naestro.errors import NotInJournal
from naestro.types import Origin
from naestro_acp import history
from naestro_acp.history import DETAILED_TURNS, replay, working_run
from naestro_acp.sessions import Session, Turn
from tests.acp.desk import core_in
from tests.support.answers import say_tokens
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import answer_schema, proposes

pytestmark = pytest.mark.anyio


def session(*turns: Turn) -> Session:
    return Session(id="s", cwd="/w", workspace="/w", created="", updated="", turns=list(turns))


async def kinds(client: Client, shown: Session) -> list[str]:
    return [_kind(update) async for update, _ in replay(client, shown)]


def _kind(update: SessionUpdate | object) -> str:
    return getattr(update, "session_update")  # noqa: B009 the union's last members have it, too


@asynccontextmanager
async def with_run(
    folder: Path, server: ScriptedServer, patch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[LocalClient, str]]:
    """A core with one run of a question that has begun."""
    async with core_in(folder, server.base_url, patch) as core:
        command = Command(
            name="orchestrate",
            task={"text": "What does add do?"},
            workspace=str(folder / "workspace"),
            origin=Origin.ACP,
        )
        yield core, await core.start(command)


async def ended(core: LocalClient, run: str) -> None:
    async with core.events(run) as events:
        async for _ in events:
            pass


@pytest.fixture
def answering(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.otherwise(lambda request: f"It adds two numbers (calc.py:4-6). Variant {request.number}.")
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server


async def test_a_reply_that_no_connection_was_there_to_keep_is_told_from_the_run(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_run(tmp_path, answering, monkeypatch) as (core, run):
        await ended(core, run)
        shown = [update async for update, _ in replay(core, session(Turn(prompt="p", run=run)))]
    assert _kind(shown[0]) == "user_message_chunk"
    assert {_kind(update) for update in shown[1:-1]} == {"tool_call"}
    assert "It adds two numbers" in str(shown[-1])


async def test_each_update_names_the_run_behind_it(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_run(tmp_path, answering, monkeypatch) as (core, run):
        await ended(core, run)
        turns = session(Turn(prompt="/help", reply="h"), Turn(prompt="p", run=run, reply="r"))
        runs = [named async for _, named in replay(core, turns)]
    assert runs[:2] == [None, None]
    assert set(runs[2:]) == {run}


async def test_older_turns_are_shown_by_their_words_alone(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_run(tmp_path, answering, monkeypatch) as (core, run):
        await ended(core, run)
        words = Turn(prompt="/help", reply="h")
        told = await kinds(core, session(Turn(prompt="p", run=run, reply="r"), *[words] * DETAILED_TURNS))
        untold = await kinds(core, session(Turn(prompt="p", run=run), *[words] * DETAILED_TURNS))
    assert told == ["user_message_chunk", "agent_message_chunk"] * (DETAILED_TURNS + 1)
    assert untold == told


async def test_a_run_at_work_is_left_to_whoever_follows_it(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(say_tokens(50, stall_after=3))
    async with with_run(tmp_path, scripted_server, monkeypatch) as (core, run):
        await scripted_server.until(lambda: bool(scripted_server.chats))
        asked = session(Turn(prompt="p", run=run))
        assert await kinds(core, asked) == ["user_message_chunk"]
        assert await working_run(core, asked) == run
        await core.cancel(run, "the test is over")
        assert await working_run(core, asked) is None


class Forgetful:
    """The core with artifacts that are gone, as after a run was pruned between two reads."""

    def __init__(self, core: LocalClient) -> None:
        self._core = core

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    async def artifact(self, digest: str) -> bytes:
        raise NotInJournal(f"There is no artifact {digest}.")


async def test_a_run_whose_texts_are_gone_leaves_the_words(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_run(tmp_path, answering, monkeypatch) as (core, run):
        await ended(core, run)
        gone: Any = Forgetful(core)
        told = await kinds(gone, session(Turn(prompt="p", run=run, reply="r")))
    assert told == ["user_message_chunk", "agent_message_chunk"]


async def test_a_run_that_is_no_longer_in_the_journal_leaves_the_words(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, scripted_server.base_url, monkeypatch) as core:
        gone = session(Turn(prompt="p", run="gone", reply="r"), Turn(prompt="q", run="gone"))
        assert await kinds(core, gone) == ["user_message_chunk", "agent_message_chunk", "user_message_chunk"]
        assert await working_run(core, gone) is None
        assert await working_run(core, session()) is None
        assert await working_run(core, session(Turn(prompt="/help"))) is None


def test_the_states_at_work_are_not_final() -> None:
    assert not any(status.is_final for status in history.AT_WORK)
