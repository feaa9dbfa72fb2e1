"""Which engine takes which seat, and why."""

import pytest

from naestro.engines.engine import EngineInfo
from naestro.engines.openai import OpenAIEngine, OpenAISettings
from naestro.errors import ContextTooLong, NoEngine
from naestro.routing.pool import Pool, Route


def engine(name: str, context_tokens: int = 4096) -> OpenAIEngine:
    """An engine that is never asked."""
    info = EngineInfo(name=name, model=name, context_tokens=context_tokens, is_local=True)
    return OpenAIEngine(info, OpenAISettings(base_url="http://127.0.0.1:9/v1"))


def seats(routes: list[Route]) -> list[tuple[str, str]]:
    """Names and reasons."""
    return [(route.name, route.reason) for route in routes]


def test_every_engine_takes_a_seat_before_one_sits_twice() -> None:
    pool = Pool([engine("a"), engine("b")])
    assert pool.names == ["a", "b"]
    assert seats(pool.for_role("proposer", 3)) == [
        ("a", "any engine may"),
        ("b", "any engine may"),
        ("a", "any engine may; seat 3 of 2 engines, so it sits again"),
    ]


def test_the_settings_say_which_engines_a_role_prefers() -> None:
    pool = Pool([engine("a"), engine("b")], {"judge": ["b", "a"], "critic": []})
    assert seats(pool.for_role("judge", 1)) == [("b", "preferred by roles.judge.engines")]
    assert seats(pool.for_role("critic", 1)) == [("a", "any engine may")]


def test_an_engine_with_too_small_a_context_is_passed_over() -> None:
    pool = Pool([engine("small", 512), engine("large")])
    assert seats(pool.for_role("proposer", 1, needed_tokens=600)) == [
        ("large", "any engine may; others hold less than 600 tokens")
    ]
    with pytest.raises(
        ContextTooLong, match="needs about 5000 tokens; the largest context, of large, holds 4096"
    ):
        pool.for_role("proposer", 1, needed_tokens=5000)


def test_alternatives_begin_with_the_first_choice() -> None:
    pool = Pool([engine("a"), engine("b"), engine("c", 100)])
    (first,) = pool.for_role("judge", 1)
    assert seats(pool.alternatives("judge", first, needed_tokens=200)) == [
        ("a", "any engine may"),
        ("b", "takes the seat of a"),
    ]


def test_an_unknown_name_and_an_empty_pool_say_what_is_there() -> None:
    with pytest.raises(NoEngine, match="No engine is called 'x'; there are: a"):
        Pool([engine("a")], {"judge": ["x"]}).for_role("judge", 1)
    with pytest.raises(NoEngine, match="there are: none"):
        Pool([]).engine("x")
    with pytest.raises(NoEngine, match="No engine is there for the role judge"):
        Pool([]).for_role("judge", 1)
