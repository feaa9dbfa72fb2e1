"""Calls: recorded before, during and after; text reaches live readers at once; nothing is made twice that must not."""

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from naestro.errors import EngineMalformed, EngineOverloaded, RunStateError, StaleAttempt
from naestro.runs.attempt import Attempt
from naestro.runs.history import History
from naestro.runs.interrupts import rerun
from naestro.runs.journal import Journal
from naestro.runs.records import CallRecord
from naestro.runs.run import Run
from naestro.types import CallFinished, CallStarted, Delta, Event, Fault, RunStatus, Tokens, Usage
from tests.runs.flows import (
    Stop,
    Text,
    after_crash,
    calls,
    gives,
    hang,
    history,
    journal_in,
    respond,
    run_flow,
    spec,
    started,
    told,
    until,
)

pytestmark = pytest.mark.anyio


async def test_a_call_is_recorded_with_its_request_its_text_and_its_response(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), calls("hello"), str))

    run, _ = await run_flow(journal, flow)
    assert told(journal, run)[1:6] == [
        "step.started a/1/1",
        "call.started a/1/1",
        "tokens a/1/1",
        "call.finished a/1/1",
        "step.finished a/1/1",
    ]
    (call,) = history(journal, run).step("a").last.calls
    assert (call.call, call.state, call.engine, call.text) == ("a/1/1/1", "finished", "engine", "HELLO")
    assert journal.reader.artifact(call.request) == b'{"text":"hello"}'
    assert journal.reader.artifact(str(call.response)) == b'{"text":"HELLO"}'
    assert call.usage == Usage(prompt_tokens=10, completion_tokens=1)
    assert call.first_token_ms is not None
    assert call.duration_ms is not None
    assert 0 <= call.first_token_ms <= call.duration_ms


async def test_usage_adds_up_over_calls_steps_and_the_run(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        await run.step(spec("a"), calls("x", "y"), str)
        return Text(await run.step(spec("b"), calls("z"), str))

    run, _ = await run_flow(journal, flow)
    seen = history(journal, run)
    assert seen.step("a").last.usage == Usage(prompt_tokens=20, completion_tokens=2)
    assert seen.usage == Usage(prompt_tokens=30, completion_tokens=3)
    assert journal.reader.run(run).usage == seen.usage


async def test_live_readers_get_text_at_once_and_the_journal_in_batches(journal: Journal) -> None:
    texts = [f"word{number} " for number in range(40)]
    run = await journal.create_run(started())
    live: list[Event | Delta] = []

    async def work(attempt: Attempt) -> str:
        async with attempt.call("engine", Text("x")) as call:
            for text in texts:
                call.token(text)
                await anyio.sleep(0.003)
            await call.finish(Text("".join(texts)), Usage())
        return "done"

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), work, str))

    async with journal.live(run) as feed:
        await run_flow(journal, flow, run)
        while not live or not (isinstance(live[-1], Event) and live[-1].type == "run.finished"):
            live.append(feed.receive_nowait())
    tokens = [item.data for item in live if isinstance(item, Event) and isinstance(item.data, Tokens)]
    deltas = [item for item in live if isinstance(item, Delta)]
    assert "".join(one.text for one in tokens) == "".join(texts)
    assert len(deltas) > 4 * len(tokens)
    assert_shown_in_order(live, "a/1/1/1", "".join(texts))


def assert_shown_in_order(live: list[Event | Delta], call: str, whole: str) -> None:
    """A reader that skips what it has seen already shows the text once, in order, and never before the call began."""
    shown = written = ""
    has_begun = False
    for item in live:
        if isinstance(item, Delta):
            assert has_begun
            shown += item.text
        elif isinstance(item.data, CallStarted):
            has_begun = True
        elif isinstance(item.data, Tokens):
            written += item.data.text
            shown += written[len(shown) :]
        assert whole.startswith(shown)
        assert whole.startswith(written)
    assert shown == written == whole


