"""One core for many callers: each with its own environment, settings and editor."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from naestro.client.api import CallerClient, Command, TerminalOutcome
from naestro.client.documents import JournalDocuments
from naestro.client.indexing import LocalIndexing
from naestro.client.lending import LentEditor
from naestro.client.local import Core, LocalClient
from naestro.client.tooling import LocalTooling
from naestro.config import Settings, load_settings
from naestro.errors import ConfigError
from naestro.runs.journal import open_journal
from naestro.runs.run import Run
from naestro.tools.servers.lent import Lent
from naestro.types import Json, Origin
from tests.client.stage import WAIT_S, Flows, Gate, behind, command, engines, machine_of, result, watched
from tests.runs.flows import Text, gives, spec
from tests.support.indexes import KnownIndexes

pytestmark = pytest.mark.anyio


class Buffers:
    """An editor that has a text of its own for every file, and notes what it is asked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.written: list[tuple[Path, str]] = []

    async def read_text(self, path: Path) -> str | None:
        return self.text

    async def write_text(self, path: Path, text: str) -> bool:
        self.written.append((path, text))
        return True

    async def run_program(self, argv: list[str], cwd: Path, timeout_s: float) -> TerminalOutcome | None:
        return TerminalOutcome(0, self.text)


def proposers() -> int:
    return load_settings(None).settings.council.proposers


def prepare(command: Command) -> tuple[str, dict[str, Json]]:
    """The settings of a run: what the environment in force says."""
    return command.workspace, {"council": {"proposers": proposers()}}


@asynccontextmanager
async def core_in(home: Path, flows: Flows) -> AsyncIterator[LocalClient]:
    known = KnownIndexes()
    with anyio.fail_after(WAIT_S):
        async with open_journal(home, holder="test") as journal, anyio.create_task_group() as tasks:
            yield LocalClient(
                Core(
                    journal,
                    prepare,
                    flows.open,
                    engines,
                    machine_of,
                    partial(LocalIndexing, known),
                    partial(LocalTooling, JournalDocuments(journal), lambda _: Settings(), home, Lent()),
                    known.close,
                ),
                tasks,
            )
            tasks.cancel_scope.cancel()


async def told_environment(run: Run) -> Text:
    return Text(await run.step(spec("one"), gives(str(proposers())), str))


async def told_editor(editor: LentEditor) -> Text:
    return Text(str(await editor.read_text(Path("/w/a"))))


def acp(text: str) -> Command:
    return Command(name="explain", task={"text": text}, workspace="/w", origin=Origin.ACP)


async def test_a_run_has_the_environment_of_whoever_started_it(tmp_path: Path, flows: Flows) -> None:
    flows.by_text["env"] = told_environment
    async with core_in(tmp_path, flows) as client:
        mine = client.bound({"NAESTRO_COUNCIL__PROPOSERS": "2"})
        yours = client.bound({"NAESTRO_COUNCIL__PROPOSERS": "4"})
        runs = [await one.start(command("env")) for one in (mine, yours, client)]
        said = [await result(client, await watched(client, run)) for run in runs]
        recorded = [(await client.history(run))[0].data.settings for run in runs]  # pyright: ignore[reportAttributeAccessIssue]  # run.started
    assert said == [b'{"text":"2"}', b'{"text":"4"}', b'{"text":"3"}']
    assert [one["council"]["proposers"] for one in recorded] == [2, 4, 3]


async def test_a_resumed_run_has_the_environment_of_whoever_resumed_it(tmp_path: Path, flows: Flows) -> None:
    gate = Gate()

    async def flow(run: Run) -> Text:
        await run.step(spec("one"), gate, str)
        return Text(str(proposers()))

    flows.by_text["env"] = flow
    async with core_in(tmp_path, flows) as client:
        run = await client.bound({"NAESTRO_COUNCIL__PROPOSERS": "2"}).start(command("env"))
        await gate.came.wait()
        await client.park(run)
        gate.goes.set()
        last = (await client.get(run)).last_seq
        await client.bound({"NAESTRO_COUNCIL__PROPOSERS": "4"}).resume(run)
        assert await result(client, await watched(client, run, last)) == b'{"text":"4"}'


