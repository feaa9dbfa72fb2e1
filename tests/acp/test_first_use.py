"""The first prompt where no engine can answer: what is offered, fetched and gone on with."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from naestro.client.api import EngineStatus, FoundServer, ModelStatus, PullProgress
from naestro.client.local import LocalClient
from naestro.errors import DownloadFailed, NoEngine
from naestro.types import Json
from naestro_acp.first_use import FirstUse, settings_of
from naestro_acp.outlet import Outlet
from naestro_acp.sessions import Session, Sessions
from tests.acp.desk import NOTHING, Person, conn_of, core_in, desk_in

pytestmark = pytest.mark.anyio
SMALL = ModelStatus(
    name="small", size_bytes=400_000_000, licence="Apache-2.0", source="from the hub", is_installed=False,
    is_recommended=True,
)  # fmt: skip
SERVER = FoundServer(kind="ollama", base_url="http://127.0.0.1:11434/v1", models=["llama3", "other"])


@dataclass
class FewThings:
    """A machine with what a test says; a pull takes the steps that it says, and then the model is there."""

    models_: list[ModelStatus] = field(default_factory=list)
    servers_: list[FoundServer] = field(default_factory=list)
    steps: list[PullProgress | Exception] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)

    async def models(self) -> list[ModelStatus]:
        return self.models_

    async def servers(self) -> list[FoundServer]:
        return self.servers_

    async def settings(self, workspace: str) -> dict[str, tuple[str, str]]:
        return {}

    def pull(self, name: str) -> AbstractAsyncContextManager[AsyncIterator[PullProgress]]:
        return self._pull(name)

    @asynccontextmanager
    async def _pull(self, name: str) -> AsyncIterator[AsyncIterator[PullProgress]]:
        yield _each(self.steps)
        self.pulled.append(name)


async def _each(steps: Iterable[PullProgress | Exception]) -> AsyncIterator[PullProgress]:
    for step in steps:
        if isinstance(step, Exception):
            raise step
        yield step


class Bare(LocalClient):
    """A client on a machine where no engine answers until a model was pulled."""

    things: FewThings

    @property
    def machine(self) -> FewThings:
        return self.things

    async def engines(self, workspace: str) -> list[EngineStatus]:
        is_ready = bool(self.things.pulled)
        return [
            EngineStatus(
                name="small", model="small", context_tokens=4096, is_local=True, is_ready=is_ready, detail=""
            )
        ]


@dataclass
class First:
    """A first prompt's beginning, with what the person saw."""

    use: FirstUse
    outlet: Outlet
    session: Session
    person: Person
    sessions: Sessions

    async def ensure(self) -> Session | None:
        return await self.use.ensure(self.outlet, self.session)


@asynccontextmanager
async def first_in(
    folder: Path, things: FewThings, picks: list[str], patch: pytest.MonkeyPatch
) -> AsyncIterator[First]:
    person = Person(list(picks))
    async with core_in(folder, "", patch) as core, conn_of(person) as conn:
        client = Bare.__new__(Bare)
        client.__dict__.update(core.__dict__)
        client.things = things
        sessions = Sessions(core.documents)
        session = await sessions.create(str(folder / "workspace"), [], [])
        yield First(FirstUse(client, sessions), Outlet(conn, session.id), session, person, sessions)


def status(person: Person) -> str:
    """How the fetch is shown; empty while it is not."""
    return person.calls_by_id.get("pull/small", {"status": ""})["status"]


async def test_a_model_is_offered_with_all_that_counts_fetched_before_the_eyes_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [
        PullProgress(name="small", done_bytes=done, total_bytes=400_000_000) for done in (0, 100_000_000)
    ]
    things = FewThings([SMALL], steps=[*steps])
    async with first_in(tmp_path, things, ["model:small"], monkeypatch) as first:
        assert await first.ensure() == first.session
        assert await first.ensure() == first.session
        await first.person.until(lambda: status(first.person) == "completed")
    assert "Fetch small: 400 MB, licence Apache-2.0, from the hub" in first.person.said
    assert len(first.person.asked) == 1
    call = first.person.calls_by_id["pull/small"]
    assert (call["status"], call["title"], call["kind"]) == ("completed", "Fetched small", "fetch")
    assert call["content"][0].content.text == "0 MB of 400 MB (0 %)"
    assert first.use.contexts == {first.session.workspace: {"small": 4096}}


async def test_a_server_that_was_found_becomes_the_sessions_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = FewThings([SMALL], [SERVER])
    async with first_in(tmp_path, things, ["server:http://127.0.0.1:11434/v1"], monkeypatch) as first:
        session = await first.ensure()
        assert session is not None
        assert await first.sessions.find(session.id) == session
    settings = msgspec.convert(settings_of(session), dict[str, dict[str, dict[str, Json]]])
    assert settings["engines"] == {
        "found": {"kind": "openai", "base_url": "http://127.0.0.1:11434/v1", "model": "llama3"}
    }
    assert settings["roles"]["judge"] == {"engines": ["found"]}
    assert things.pulled == []


async def test_a_no_fetches_nothing_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = FewThings([SMALL])
    async with first_in(tmp_path, things, ["none"], monkeypatch) as first:
        assert await first.ensure() is None
        await first.person.until(lambda: "Nothing was fetched." in first.person.said)
    assert things.pulled == []


async def test_a_fetch_that_fails_is_shown_as_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    things = FewThings([SMALL], steps=[DownloadFailed("The network is down.")])
    async with first_in(tmp_path, things, ["model:small"], monkeypatch) as first:
        with pytest.raises(DownloadFailed):
            await first.ensure()
        await first.person.until(lambda: status(first.person) == "failed")


async def test_a_prompt_where_nothing_is_wanted_ends_without_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, "", monkeypatch, NOTHING) as desk:
        desk.person.picks = ["none"]
        response = await desk.ask("What does add do?")
        assert await desk.core.runs() == []
    assert response.stop_reason == "end_turn"
    assert "qwen2.5-coder-0.5b" in desk.person.said
    assert desk.person.asked[0][1][-1].name == "Not now"


async def test_where_nothing_can_be_offered_the_request_fails_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with first_in(tmp_path, FewThings(), [], monkeypatch) as first:
        with pytest.raises(NoEngine, match="No engine can answer"):
            await first.ensure()