async def test_text_that_comes_before_the_call_is_recorded_is_shown_after_it(journal: Journal) -> None:
    run = await journal.create_run(started())
    live: list[Event | Delta] = []

    async def work(attempt: Attempt) -> str:
        async with attempt.call("engine", Text("x")) as call:
            call.token("one ")
            async with journal.live(run) as own:
                await anyio.lowlevel.checkpoint()
                call.token("two ")
                while not isinstance(item := await own.receive(), Event) or item.type != "call.started":
                    call.token("early ")
            call.token("three")
            await call.finish(Text("all"), Usage())
        return "done"

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), work, str))

    async with journal.live(run) as feed:
        await run_flow(journal, flow, run)
        while not live or not (isinstance(live[-1], Event) and live[-1].type == "run.finished"):
            live.append(feed.receive_nowait())
    (call,) = history(journal, run).step("a").last.calls
    assert_shown_in_order(live, "a/1/1/1", call.text)


async def test_the_journal_has_text_while_the_call_goes_on(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        async def work(attempt: Attempt) -> str:
            async with attempt.call("engine", Text("x")) as call:
                call.token("first")
                seen = await until(journal, run.id, lambda seen: bool(open_text(seen.open_calls)))
                call.token(" second")
                await call.finish(Text("x"), Usage())
            return open_text(seen.open_calls)

        return Text(await run.step(spec("a"), work, str))

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert journal.reader.artifact(str(history(journal, run).result)) == b'{"text":"first"}'
    assert history(journal, run).step("a").last.calls[0].text == "first second"


def open_text(open_calls: list[CallRecord]) -> str:
    return open_calls[0].text if open_calls else ""


async def test_an_error_in_a_call_fails_it_with_the_fault(journal: Journal) -> None:
    async def work(attempt: Attempt) -> str:
        async with attempt.call("engine", Text("x")):
            raise EngineOverloaded("Busy.", hint="Wait.")

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), work, str))

    run, _ = await run_flow(journal, flow)
    (call,) = history(journal, run).step("a").last.calls
    assert (call.state, call.fault) == ("failed", Fault("engine_overloaded", "Busy.", "Wait."))
    assert told(journal, run)[-3:] == ["call.failed a/1/1", "step.failed a/1/1", "run.failed"]


async def test_a_call_that_its_caller_leaves_is_recorded_as_cancelled(journal: Journal) -> None:
    async def work(attempt: Attempt) -> str:
        async with attempt.call("engine", Text("x")) as call:
            call.token("enough")
        return "done"

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), work, str))

    run, _ = await run_flow(journal, flow)
    (call,) = history(journal, run).step("a").last.calls
    assert (call.state, call.fault, call.text) == ("cancelled", None, "enough")


async def test_an_error_after_the_result_leaves_the_result(journal: Journal) -> None:
    async def work(attempt: Attempt) -> str:
        async with attempt.call("engine", Text("x")) as call:
            await call.finish(Text("y"), Usage())
            raise EngineMalformed("Not what was asked for.")

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), work, str))

    run, _ = await run_flow(journal, flow)
    assert [call.state for call in history(journal, run).step("a").last.calls] == ["finished"]


async def test_a_call_finishes_once(journal: Journal) -> None:
    async def work(attempt: Attempt) -> str:
        async with attempt.call("engine", Text("x")) as call:
            await call.finish(Text("y"), Usage())
            with pytest.raises(RunStateError, match="has its result already"):
                await call.finish(Text("z"), Usage())
        return "done"

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), work, str))

    assert (await run_flow(journal, flow))[1] is RunStatus.FINISHED


