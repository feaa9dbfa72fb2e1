"""The live feed: what was shown was first written, and a slow reader slows nobody down."""

from pathlib import Path

import anyio
import pytest

from naestro.errors import RunStateError
from naestro.runs.feed import BUFFER_ITEMS
from naestro.runs.journal import Journal
from naestro.types import Delta, Event
from tests.runs.journals import begun, notice, open_journal

pytestmark = pytest.mark.anyio
WAIT_S = 30.0


def delta(run: str, text: str) -> Delta:
    return Delta(run=run, step="propose.1", call="propose.1/1/1/1", text=text)


async def test_events_and_deltas_of_a_run_reach_everyone_who_listens_to_it(journal: Journal) -> None:
    run = await journal.create_run(begun())
    other = await journal.create_run(begun())
    async with journal.live(run) as one, journal.live(run) as two:
        journal.publish(delta(run, "a"))
        journal.publish(delta(other, "not for them"))
        await journal.write(other, notice())
        written = await journal.write(run, notice("b"), notice("c"))
        for stream in (one, two):
            assert [stream.receive_nowait() for _ in range(3)] == [delta(run, "a"), *written]
            with pytest.raises(anyio.WouldBlock):
                stream.receive_nowait()


async def test_an_event_is_in_the_journal_when_it_is_shown(journal: Journal) -> None:
    run = await journal.create_run(begun())
    async with anyio.create_task_group() as tasks, journal.live(run) as live:
        tasks.start_soon(journal.write, run, notice())
        with anyio.fail_after(10):
            shown = await live.receive()
        assert isinstance(shown, Event)
        assert journal.reader.events(run)[-1] == shown


async def test_a_delta_is_not_written(journal: Journal) -> None:
    run = await journal.create_run(begun())
    journal.publish(delta(run, "a"))
    assert [event.type for event in journal.reader.events(run)] == ["run.started"]


async def test_a_refused_write_is_not_shown(journal: Journal) -> None:
    run = await journal.create_run(begun())
    async with journal.live(run) as live:
        with pytest.raises(RunStateError):
            await journal.write(run, notice("never"), guard=_Refuses())
        with pytest.raises(anyio.WouldBlock):
            live.receive_nowait()


class _Refuses:
    def check(self, tx: object) -> None:
        raise RunStateError("no")


async def test_the_stream_of_a_slow_reader_ends_and_it_reads_on_from_the_journal(journal: Journal) -> None:
    run = await journal.create_run(begun())
    async with journal.live(run) as slow, journal.live(run) as quick:
        for number in range(BUFFER_ITEMS + 1):
            journal.publish(delta(run, str(number)))
            quick.receive_nowait()
        [event] = await journal.write(run, notice("after"))
        assert quick.receive_nowait() == event
        assert [item async for item in slow][-1] == delta(run, str(BUFFER_ITEMS - 1))
    assert journal.reader.events(run)[-1] == event


async def test_a_reader_that_went_away_is_forgotten(journal: Journal) -> None:
    run = await journal.create_run(begun())
    async with journal.live(run) as first, journal.live(run) as second:
        first.close()
        journal.publish(delta(run, "a"))
        assert second.receive_nowait() == delta(run, "a")
    async with journal.live(run) as third:
        journal.publish(delta(run, "b"))
        assert third.receive_nowait() == delta(run, "b")


async def test_every_stream_ends_with_the_journal(home: Path) -> None:
    async with open_journal(home, holder="test") as journal:
        run = await journal.create_run(begun())
        first = journal.live(run)
        second = journal.live(run)
        streams = [await first.__aenter__(), await second.__aenter__()]
    for stream in streams:
        with anyio.fail_after(10), pytest.raises(anyio.EndOfStream):
            await stream.receive()
    await first.__aexit__(None, None, None)
    await second.__aexit__(None, None, None)


async def test_events_of_all_runs_come_with_their_global_numbers(journal: Journal) -> None:
    first = await journal.create_run(begun())
    async with journal.live_all() as feed, journal.live_all() as other:
        second = await journal.create_run(begun())
        async with anyio.create_task_group() as tasks:
            for run in (first, second, first):
                tasks.start_soon(journal.write, run, notice("a"), notice("b"))
        journal.publish(delta(first, "no event"))
        with anyio.fail_after(WAIT_S):
            seen = [await feed.receive() for _ in range(7)]
            assert [await other.receive() for _ in range(7)] == seen
    assert seen == journal.reader.all_events(after=1)
    assert [number for number, _ in seen] == list(range(2, 9))


async def test_a_slow_reader_of_all_runs_is_cut_off_and_no_run_waits_for_it(journal: Journal) -> None:
    run = await journal.create_run(begun())
    async with journal.live_all() as feed:
        await journal.write(run, *[notice("x")] * (BUFFER_ITEMS + 1))
        with anyio.fail_after(WAIT_S):
            assert len([item async for item in feed]) == BUFFER_ITEMS


async def test_the_streams_of_one_run_can_be_ended_without_an_event(journal: Journal) -> None:
    run, other = await journal.create_run(begun()), await journal.create_run(begun())
    async with journal.live(run) as feed, journal.live(other) as kept:
        journal.end_live(run)
        with pytest.raises(anyio.EndOfStream):
            await feed.receive()
        [event] = await journal.write(other, notice("on"))
        assert await kept.receive() == event


async def test_the_stream_of_all_runs_ends_with_the_journal(home: Path) -> None:
    async with open_journal(home, holder="test") as journal:
        assert journal.is_open
        held = journal.live_all()
        feed = await held.__aenter__()
    assert not journal.is_open
    with pytest.raises(anyio.EndOfStream):
        await feed.receive()
    await held.__aexit__(None, None, None)
