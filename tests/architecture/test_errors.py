"""The tree of errors: drawn where it is defined, complete, and helpful to the person who meets one."""

import inspect

from naestro import errors
from naestro.errors import NaestroError

INDENT = 4


def _defined() -> dict[str, type[NaestroError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, NaestroError)
    }


def _drawn() -> list[tuple[str, str]]:
    """Each class of the tree at the top of errors.py with the class that it is drawn under."""
    lines = (errors.__doc__ or "").splitlines()
    start = lines.index("NaestroError")
    path: list[str] = []
    pairs: list[tuple[str, str]] = []
    for line in lines[start:]:
        if not line.strip():
            break
        depth = (len(line) - len(line.lstrip())) // INDENT
        name = line.split()[0]
        path[depth:] = [name]
        pairs.append((name, path[depth - 1] if depth else "Exception"))
    return pairs


def test_every_error_is_drawn_once_under_the_class_that_it_extends() -> None:
    defined = [
        (name, value.__base__.__name__ if value.__base__ else "") for name, value in _defined().items()
    ]
    assert sorted(_drawn()) == sorted(defined)


def test_every_error_says_what_it_means() -> None:
    assert [name for name, value in _defined().items() if not value.__dict__.get("__doc__")] == []


def test_every_error_tells_the_person_what_to_do() -> None:
    assert [name for name, value in _defined().items() if not value.default_hint.endswith(".")] == []


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [value.__dict__.get("code") for value in _defined().values()]
    assert None not in codes
    assert len(set(codes)) == len(codes)
