"""Sessions as documents: what is kept, what is not, and that two who change one at a time lose nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from naestro.app import open_core
from naestro.errors import InputError
from naestro_acp.sessions import (
    TEXT_CHARS_MAX,
    NoSession,
    Session,
    Sessions,
    Turn,
    checked_folder,
    title_of,
)

pytestmark = pytest.mark.anyio
SERVERS = [{"name": "files", "command": "x", "env": [{"name": "KEY", "value": "s3cr3t"}]}]


@pytest.fixture
async def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sessions]:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "home"))
    async with open_core("a test") as core:
        yield Sessions(core.documents)


async def test_a_session_is_found_as_it_was_kept(sessions: Sessions, tmp_path: Path) -> None:
    (real := tmp_path / "real").mkdir()
    (link := tmp_path / "link").symlink_to(real)
    made = await sessions.create(str(link), [str(real)], SERVERS)
    assert (made.cwd, made.workspace, made.mode) == (str(link), str(real.resolve()), "council")
    assert await sessions.find(made.id) == made


async def test_what_may_carry_secrets_stays_in_memory(sessions: Sessions, tmp_path: Path) -> None:
    made = await sessions.create(str(tmp_path), [], SERVERS)
    others = Sessions(sessions._documents)
    assert (await others.find(made.id)).mcp_servers == []
    assert (await sessions.find(made.id)).mcp_servers == SERVERS


async def test_changes_at_the_same_time_lose_nothing(sessions: Sessions, tmp_path: Path) -> None:
    made = await sessions.create(str(tmp_path), [], [])
    others = Sessions(sessions._documents)

    async def add(store: Sessions, prompt: str) -> None:
        def edit(now: Session) -> Session:
            return replace(now, turns=[*now.turns, Turn(prompt=prompt)])

        await store.change(made.id, edit)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(add, (sessions, others)[number % 2], str(number))
    assert {turn.prompt for turn in (await sessions.find(made.id)).turns} == {str(n) for n in range(10)}


async def test_a_session_that_is_opened_again_stands_in_the_folder_that_is_named_now(
    sessions: Sessions, tmp_path: Path
) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    made = await sessions.create(str(tmp_path), [], [])
    await sessions.change(made.id, lambda now: replace(now, closed=True))
    opened = await sessions.open(made.id, str(elsewhere), [], SERVERS)
    assert (opened.cwd, opened.closed, opened.mcp_servers) == (str(elsewhere), False, SERVERS)


async def test_a_session_that_is_not_there_cannot_be_used(sessions: Sessions, tmp_path: Path) -> None:
    for use in (
        sessions.find("none"),
        sessions.change("none", lambda now: now),
        sessions.fork("none", str(tmp_path), [], []),
        sessions.open("none", str(tmp_path), [], []),
    ):
        with pytest.raises(NoSession):
            await use
    await sessions.delete("none")


async def test_what_another_version_kept_hides_no_other_session(sessions: Sessions, tmp_path: Path) -> None:
    made = await sessions.create(str(tmp_path), [], [])
    await sessions._documents.put("acp.sessions", "strange", {"id": 7})
    with pytest.raises(NoSession):
        await sessions.find("strange")
    assert await sessions.page(None, None) == ([made], None)


async def test_nothing_is_written_when_nothing_changes(sessions: Sessions, tmp_path: Path) -> None:
    first = await sessions.create(str(tmp_path), [], [])
    second = await sessions.create(str(tmp_path), [], [])
    await sessions.change(first.id, lambda now: now)
    assert [key for key, _ in await sessions._documents.list("acp.sessions")] == [second.id, first.id]


async def test_a_page_follows_the_last_one_also_when_sessions_come_in_between(
    sessions: Sessions, tmp_path: Path
) -> None:
    made = [await sessions.create(str(tmp_path), [], []) for _ in range(60)]
    first, cursor = await sessions.page(None, None)
    await sessions.create(str(tmp_path), [], [])
    rest, end = await sessions.page(None, cursor)
    assert {one.id for one in first + rest} == {one.id for one in made}
    assert (len(first), len(rest), end) == (50, 10, None)


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("", ""),
        (" \n\n  Mend add  \nin calc.py", "Mend add"),
        ("word " * 40, f"{'word ' * 14}word…"),
        ("x" * 200, f"{'x' * 79}…"),
    ],
)
def test_a_title_is_the_first_line_cut_at_a_word(prompt: str, title: str) -> None:
    assert title_of(prompt) == title


def test_a_name_that_no_folder_can_have_is_refused() -> None:
    for path in ("/" + "x" * 5000, "/a\0b", "here"):
        with pytest.raises(InputError):
            checked_folder(path)


async def test_a_talk_without_end_is_kept_with_its_latest_turns(sessions: Sessions, tmp_path: Path) -> None:
    made = await sessions.create(str(tmp_path), [], [])
    long = [Turn(prompt="\x01" * 2_000_000, reply="é" * 2_000_000)]
    short = [Turn(prompt=f"{number}: " + "x" * 40_000, reply="y" * 40_000) for number in range(30)]
    for turn in [*long, *short, *long]:
        kept = await sessions.change(made.id, lambda now, turn=turn: replace(now, turns=[*now.turns, turn]))
        assert await sessions.find(made.id) == kept
        assert kept.turns[-1].prompt[:50] == turn.prompt[:50]
    assert len(kept.turns[-1].prompt) == len(kept.turns[-1].reply) == TEXT_CHARS_MAX
    assert kept.turns[-2] == short[-1]
    assert 1 < len(kept.turns) < 30


async def test_a_list_for_a_folder_that_cannot_be_is_refused(sessions: Sessions) -> None:
    with pytest.raises(InputError, match="no folder"):
        await sessions.page("/\0x", None)
