"""SIGKILL at every SQL statement of everything that writes: the next owner finds what was shown, whole and in order."""

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from naestro.runs.journal import Draft, Journal
from naestro.types import RunCancelled, StepFinished
from tests.conformance.journal import assert_sound
from tests.runs.early_journal import EVENTS, write_early_journal
from tests.runs.journals import begin_step, begun, notice, open_journal, step_ends

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

FEWEST_POINTS = {"create": 40, "write": 30, "migrate": 30, "prune": 20, "rebuild": 15}
"""So many statements each scenario has at least: fewer means that the kills do not happen where they should."""


async def template(folder: Path, scenario: str) -> Path:
    """The journal that the scenario begins with."""
    home = folder / "template"
    if scenario == "migrate":
        write_early_journal(home)
    elif scenario != "create":
        async with open_journal(home, holder="test") as journal:
            for number in range(3):
                run = await journal.create_run(begun(), notice(str(number)))
                guard = await begin_step(journal, run, "propose.1")
                output = b"output %d" % number
                await journal.write(
                    run,
                    step_ends("propose.1", output),
                    Draft(RunCancelled("x")),
                    artifacts=[output],
                    guard=guard,
                )
    return home


def kill_at_every_statement(scenario: str, begin_with: Path, out: Path) -> list[Path]:
    """The homes that the killed processes left, and last that of the one that lived."""
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.runs.kill_points", scenario, str(begin_with), str(out)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted((path for path in out.iterdir() if path.is_dir()), key=lambda path: int(path.name))


@pytest.mark.parametrize("scenario", FEWEST_POINTS)
async def test_a_kill_at_any_statement_loses_nothing_that_was_shown(scenario: str, tmp_path: Path) -> None:
    begin_with = await template(tmp_path, scenario)
    homes = await anyio.to_thread.run_sync(kill_at_every_statement, scenario, begin_with, tmp_path / "out")
    assert len(homes) >= FEWEST_POINTS[scenario]
    for home in homes:
        with anyio.fail_after(60):
            async with open_journal(home, holder="the next owner") as journal:
                await assert_nothing_is_lost(journal, shown_by(home), is_pruned=scenario == "prune")
                if scenario == "migrate":
                    assert [event for _, event in journal.reader.all_events()][: len(EVENTS)] == EVENTS
                    assert (home / "journal.db.v0.bak").exists()


def shown_by(home: Path) -> list[tuple[str, int]]:
    path = home.with_suffix(".shown")
    lines = path.read_text().splitlines() if path.exists() else []
    return [(run, int(seq)) for run, seq in (line.split() for line in lines)]


async def assert_nothing_is_lost(journal: Journal, shown: list[tuple[str, int]], *, is_pruned: bool) -> None:
    reader = journal.reader
    assert reader.damage() == []
    if not is_pruned:
        assert_sound(reader)
    kept = {(event.run, event.seq) for _, event in reader.all_events()}
    assert set(shown) <= kept
    for _, event in reader.all_events():
        if isinstance(event.data, StepFinished):
            assert reader.artifact(event.data.output)
    before = [(info, reader.steps(info.id)) for info in reader.runs(limit=1000)]
    await journal.rebuild()
    assert [(info, reader.steps(info.id)) for info in reader.runs(limit=1000)] == before
    for info, _ in before:
        [event] = await journal.write(info.id, notice("goes on"))
        assert event.seq == info.last_seq + 1
