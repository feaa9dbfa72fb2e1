"""The tree of errors on the wire: no family is forgotten, and each error says what to do."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from acp import schema
from naestro import errors
from naestro_acp.errors import CODES, code_of, wire_error, wrong_parameters
from naestro_acp.sessions import NoSession


def tree(root: type[errors.NaestroError]) -> Iterator[type[errors.NaestroError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from tree(kind)


def test_no_family_of_errors_is_forgotten() -> None:
    known = {
        kind
        for kind in tree(errors.NaestroError)
        if kind.__module__ in ("naestro.errors", NoSession.__module__)
    }
    assert [kind for kind in known if code_of(kind) is None] == []
    assert set(CODES) <= known
    assert code_of(errors.NaestroError) is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("The task is empty."), -32602),
        (errors.OutsideWorkspace("It is outside."), -32602),
        (errors.MissingFile("It is not there."), -32002),
        (errors.NotInJournal("There is no run."), -32002),
        (errors.JournalUnwritable("The disk is full."), -32603),
        (errors.EngineTimeout("It took too long."), -32603),
        (NoSession("There is none."), -32002),
        (errors.NaestroError("Something."), -32603),
    ],
)
def test_an_error_is_told_with_its_sentence_its_code_and_its_hint(
    error: errors.NaestroError, code: int
) -> None:
    shown = wire_error(error)
    assert (shown.code, str(shown)) == (code, error.message)
    assert shown.data == {"type": error.code, "recovery": error.recovery.value, "hint": error.hint}


def test_an_error_without_a_hint_shows_none() -> None:
    assert "hint" not in (wire_error(errors.InputError("No.", hint="")).data or {})


def test_parameters_that_are_no_object_at_all_are_told() -> None:
    with pytest.raises(ValidationError) as caught:
        schema.LogoutRequest.model_validate(7)
    assert str(wrong_parameters(caught.value)).startswith("The parameters do not fit: params: ")
