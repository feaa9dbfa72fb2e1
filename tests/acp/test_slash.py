"""Slash commands: what is meant by a prompt, and the list that a client shows."""

import pytest

from naestro.errors import InputError
from naestro_acp.slash import COMMANDS, Asked, available_commands, help_text, parse


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("/explain calc.py:1-9", Asked("explain", "calc.py:1-9")),
        ("/explain", Asked("explain", "")),
        ("/EXPLAIN x", Asked("explain", "x")),
        ("/orchestrate\nmake it quick", Asked("orchestrate", "make it quick")),
        ("/orchestrate make\nit quick", Asked("orchestrate", "make\nit quick")),
        ("/trace", Asked("trace", "")),
        ("/usr/bin/python is what?", Asked("orchestrate", "/usr/bin/python is what?", is_typed=False)),
        ("Fix it", Asked("orchestrate", "Fix it", is_typed=False)),
    ],
)
def test_a_prompt_is_a_command_or_a_task(text: str, asked: Asked) -> None:
    assert parse(text, "council") == asked


@pytest.mark.parametrize("text", ["What is it?", "explain the parser", "Is it quick?"])
def test_in_mode_ask_a_question_is_explained(text: str) -> None:
    assert parse(text, "ask").name == "explain"
    assert parse(text, "council").name == "orchestrate"


def test_an_unknown_command_names_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        parse("/nothing at all", "council")
    assert caught.value.message == "There is no command /nothing."
    assert "/orchestrate, /explain, /test" in caught.value.hint


@pytest.mark.parametrize("text", ["/orchestrate", "/resume  "])
def test_a_command_without_its_argument_says_what_it_needs(text: str) -> None:
    with pytest.raises(InputError, match="needs an argument"):
        parse(text, "council")


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        parse(" \n ", "council")


def test_every_command_is_told_to_the_client_and_in_the_help() -> None:
    told = [command.model_dump(by_alias=True, exclude_none=True) for command in available_commands()]
    assert [one["name"] for one in told] == [command.name for command in COMMANDS]
    assert told[0]["input"] == {"hint": "TASK"}
    assert "input" not in told[-1]
    assert all(f"`/{command.name}" in help_text() for command in COMMANDS)
