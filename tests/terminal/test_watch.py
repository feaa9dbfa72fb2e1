"""Following a run from a terminal: signals that come again, and questions that nobody can answer."""

import os
import signal
from pathlib import Path

import anyio
import pytest

from naestro.errors import InputError
from naestro.runs.run import Run
from naestro.terminal.exits import Exit
from naestro.terminal.watch import Watch, follow, go_on
from naestro.types import RunStatus
from tests.client.test_local_client import Flows, asking, client_in, command, until
from tests.runs.flows import Text
from tests.terminal.test_text import typing

pytestmark = pytest.mark.anyio
PLAIN = Watch(is_json=False, is_drawn=False)


async def test_another_ctrl_c_gives_up_waiting_for_a_run_that_does_not_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun, ends = anyio.Event(), anyio.Event()
    codes: list[int] = []

    async def stubborn(run: Run) -> Text:
        begun.set()
        with anyio.CancelScope(shield=True):
            await ends.wait()
        return Text("at last")

    flows = Flows()
    flows.by_text["stubborn"] = stubborn
    async with client_in(tmp_path, flows) as client, anyio.create_task_group() as tasks:
        run = await client.start(command("stubborn"))
        left = anyio.Event()

        async def watch() -> None:
            codes.append(await follow(client, run, PLAIN))
            left.set()

        tasks.start_soon(watch)
        await begun.wait()
        while not left.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            with anyio.move_on_after(0.2):
                await left.wait()
        ends.set()
    assert codes == [Exit.WAITING]
    assert f"The run {run} is left; `naestro resume {run}` goes on." in capsys.readouterr().err


async def test_where_nobody_can_answer_the_run_stays_waiting_and_it_is_said_how_to_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flows = Flows()
    flows.by_text["ask"] = asking
    async with client_in(tmp_path, flows) as client:
        run = await client.start(command("ask"))
        await until(client, run, lambda event: event.type == "interrupt.opened")
        await client.park(run)
        assert await go_on(client, run, PLAIN) == Exit.WAITING
        told = capsys.readouterr().err
        assert "a diff" in told
        assert f"`naestro resume {run} --answer left|right` answers and goes on." in told
        assert await go_on(client, run, Watch(is_json=True, is_drawn=False)) == Exit.WAITING
        assert "a diff" not in capsys.readouterr().err
        assert (await client.get(run)).status is RunStatus.WAITING


async def test_a_question_about_nothing_is_asked_for_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def named(run: Run) -> Text:
        name = await run.ask("name", "answer", "Which name?", [])
        raise InputError(f"There is no {name}.", hint="Take another.")

    flows = Flows()
    flows.by_text["name"] = named
    async with client_in(tmp_path, flows) as client:
        with typing("calc\n"):
            run = await client.start(command("name"))
            assert await follow(client, run, Watch(is_json=False, is_drawn=True)) == Exit.USAGE
    told = capsys.readouterr().err
    assert "Which name? " in told
    assert "naestro: There is no calc.\n  Take another." in told