async def test_a_call_finished_before_a_crash_is_not_made_again(home: Path, tmp_path: Path) -> None:
    made: list[str] = []
    async with journal_in(home) as journal:

        async def flow(run: Run) -> Text:
            return Text(await run.step(spec("a"), calls("one", "two", "three", log=made), str))

        async def crash(run: Run) -> Text:
            async def work(attempt: Attempt) -> str:
                await calls("one", "two", log=made)(attempt)
                await until(journal, run.id, lambda seen: len(finished_calls(seen)) == 2)
                after_crash(home, tmp_path / "crashed")
                return "lost"

            return Text(await run.step(spec("a"), work, str))

        run, _ = await run_flow(journal, crash)
    assert made == ["one", "two"]
    async with journal_in(tmp_path / "crashed") as journal:
        assert await run_flow(journal, flow, run) == (run, RunStatus.FINISHED)
        assert made == ["one", "two", "three"]
        first, second = history(journal, run).step("a").last.attempts
        assert [call.copied_from for call in second.calls] == ["a/1/1/1", "a/1/1/2", None]
        assert [call.response for call in second.calls[:2]] == [call.response for call in first.calls]
        assert history(journal, run).usage == Usage(prompt_tokens=30, completion_tokens=3)
        assert history(journal, run).step("a").last.usage == Usage(prompt_tokens=30, completion_tokens=3)
        assert journal.reader.run(run).usage == Usage(prompt_tokens=30, completion_tokens=3)


def finished_calls(seen: History) -> list[str]:
    return [call.call for step in seen.steps.values() for call in step.last.calls if call.state == "finished"]


async def test_another_request_at_the_same_place_is_made(home: Path, tmp_path: Path) -> None:
    made: list[str] = []
    async with journal_in(home) as journal:

        async def crash(run: Run) -> Text:
            async def work(attempt: Attempt) -> str:
                await calls("one")(attempt)
                await until(journal, run.id, lambda seen: len(finished_calls(seen)) == 1)
                after_crash(home, tmp_path / "crashed")
                return "lost"

            return Text(await run.step(spec("a"), work, str))

        run, _ = await run_flow(journal, crash)
    async with journal_in(tmp_path / "crashed") as journal:

        async def flow(run: Run) -> Text:
            return Text(await run.step(spec("a"), calls("other", log=made), str))

        await run_flow(journal, flow, run)
    assert made == ["other"]


async def test_a_call_open_at_a_crash_is_closed_as_unknown_and_made_again(home: Path, tmp_path: Path) -> None:
    made: list[str] = []
    async with journal_in(home) as journal, anyio.create_task_group() as group:
        run = await journal.create_run(started())
        ready = anyio.Event()
        group.start_soon(run_flow, journal, lambda run: hang(run, spec("a"), ready), run)
        await ready.wait()
        await until(journal, run, lambda seen: bool(open_text(seen.open_calls)))
        after_crash(home, tmp_path / "crashed")
        group.cancel_scope.cancel()
    async with journal_in(tmp_path / "crashed") as journal:

        async def flow(run: Run) -> Text:
            return Text(await run.step(spec("a"), calls("slow", log=made), str))

        assert await run_flow(journal, flow, run) == (run, RunStatus.FINISHED)
        assert made == ["slow"]
        assert told(journal, run)[4:6] == ["call.failed a/1/1", "run.resumed"]
        first, second = history(journal, run).step("a").last.calls
        assert (first.state, first.text, second.state) == ("unknown", "some", "finished")


async def test_an_unknown_call_that_cannot_be_made_twice_stops_the_run_until_the_person_decides(
    home: Path, tmp_path: Path
) -> None:
    made: list[str] = []
    async with journal_in(home) as journal:

        async def crash(run: Run) -> Text:
            async def work(attempt: Attempt) -> str:
                async with attempt.call("shop", Text("buy"), is_idempotent=False):
                    after_crash(home, tmp_path / "crashed")
                return "lost"

            return Text(await run.step(spec("a"), work, str))

        run, _ = await run_flow(journal, crash)

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), calls("buy", log=made, is_idempotent=False), str))

    async with journal_in(tmp_path / "crashed") as journal:
        _, status = await run_flow(journal, flow, run)
        fault = history(journal, run).fault
        assert status is RunStatus.FAILED
        assert made == []
        assert fault is not None
        assert (
            fault.message
            == "The call a/1/1/1 to shop has no known result (unknown) and must not be made twice."
        )
        assert "naestro patch" in fault.hint
        assert (await run_flow(journal, flow, run))[1] is RunStatus.FAILED
        await rerun(journal, run, "a", "me")
        assert (await run_flow(journal, flow, run))[1] is RunStatus.FINISHED
        assert made == ["buy"]


