"""The views and the small things that the journal is made of: which artifacts events name, ids and times."""

import ast
import inspect
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naestro import types
from naestro.runs.clock import now_ms, rfc3339
from naestro.runs.drafts import Draft
from naestro.runs.ids import LENGTH, RunIds, decode_id, encode_id
from naestro.runs.views import ARTIFACT_FIELDS, artifacts_named, step_row
from naestro.types import (
    EVENT_TYPES,
    EventData,
    Fault,
    InterruptOpened,
    StepFailed,
    StepFinished,
    StepPatched,
    StepReopened,
    Tokens,
    Usage,
)


def _digest_fields(data: type[EventData]) -> tuple[str, ...]:
    """The fields whose annotation in the source names `Digest`."""
    [node] = ast.parse(inspect.getsource(data)).body
    assert isinstance(node, ast.ClassDef)
    fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    return tuple(ast.unparse(field.target) for field in fields if "Digest" in ast.unparse(field.annotation))


def test_every_field_that_names_an_artifact_is_known() -> None:
    named = {name: fields for name, data in EVENT_TYPES.items() if (fields := _digest_fields(data))}
    assert named == ARTIFACT_FIELDS


def test_a_field_that_names_no_artifact_counts_for_none() -> None:
    assert artifacts_named(InterruptOpened("i", "pause", "?", [])) == []
    assert artifacts_named(InterruptOpened("i", "pause", "?", [], payload="d")) == ["d"]
    assert artifacts_named(Tokens("c", "text")) == []
    assert artifacts_named(StepPatched("output", "a", "b", "c", "me")) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("data", "state", "output"),
    [
        (StepFinished("d", Usage(), 1), "finished", "d"),
        (StepFailed(Fault("x", "y")), "failed", None),
        (StepPatched("output", "a", "b", "c", "me"), "finished", "b"),
        (StepPatched("prompt", "a", "b", "c", "me"), "open", None),
        (StepReopened("other"), "open", None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_event_moves_its_step(data: EventData, state: str, output: str | None) -> None:
    row = step_row("run", Draft(data, "propose.1", 3), fence=9)
    assert row is not None
    assert (row.state, row.output, row.revision, row.attempt, row.fence) == (state, output, 3, 0, 9)


def test_a_step_without_a_revision_stands_at_the_first() -> None:
    row = step_row("run", Draft(StepReopened("other"), "propose.1"), fence=9)
    assert row is not None
    assert row.revision == 1


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_ids_sort_as_the_numbers_behind_them(a: int, b: int) -> None:
    assert decode_id(encode_id(a)) == a
    assert len(encode_id(a)) == LENGTH
    assert (encode_id(a) < encode_id(b)) == (a < b)


@given(st.lists(st.integers(0, 2**48 - 1), max_size=20), st.none() | st.integers(0, 2**127))
def test_each_id_is_larger_than_any_before_whatever_the_clock_says(
    times: list[int], last: int | None
) -> None:
    before = [] if last is None else [encode_id(last)]
    ids = RunIds(before[0] if before else None)
    given_ids = before + [ids.next(time_ms) for time_ms in times]
    assert given_ids == sorted(set(given_ids))


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_is_told_to_the_millisecond(time_ms: int) -> None:
    moment = datetime.fromisoformat(rfc3339(time_ms))
    assert moment.tzinfo is UTC
    assert round(moment.timestamp() * 1000) == time_ms
    assert len(rfc3339(time_ms)) == len("2026-01-31T12:00:00.123Z")


def test_the_clock_tells_the_time_of_day() -> None:
    assert abs(now_ms() / 1000 - datetime.now(UTC).timestamp()) < 60


def test_the_types_of_events_are_a_closed_set() -> None:
    defined = {
        value.TYPE
        for value in vars(types).values()
        if inspect.isclass(value) and issubclass(value, EventData) and value is not EventData
    }
    assert defined == set(EVENT_TYPES)
