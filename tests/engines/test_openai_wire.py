"""The pieces of the wire by themselves: events cut anywhere, chunks of every server, what they add up to."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naestro.engines.engine import ToolCall
from naestro.engines.openai_answer import Answer, Source
from naestro.engines.sse import EventReader, EventTooLarge
from naestro.errors import EngineMalformed

SOURCE = Source(engine="tiny", address="http://h", secret="")
STREAM = (
    b': comment\ndata: {"a":1}\n\nevent: x\r\ndata:two\r\ndata: lines\r\n\r\n'
    b"id: 3\rdata\rdata: z\r\r\n\nretry: 1\n\ndata: \xc3\xa9\n\n"
)
EVENTS = [b'{"a":1}', b"two\nlines", b"z", "é".encode()]


def read(*parts: bytes) -> list[bytes]:
    """The events that a new reader finds in `parts`."""
    reader = EventReader(event_max_bytes=1000)
    return [event for part in parts for event in reader.feed(part)]


def test_events_are_found_with_every_kind_of_line_end() -> None:
    assert read(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_wherever_the_network_cuts_them(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    parts = [STREAM[start:end] for start, end in pairwise(edges)]
    assert read(*parts) == EVENTS


def test_an_event_without_its_empty_line_is_not_whole() -> None:
    assert read(b"data: half\n") == []
    assert read(b"data: half\r") == []
    assert read(b"") == []


@pytest.mark.parametrize("line", [b"data: " + b"x" * 1000, b"data: " + b"x" * 600 + b"\ndata: " + b"x" * 600])
def test_an_event_beyond_the_limit_is_not_kept(line: bytes) -> None:
    reader = EventReader(event_max_bytes=1000)
    with pytest.raises(EventTooLarge, match="1000 bytes"):
        reader.feed(line)


def test_many_events_together_may_be_larger_than_the_limit_of_one() -> None:
    assert len(read(b"data: x\n\n" * 1000)) == 1000


def take(*chunks: object) -> Answer:
    """An answer that was fed `chunks`, a finish reason and the end."""
    answer = Answer(SOURCE)
    for chunk in chunks:
        answer.take(msgspec.json.encode(chunk))
    answer.take(b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
    answer.take(b"[DONE]")
    return answer


def delta(**fields: object) -> dict[str, object]:
    """A chunk with such a delta."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}], "usage": None, "extra": {}}


def test_null_stands_for_absent_everywhere() -> None:
    nothing = {
        "choices": [{"delta": None, "finish_reason": None}],
        "usage": None,
        "model": None,
        "error": None,
    }
    chunks = [
        {"choices": None},
        {},
        nothing,
        delta(content=None, tool_calls=None, reasoning=None),
        delta(content="x"),
        {
            "choices": [],
            "usage": {"prompt_tokens": None, "completion_tokens": 1, "prompt_tokens_details": None},
        },
    ]
    completion = take(*chunks).completion()
    assert (completion.text, completion.usage.completion_tokens) == ("x", 1)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_thoughts_begin_the_answer_but_are_no_part_of_it(field: str) -> None:
    answer = Answer(SOURCE)
    assert answer.take(msgspec.json.encode(delta(role="assistant"))) == ""
    assert not answer.is_begun
    assert answer.take(msgspec.json.encode(delta(**{field: "hm"}))) == ""
    assert answer.is_begun
    assert take(delta(**{field: "hm"}), delta(content="yes")).completion().text == "yes"


def test_tool_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    completion = take(
        delta(tool_calls=[{"id": "a", "function": {"name": "look", "arguments": "{"}}]),
        delta(tool_calls=[{"function": {"arguments": "}"}}]),
        delta(tool_calls=[{"id": "b", "function": {"name": "run", "arguments": None}}]),
    ).completion()
    assert completion.tool_calls == [
        ToolCall(id="a", name="look", arguments="{}"),
        ToolCall(id="b", name="run", arguments=""),
    ]


def test_a_tool_call_without_an_id_gets_one() -> None:
    completion = take(
        delta(tool_calls=[{"function": None}, {"index": 0, "function": {"name": "look"}}])
    ).completion()
    assert completion.tool_calls == [ToolCall(id="call_0", name="look", arguments="")]


@pytest.mark.parametrize("index", [-1, 1, 1000])
def test_tool_calls_out_of_order_are_malformed(index: int) -> None:
    with pytest.raises(EngineMalformed, match="not numbered"):
        take(delta(tool_calls=[{"index": index}]))
