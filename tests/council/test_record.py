"""Each engine's record: only a person's act counts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from naestro.commands.undo import undo_change
from naestro.council.adjudicate import overridden
from naestro.council.record import Outcome, Weights, posterior, read_outcomes, weights_of
from naestro.council.verdict import Verdict
from naestro.runs.interrupts import patch_output
from naestro.types import encode
from tests.council.desk import CRITIC, JUDGE, PATCH, Desk, choose_text, council, desk_in, findings, script
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

OTHER = PATCH.replace("left + right", "right + left")
TASK = {"text": "Make add in calc.py add"}


def outcome(is_win: bool, age_days: float = 0.0) -> Outcome:
    """An outcome of engine `one` as proposer."""
    return Outcome(engine="one", role="proposer", is_win=is_win, age_days=age_days)


def test_without_outcomes_all_engines_weigh_the_same() -> None:
    weights = weights_of([], ["one", "two"])
    assert weights == Weights(proposer={"one": 0.5, "two": 0.5}, judge={"one": 0.5, "two": 0.5}, outcomes=0)


def test_wins_raise_and_losses_lower_a_weight_and_old_ones_count_less() -> None:
    assert posterior([outcome(True)]) == pytest.approx(2 / 3)
    assert posterior([outcome(False)]) == pytest.approx(1 / 3)
    assert posterior([outcome(True, age_days=30)]) == pytest.approx(1.5 / 2.5)


def test_roles_are_counted_apart() -> None:
    weights = weights_of([outcome(True)], ["one", "two"])
    assert weights.proposer["one"] > weights.proposer["two"] == weights.judge["one"] == 0.5


async def decided(desk: Desk, server: ScriptedServer, reply: str) -> str:
    """A run in which two engines propose different patches, the judges take the second, and the person replies."""
    server.when(CRITIC, findings())
    server.when("Write the one best change", "no change")
    server.when(JUDGE, choose_text("right + left"))
    server.when(
        "Make the change that the task asks for", lambda chat: PATCH if chat.body["seed"] % 2 else OTHER
    )
    run = await desk.start("orchestrate", TASK, seed=two_seeds(desk))
    await desk.answering(run, "orchestrate", reply)
    return run


def two_seeds(desk: Desk) -> int:
    """A seed of a run whose first proposer gets an odd seed and whose second one an even one."""
    from naestro.runs.standing import seed_of

    del desk
    return next(
        seed
        for seed in range(100)
        if seed_of(seed, "propose.1", 1) % 2 and not seed_of(seed, "propose.2", 1) % 2
    )


async def outcomes(desk: Desk, command: str = "orchestrate") -> list[tuple[str, str, bool]]:
    """The outcomes in the journal."""
    found = await desk.journal.read(read_outcomes, desk.journal.reader, command)
    return [(one.engine, one.role, one.is_win) for one in found]


@pytest.mark.parametrize(("reply", "is_win"), [("yes", True), ("no", False)])
async def test_an_applied_patch_is_a_win_and_a_declined_one_a_loss(
    tmp_path: Path, scripted_server: ScriptedServer, reply: str, is_win: bool
) -> None:
    url = scripted_server.base_url
    async with desk_in(tmp_path, council(), url, url, judge=["one"]) as desk:
        await decided(desk, scripted_server, reply)
        assert await outcomes(desk) == [("two", "proposer", is_win), ("one", "judge", is_win)]
        assert await outcomes(desk, "explain") == []


async def test_an_undone_patch_is_a_loss(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    url = scripted_server.base_url
    async with desk_in(tmp_path, council(), url, url, judge=["one"]) as desk:
        run = await decided(desk, scripted_server, "yes")
        await undo_change(desk.journal, run)
        assert await outcomes(desk) == [("two", "proposer", False), ("one", "judge", False)]


async def test_an_overridden_verdict_is_a_loss_for_one_and_a_win_for_the_other(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    url = scripted_server.base_url
    async with desk_in(tmp_path, council(), url, url, judge=["one"]) as desk:
        run = await decided(desk, scripted_server, "no")
        done = await desk.done(run, await desk.execute(run, "orchestrate"))
        verdict = await done.output("adjudicate", Verdict)
        patched = overridden(verdict, "propose.1", "Ada")
        await patch_output(desk.journal, run, "adjudicate", encode(patched), by="Ada")
        assert await outcomes(desk) == [
            ("two", "proposer", False),
            ("one", "judge", False),
            ("one", "proposer", True),
            ("one", "judge", False),
        ]
        same = msgspec.structs.replace(patched, method="Reworded.")
        await patch_output(desk.journal, run, "adjudicate", encode(same), by="Ada")
        assert await outcomes(desk) == [("one", "proposer", True), ("one", "judge", False)]


async def test_of_an_overruled_verdict_only_the_votes_for_it_were_wrong(tmp_path: Path) -> None:
    with ScriptedServer() as one, ScriptedServer() as two, ScriptedServer() as three:
        urls = [server.base_url for server in (one, two, three)]
        for server, taken in ((one, "adds"), (two, "flies"), (three, "adds")):
            server.when(JUDGE, choose_text(taken))
        given = [{"name": "a", "text": "(calc.py:1): adds"}, {"name": "b", "text": "(calc.py:1): flies"}]
        async with desk_in(tmp_path, council(judges=3), *urls) as desk:
            done = await desk.run("judge", text="What does calc.py do?", candidates=given)
            patched = overridden(await done.verdict(), "propose.2", "Ada")
            await patch_output(desk.journal, done.run, "adjudicate", encode(patched), by="Ada")
            found = await outcomes(desk, "judge")
    assert found == [
        ("one", "judge", False),
        ("three", "judge", False),
        ("one", "judge", False),
        ("two", "judge", True),
        ("three", "judge", False),
    ]


async def test_ages_count_until_now(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    url = scripted_server.base_url
    async with desk_in(tmp_path, council(), url, url, judge=["one"]) as desk:
        await decided(desk, scripted_server, "yes")
        later = datetime.now(UTC) + timedelta(days=3)
        found = await desk.journal.read(read_outcomes, desk.journal.reader, "orchestrate", later)
    assert [round(one.age_days) for one in found] == [3, 3]


async def test_a_run_without_a_verdict_or_a_word_on_it_has_no_outcome(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        await desk.start("explain", {"text": "calc.py"})
        await desk.run("explain", text="calc.py")
        assert await outcomes(desk, "explain") == []


async def test_a_weighted_run_records_its_weights_and_says_that_they_are_equal(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    async with desk_in(tmp_path, council(consensus="weighted"), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
        verdict = await done.verdict()
        weights = await done.output("weigh", Weights)
    assert weights.outcomes == 0
    assert verdict.weights == {"one": 0.5}
    assert "No verified outcome is recorded yet, so all engines weigh the same." in verdict.method
