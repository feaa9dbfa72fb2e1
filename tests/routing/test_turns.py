"""When an engine may be called: the first call reads the prompt, the others find it in the cache."""

import anyio
import pytest

from naestro.routing.turns import Turns

pytestmark = pytest.mark.anyio


class Calls:
    """Calls to one engine that say what they do and wait until they are let go on."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.log: list[str] = []
        self.token = {name: anyio.Event() for name in "abc"}
        self.end = {name: anyio.Event() for name in "abc"}

    async def make(self, name: str) -> None:
        """One call."""
        async with self.turns.take("engine") as turn:
            self.log.append(f"{name} begins")
            await self.token[name].wait()
            turn.first_token()
            turn.first_token()
            self.log.append(f"{name} speaks")
            await self.end[name].wait()
        self.log.append(f"{name} ends")


async def test_others_follow_after_the_first_token_where_the_cache_is_shared() -> None:
    calls = Calls(Turns(anyio.CapacityLimiter(8), lambda _: False))
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for name in "ab":
                tasks.start_soon(calls.make, name)
            await anyio.wait_all_tasks_blocked()
            assert calls.log == ["a begins"]
            calls.token["a"].set()
            await anyio.wait_all_tasks_blocked()
            assert calls.log == ["a begins", "a speaks", "b begins"]
            tasks.start_soon(calls.make, "c")
            await anyio.wait_all_tasks_blocked()
            assert calls.log[-1] == "c begins"
            for event in (*calls.token.values(), *calls.end.values()):
                event.set()


async def test_one_follows_the_other_where_each_slot_has_a_cache_of_its_own() -> None:
    calls = Calls(Turns(anyio.CapacityLimiter(8), lambda _: True))
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for name in "ab":
                tasks.start_soon(calls.make, name)
            await anyio.wait_all_tasks_blocked()
            calls.token["a"].set()
            await anyio.wait_all_tasks_blocked()
            assert calls.log == ["a begins", "a speaks"]
            for event in (*calls.token.values(), *calls.end.values()):
                event.set()
    assert calls.log == ["a begins", "a speaks", "a ends", "b begins", "b speaks", "b ends"]


async def test_a_first_call_that_fails_leaves_its_turn_to_the_next() -> None:
    turns = Turns(anyio.CapacityLimiter(8), lambda _: False)
    with pytest.raises(ValueError, match="broken"):
        async with turns.take("engine"):
            raise ValueError("broken")
    with anyio.fail_after(5):
        async with turns.take("engine") as turn:
            turn.first_token()


async def test_all_calls_together_are_bounded() -> None:
    limiter = anyio.CapacityLimiter(1)
    turns = Turns(limiter, lambda _: False)
    begun: list[str] = []

    async def call(engine: str) -> None:
        async with turns.take(engine):
            begun.append(engine)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks, turns.take("one"):
            tasks.start_soon(call, "two")
            await anyio.wait_all_tasks_blocked()
            assert begun == []
    assert begun == ["two"]
