"""What every `Engine` promises, as tests: the scripted server and the real embedded engine are both held to them.

A subclass named `Test...` provides the fixture `engine`, an open `Engine` with a context of 2,048 tokens or less.
Where it cannot answer by thinking (the scripted server), it is told the answers that these tests look for.
"""

import anyio
import msgspec
import pytest

from naestro.engines.engine import ChatRequest, Completion, Engine, EngineMetrics, Message
from naestro.errors import ContextTooLong, EngineMalformed, EngineRefused

ANSWER_S = 120
"""For each wait: a busy machine and a real model on one core."""

QUESTION = "Say in one sentence what a compiler does."
LONG_PREFIX = " ".join(f"Line {number} of the context." for number in range(40))
WINNER_SCHEMA = {"type": "object", "properties": {"winner": {"enum": ["A", "B"]}}, "required": ["winner"]}
BAD_SCHEMA = {"type": "banana"}
TOO_MANY_WORDS = 5000


class Winner(msgspec.Struct, forbid_unknown_fields=True):
    """What `WINNER_SCHEMA` describes."""

    winner: str


def ask(*texts: str, **fields: object) -> ChatRequest:
    """A request of messages of the user; any other field by name."""
    messages = [Message(role="user", content=text) for text in texts]
    return msgspec.structs.replace(ChatRequest(messages=messages, max_tokens=24, seed=7), **fields)


async def whole(engine: Engine, request: ChatRequest) -> Completion:
    """The completion of `request`, read to its end."""
    with anyio.fail_after(ANSWER_S):
        async with engine.chat(request) as stream:
            async for _ in stream:
                pass
            return stream.completion()


async def first_piece(engine: Engine, request: ChatRequest) -> str:
    """The first piece of the answer; the rest is left unread."""
    with anyio.fail_after(ANSWER_S):
        async with engine.chat(request) as stream:
            return await anext(aiter(stream))


@pytest.mark.anyio
class EngineContract:
    """The promises."""

    async def test_the_pieces_are_not_empty_and_make_up_the_text(self, engine: Engine) -> None:
        with anyio.fail_after(ANSWER_S):
            async with engine.chat(ask(QUESTION)) as stream:
                pieces = [piece async for piece in stream]
                completion = stream.completion()
        assert all(pieces)
        assert "".join(pieces) == completion.text != ""
        assert completion.finish_reason in ("stop", "length")

    async def test_the_usage_counts_prompt_and_answer(self, engine: Engine) -> None:
        usage = (await whole(engine, ask(QUESTION))).usage
        assert usage.prompt_tokens > 0
        assert usage.completion_tokens > 0
        assert 0 <= usage.cached_tokens <= usage.prompt_tokens

    async def test_the_completion_is_refused_before_the_end(self, engine: Engine) -> None:
        with anyio.fail_after(ANSWER_S):
            async with engine.chat(ask(QUESTION)) as stream:
                await anext(aiter(stream))
                with pytest.raises(EngineMalformed):
                    stream.completion()

    async def test_the_same_seed_gives_the_same_answer(self, engine: Engine) -> None:
        request = ask(QUESTION, temperature=0.8)
        await whole(engine, request)  # from here on the prompt is cached for both
        answers = [(await whole(engine, request)).text for _ in range(2)]
        assert answers[0] == answers[1]

    async def test_the_limit_of_tokens_ends_the_answer(self, engine: Engine) -> None:
        completion = await whole(engine, ask(QUESTION, max_tokens=3))
        assert completion.finish_reason == "length"
        assert completion.usage.completion_tokens == 3

    async def test_the_answer_ends_before_a_stop_word(self, engine: Engine) -> None:
        free = (await whole(engine, ask(QUESTION))).text
        word = free.split()[3]
        stopped = await whole(engine, ask(QUESTION, stop=[word]))
        assert stopped.finish_reason == "stop"
        assert word not in stopped.text
        assert len(stopped.text) < len(free)

    async def test_an_answer_by_schema_follows_it(self, engine: Engine) -> None:
        request = ask("Which is better, A or B?", schema=WINNER_SCHEMA, max_tokens=64)
        completion = await whole(engine, request)
        assert msgspec.json.decode(completion.text, type=Winner).winner in ("A", "B")

    async def test_a_schema_that_is_none_is_refused(self, engine: Engine) -> None:
        with pytest.raises(EngineRefused):
            await whole(engine, ask("x", schema=BAD_SCHEMA))

    async def test_a_repeated_prompt_is_served_from_the_cache(self, engine: Engine) -> None:
        await whole(engine, ask(LONG_PREFIX, "Say one."))
        usage = (await whole(engine, ask(LONG_PREFIX, "Say two."))).usage
        assert usage.cached_tokens >= usage.prompt_tokens * 0.9

    async def test_adjacent_messages_of_the_user_are_taken(self, engine: Engine) -> None:
        completion = await whole(engine, ask("Here is a task.", "Do it.", "Be brief."))
        assert completion.text

    async def test_a_prompt_beyond_the_context_is_too_long(self, engine: Engine) -> None:
        with pytest.raises(ContextTooLong):
            await whole(engine, ask("word " * TOO_MANY_WORDS))

    async def test_after_an_answer_was_left_early_the_next_one_comes(self, engine: Engine) -> None:
        assert await first_piece(engine, ask(QUESTION, max_tokens=1000))
        assert (await whole(engine, ask(QUESTION))).text

    async def test_cancelling_a_call_gives_the_control_back_at_once(self, engine: Engine) -> None:
        begun = anyio.Event()

        async def read() -> None:
            async with engine.chat(ask(QUESTION, max_tokens=1000)) as stream:
                await anext(aiter(stream))
                begun.set()
                await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            with anyio.fail_after(ANSWER_S):
                await begun.wait()
            tasks.cancel_scope.cancel()
            cancelled_at = anyio.current_time()
        assert anyio.current_time() - cancelled_at < 1  # promised: 0.1 s; the machine may be busy
        assert (await whole(engine, ask(QUESTION))).text

    async def test_several_calls_are_answered_side_by_side(self, engine: Engine) -> None:
        answers: list[Completion] = []

        async def one(question: str) -> None:
            answers.append(await whole(engine, ask(question)))

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(one, f"{QUESTION} Answer {number}.")
        assert [bool(answer.text) for answer in answers] == [True, True, True]

    async def test_it_is_ready_and_says_what_runs(self, engine: Engine) -> None:
        await whole(engine, ask(QUESTION))
        with anyio.fail_after(ANSWER_S):
            health = await engine.health()
        assert health.is_ready
        assert engine.info.model in health.detail

    async def test_it_tells_of_its_load(self, engine: Engine) -> None:
        await whole(engine, ask(QUESTION))
        with anyio.fail_after(ANSWER_S):
            metrics = await engine.metrics()
        assert isinstance(metrics, EngineMetrics)
        assert metrics.running is not None
        assert metrics.running >= 0
