"""The form by which a person is asked, and which of its answers count."""

from pathlib import Path
from typing import Any

import pytest
from mcp.types import ElicitResult

from mcp import types
from naestro.types import InterruptOpened
from naestro_mcp.asking import SHOWN_CHARS_MAX, answer_in, form_of
from tests.mcp.desk import MODERN, SOURCE, TASK, Person, desk_in, yes
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio
CHOICE = InterruptOpened("i1", "approve", "Write it?", ["yes", "no"])
FREE = InterruptOpened("i2", "answer", "Which name?", [])


@pytest.mark.parametrize(
    ("question", "result", "answer"),
    [
        (CHOICE, yes(), "yes"),
        (CHOICE, ElicitResult(action="decline"), "no"),
        (CHOICE, ElicitResult(action="cancel"), None),
        (CHOICE, ElicitResult(action="accept", content={"answer": "perhaps"}), None),
        (CHOICE, ElicitResult(action="accept", content={"answer": 1}), None),
        (CHOICE, ElicitResult(action="accept"), None),
        (FREE, ElicitResult(action="accept", content={"answer": "left"}), "left"),
        (FREE, ElicitResult(action="decline"), None),
    ],
)
def test_an_answer_counts_only_where_it_is_one_of_those_that_were_offered(
    question: InterruptOpened, result: ElicitResult, answer: str | None
) -> None:
    assert answer_in(result, question) == answer


async def test_a_free_question_takes_any_text_and_a_change_is_shown_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patching: ScriptedServer
) -> None:
    async with desk_in(tmp_path, monkeypatch, MODERN, patching.base_url, person=Person(says=[yes()])) as desk:
        form = await form_of(desk.core, FREE)
        assert form is not None
        assert form.message == "Which name?"
        assert "enum" not in form.requested_schema["properties"]["answer"]
        told = await desk.ask("ask_council", task=TASK, mode="orchestrate")
        events = await desk.core.history(told["run"])
        (opened,) = [one.data for one in events if isinstance(one.data, InterruptOpened)]
        assert opened.payload is not None
        shown = await form_of(desk.core, opened)
        assert shown is not None
        assert "+    return left + right" in shown.message
        assert len(shown.message) < SHOWN_CHARS_MAX


@pytest.mark.parametrize("answer", [types.ElicitResult(action="cancel"), None])
async def test_who_says_neither_yes_nor_no_leaves_the_run_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patching: ScriptedServer, answer: Any
) -> None:
    """None: the client itself fails to ask."""
    person = Person(says=[] if answer is None else [answer])
    async with desk_in(tmp_path, monkeypatch, "legacy", patching.base_url, person=person) as desk:
        told = await desk.ask("ask_council", task=TASK, mode="orchestrate")
        assert (told["status"], desk.source()) == ("waiting", SOURCE)
