"""The pickers of a session, and the settings that the person's choices make."""

import pytest

from naestro.errors import InputError
from naestro_acp.options import Choices, config_options, overrides, with_mode, with_option
from naestro_acp.sessions import Session


def session(**options: str) -> Session:
    return Session(id="s", cwd="/w", workspace="/w", created="", updated="", options=options)


def test_what_was_not_picked_overrides_nothing() -> None:
    assert overrides(session()) == {}
    assert overrides(session(pipeline="council", engines="all")) == {}


def test_what_was_picked_becomes_settings() -> None:
    assert overrides(session(consensus="weighted", proposers="5")) == {
        "council": {"consensus": "weighted", "proposers": 5}
    }
    assert overrides(session(engines="beta")) == {
        "roles": {role: {"engines": ["beta"]} for role in ("proposer", "critic", "synthesizer", "judge")}
    }


def test_a_single_proposal_wins_over_the_number_of_proposers() -> None:
    assert overrides(session(pipeline="single", proposers="5")) == {"council": {"proposers": 1, "critics": 0}}


def test_an_engine_that_was_picked_and_is_gone_is_still_shown() -> None:
    engines = config_options(session(engines="gone"), Choices(engines=("alpha",)))[2]
    assert engines.current_value == "gone"
    assert [shown.model_dump()["value"] for shown in engines.options] == ["all", "alpha", "gone"]


def test_a_number_of_proposers_out_of_the_settings_can_be_picked() -> None:
    proposers = config_options(session(), Choices(proposers="12"))[-1]
    assert [shown.model_dump()["value"] for shown in proposers.options] == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "8",
        "12",
    ]


def test_another_mode_is_picked_by_either_way_and_no_other_than_there_are() -> None:
    assert with_mode(session(), "auto").mode == "auto"
    assert with_option(session(), "mode", "ask", Choices()).mode == "ask"
    for refused in (
        lambda: with_mode(session(), "yolo"),
        lambda: with_option(session(), "mode", "yolo", Choices()),
        lambda: with_option(session(), "colour", "red", Choices()),
    ):
        with pytest.raises(InputError, match="no"):
            refused()
