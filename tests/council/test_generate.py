"""JSON that the token limit cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naestro.council.generate import close_json


@pytest.mark.parametrize(
    ("cut", "closed"),
    [
        ('{"best": "A", "reason": "it is', '{"best": "A", "reason": "it is"}'),
        ('{"reason": "a \\', '{"reason": "a "}'),
        ('{"reason": "a \\\\', '{"reason": "a \\\\"}'),
        ('{"reason": "say \\"it', '{"reason": "say \\"it"}'),
        ('{"findings": [{"a": 1},', '{"findings": [{"a": 1}]}'),
        ('{"findings": []}', '{"findings": []}'),
        ("]", "]"),
    ],
)
def test_what_was_cut_in_a_string_or_behind_a_value_is_ended(cut: str, closed: str) -> None:
    assert close_json(cut) == closed


@given(st.text(max_size=20), st.integers(0, 30))
def test_an_answer_cut_in_its_last_string_can_be_read(reason: str, length: int) -> None:
    whole = json.dumps({"best": "A", "reason": reason}, ensure_ascii=False)
    start = whole.index('"reason": "') + len('"reason": "')
    cut = whole[: min(start + length, len(whole))]
    if not cut.endswith("\\u"[:1]) and "\\u" not in cut[-6:]:
        assert json.loads(close_json(cut))["best"] == "A"