async def test_a_call_that_cannot_be_made_twice_is_durable_before_it_is_made_and_when_it_returns(
    journal: Journal,
) -> None:
    seen: list[list[str]] = []

    async def flow(run: Run) -> Text:
        async def work(attempt: Attempt) -> str:
            async with attempt.call("shop", Text("buy"), is_idempotent=False) as call:
                seen.append(told(journal, run.id))
                await call.finish(Text("bought"), Usage())
            seen.append(told(journal, run.id))
            return "x"

        return Text(await run.step(spec("a"), work, str))

    await run_flow(journal, flow)
    assert seen[0][-1] == "call.started a/1/1"
    assert seen[1][-1] == "call.finished a/1/1"


async def test_a_result_that_cannot_be_had_twice_serves_a_retry_after_a_failure(journal: Journal) -> None:
    made: list[str] = []

    async def work(attempt: Attempt) -> str:
        bought = await calls("buy", log=made, is_idempotent=False)(attempt)
        if attempt.key.endswith("/1"):
            raise EngineMalformed("Something else went wrong.")
        return bought

    async def flow(run: Run) -> Text:
        with pytest.raises(EngineMalformed):
            await run.step(spec("a"), work, str)
        return Text(await run.step(spec("a"), work, str))

    assert (await run_flow(journal, flow))[1] is RunStatus.FINISHED
    assert made == ["buy"]


async def test_an_idempotent_call_of_a_failed_attempt_is_made_again(journal: Journal) -> None:
    made: list[str] = []

    async def work(attempt: Attempt) -> str:
        answer = await calls("x", log=made)(attempt)
        if attempt.key.endswith("/1"):
            raise EngineMalformed("That is no answer.")
        return answer

    async def flow(run: Run) -> Text:
        with pytest.raises(EngineMalformed):
            await run.step(spec("a"), work, str)
        return Text(await run.step(spec("a"), work, str))

    await run_flow(journal, flow)
    assert made == ["x", "x"]


async def test_a_call_of_an_attempt_that_its_flow_cancelled_serves_the_next(journal: Journal) -> None:
    made: list[str] = []

    async def flow(run: Run) -> Text:
        scope = anyio.CancelScope()

        async def work(attempt: Attempt) -> str:
            answer = await calls("x", log=made)(attempt)
            if attempt.key.endswith("/1"):
                scope.cancel()
                await anyio.sleep_forever()
            return answer

        with scope:
            await run.step(spec("a"), work, str)
        return Text(await run.step(spec("a"), work, str))

    assert (await run_flow(journal, flow))[1] is RunStatus.FINISHED
    assert made == ["x"]