async def test_a_callers_variables_are_copied_when_the_client_is_bound(tmp_path: Path, flows: Flows) -> None:
    flows.by_text["env"] = told_environment
    variables = {"NAESTRO_COUNCIL__PROPOSERS": "2"}
    async with core_in(tmp_path, flows) as client:
        mine = client.bound(variables)
        variables.clear()
        run = await mine.start(command("env"))
        assert await result(client, await watched(client, run)) == b'{"text":"2"}'


async def test_engines_and_machine_are_seen_with_the_callers_settings(tmp_path: Path, flows: Flows) -> None:
    async with core_in(tmp_path / "home", flows) as client:
        mine = client.bound({"NAESTRO_COUNCIL__PROPOSERS": "2"})
        assert (await mine.machine.settings(str(tmp_path)))["council.proposers"][0] == "2"
        assert (await client.machine.settings(str(tmp_path)))["council.proposers"][0] == "3"
        assert await mine.engines("/w") == await client.engines("/w")


async def test_a_run_uses_the_editor_of_whoever_started_it_and_then_of_whoever_adopts_it(
    tmp_path: Path, flows: Flows
) -> None:
    gate, first, second = Gate(), Buffers("first"), Buffers("second")
    seen: list[str | None] = []

    async def flow(run: Run) -> Text:
        editor = flows.editors[-1]
        assert editor is not None
        seen.append(await editor.read_text(Path("/w/a")))
        await run.step(spec("one"), gate, str)
        seen.append(await editor.read_text(Path("/w/a")))
        assert await editor.write_text(Path("/w/a"), "new")
        assert await editor.run_program(["true"], Path("/w"), 1.0) == TerminalOutcome(0, "second")
        return Text("done")

    flows.by_text["edits"] = flow
    async with core_in(tmp_path, flows) as client:
        mine: CallerClient = client.bound(None, first)
        run = await mine.start(acp("edits"))
        await gate.came.wait()
        client.adopt(run)
        mine.with_editor(second).adopt(run)
        gate.goes.set()
        await watched(client, run)
        mine.adopt(run)
        assert (await client.get(run)).status.value == "finished"
    assert seen == ["first", "second"]
    assert (first.written, second.written) == ([], [(Path("/w/a"), "new")])


async def test_an_editor_comes_to_a_run_that_began_without_one(tmp_path: Path, flows: Flows) -> None:
    gate, buffers = Gate(), Buffers("late")
    seen: list[object] = []

    async def flow(run: Run) -> Text:
        editor = flows.editors[-1]
        assert editor is not None
        asked = Path("/w/a")
        seen.append(
            (
                await editor.read_text(asked),
                await editor.write_text(asked, "x"),
                await editor.run_program(["true"], Path("/w"), 1.0),
            )
        )
        await run.step(spec("one"), gate, str)
        return Text(str(await editor.read_text(asked)))

    flows.by_text["edits"] = flow
    async with core_in(tmp_path, flows) as client:
        run = await client.start(acp("edits"))
        await gate.came.wait()
        client.bound(None).with_editor(buffers).adopt(run)
        gate.goes.set()
        assert await result(client, await watched(client, run)) == b'{"text":"late"}'
    assert seen == [(None, False, None)]


async def test_a_run_of_the_command_line_has_no_editor_to_ask(tmp_path: Path, flows: Flows) -> None:
    async with core_in(tmp_path, flows) as client:
        await watched(client, await client.start(command("short")))
        await watched(client, await client.with_editor(Buffers("x")).start(command("short")))
    assert [editor is not None for editor in flows.editors] == [False, True]


async def test_what_is_wrong_with_one_callers_settings_is_told_to_that_caller(
    tmp_path: Path, flows: Flows
) -> None:
    async with core_in(tmp_path, flows) as client:
        gate = Gate()
        flows.by_text["slow"] = behind(gate)
        run = await client.start(command("slow"))
        with pytest.raises(ConfigError, match="PROPOSERS"):
            await client.bound({"NAESTRO_COUNCIL__PROPOSERS": "no"}).start(command("short"))
        gate.goes.set()
        assert await result(client, await watched(client, run)) == b'{"text":"passed"}'
