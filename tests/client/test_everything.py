"""The events of all runs as one sequence: recorded ones first, then those that come, none twice and none left out."""

from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from naestro.client.following import PAGE_EVENTS, follow_all
from naestro.client.local import LocalClient
from naestro.runs.feed import BUFFER_ITEMS
from naestro.runs.journal import open_journal
from naestro.types import Event
from tests.client.stage import WAIT_S, Flows, command, watched
from tests.runs.journals import begun, notice

pytestmark = pytest.mark.anyio


async def test_all_runs_are_followed_from_the_first_number_on(client: LocalClient, flows: Flows) -> None:
    first = await client.start(command("short"))
    await watched(client, first)
    seen: list[tuple[int, Event]] = []
    async with client.everything(0) as items:
        async for item in items:
            seen.append(item)
            if len(seen) == 1:
                second = await client.start(command("short"))
            if item[1].type == "run.finished" and item[1].run != first:
                break
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    for run in (first, second):
        assert [event for _, event in seen if event.run == run] == await client.history(run)


async def test_following_goes_on_after_the_number_that_was_seen_last(client: LocalClient) -> None:
    await watched(client, await client.start(command("short")))
    async with client.everything(0) as items:
        whole = [await anext(items) for _ in range(6)]
    async with client.everything(4) as items:
        assert [await anext(items) for _ in range(2)] == whole[4:6]
    last = client._journal.reader.all_events()[-1][0]
    async with client.everything(last) as items:
        run = await client.start(command("short"))
        number, event = await anext(items)
        assert (number, event.run, event.seq) == (last + 1, run, 1)
        await watched(client, run)


async def test_a_slow_reader_of_everything_loses_nothing_and_holds_nobody_up(tmp_path: Path) -> None:
    count = 2 * BUFFER_ITEMS
    with anyio.fail_after(WAIT_S):
        async with open_journal(tmp_path, holder="test") as journal:
            run = await journal.create_run(begun())
            async with aclosing(follow_all(journal, 0)) as items:
                seen = [(await anext(items))[0]]
                await journal.write(run, *[notice("x")] * count)
                async for number, _ in items:
                    seen.append(number)
                    if number == count + 1:
                        break
            assert seen == list(range(1, count + 2))


async def test_a_reader_that_waits_and_then_falls_behind_reads_on_from_the_journal(tmp_path: Path) -> None:
    parts = 2 * BUFFER_ITEMS // PAGE_EVENTS
    with anyio.fail_after(WAIT_S):
        async with open_journal(tmp_path, holder="test") as journal:
            run = await journal.create_run(begun())
            async with aclosing(follow_all(journal, 1)) as items:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(journal.write, run, notice("wakes it"))
                    seen = [(await anext(items))[0]]
                for _ in range(parts):
                    await journal.write(run, *[notice("x")] * PAGE_EVENTS)
                last = parts * PAGE_EVENTS + 2
                async for number, _ in items:
                    seen.append(number)
                    if number == last:
                        break
            assert seen == list(range(2, last + 1))


async def test_following_everything_ends_with_the_journal(tmp_path: Path) -> None:
    with anyio.fail_after(WAIT_S):
        async with open_journal(tmp_path, holder="test") as journal:
            await journal.create_run(begun())
            items = follow_all(journal, 0)
            seen = [await anext(items)]
        seen += [item async for item in items]
    assert len(seen) == 1