async def test_calls_of_one_attempt_may_run_side_by_side(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        async def work(attempt: Attempt) -> int:
            async def one(text: str) -> None:
                async with attempt.call("engine", Text(text)) as call:
                    await anyio.lowlevel.checkpoint()
                    await respond(call, text)

            async with anyio.create_task_group() as group:
                for text in ("p", "q", "r"):
                    group.start_soon(one, text)
            return len(attempt.calls)

        return Text(str(await run.step(spec("a"), work, int)))

    run, _ = await run_flow(journal, flow)
    assert [(call.call, call.text) for call in history(journal, run).step("a").last.calls] == [
        ("a/1/1/1", "P"),
        ("a/1/1/2", "Q"),
        ("a/1/1/3", "R"),
    ]


async def test_an_attempt_that_is_overtaken_has_its_work_cancelled_and_its_calls_refused(
    journal: Journal,
) -> None:
    """The flow below shields itself, so that only the attempt's own writes can tell it."""
    ends: list[str] = []

    async def flow(run: Run) -> Text:
        async def work(attempt: Attempt) -> str:
            if attempt.key.endswith("a/2/1"):
                return "fresh"
            async with attempt.call("engine", Text("x")):
                await until(journal, run.id, lambda seen: bool(seen.open_calls))
                await rerun(journal, run.id, "a", "me")
                async with attempt.call("engine", Text("y")):
                    await anyio.sleep_forever()
            raise AssertionError

        with anyio.CancelScope(shield=run.revisions.get("a", 1) == 1):
            try:
                return Text(await run.step(spec("a"), work, str))
            except StaleAttempt as error:
                ends.append(error.code)
                raise
        raise AssertionError

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert ends == ["stale_attempt"]
    assert len(history(journal, run).step("a").revisions[0].calls) == 1


async def test_a_step_given_an_input_records_it_once(home: Path) -> None:
    is_broken = True

    async def work(attempt: Attempt) -> str:
        prompt = await attempt.given("prompt", "Do it.")
        if is_broken:
            raise Stop
        return prompt

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), work, str))

    async with journal_in(home) as journal:
        run, _ = await run_flow(journal, flow)
    is_broken = False
    async with journal_in(home) as journal:
        await run_flow(journal, flow, run)
        assert [line for line in told(journal, run) if "input" in line] == ["step.input a/1/1"]
        given = history(journal, run).step("a").last.inputs["prompt"]
        assert (journal.reader.artifact(given.value), given.is_patched) == (b"Do it.", False)


async def test_a_step_that_reads_nothing_and_calls_nothing_still_has_its_duration(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), gives("x"), str))

    run, _ = await run_flow(journal, flow)
    last = history(journal, run).step("a").last
    assert last.duration_ms is not None
    assert last.duration_ms < 1000
    assert last.usage == Usage()


async def test_a_copied_response_is_journalled_as_such(home: Path, tmp_path: Path) -> None:
    async with journal_in(home) as journal:

        async def crash(run: Run) -> Text:
            async def work(attempt: Attempt) -> str:
                await calls("buy", is_idempotent=False)(attempt)
                after_crash(home, tmp_path / "crashed")
                return ""

            return Text(await run.step(spec("a"), work, str))

        run, _ = await run_flow(journal, crash)
    async with journal_in(tmp_path / "crashed") as journal:

        async def flow(run: Run) -> Text:
            return Text(await run.step(spec("a"), calls("buy", is_idempotent=False), str))

        await run_flow(journal, flow, run)
        finished = [
            event.data for event in journal.reader.events(run) if isinstance(event.data, CallFinished)
        ]
        assert [data.copied_from for data in finished] == [None, "a/1/1/1"]
        assert finished[0].response == finished[1].response


async def test_an_unknown_call_does_not_stand_in_the_way_of_another_one(home: Path, tmp_path: Path) -> None:
    made: list[str] = []
    async with journal_in(home) as journal:

        async def crash(run: Run) -> Text:
            async def work(attempt: Attempt) -> str:
                async with attempt.call("shop", Text("buy"), is_idempotent=False):
                    after_crash(home, tmp_path / "crashed")
                return "lost"

            return Text(await run.step(spec("a"), work, str))

        run, _ = await run_flow(journal, crash)

    async def flow(run: Run) -> Text:
        async def work(attempt: Attempt) -> str:
            await calls("ask")(attempt)
            async with attempt.call("shop", Text("sell"), is_idempotent=False) as call:
                return await respond(call, "sell", made)

        return Text(await run.step(spec("a"), work, str))

    async with journal_in(tmp_path / "crashed") as journal:
        assert (await run_flow(journal, flow, run))[1] is RunStatus.FINISHED
    assert made == ["sell"]
