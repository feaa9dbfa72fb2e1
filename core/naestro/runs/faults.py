"""Errors as events tell them, and back: a recorded fault raises the class that it was made of.

Below stand only the error tree and the shared types.
"""

from collections.abc import Iterator

from naestro.errors import NaestroError
from naestro.types import Fault

INTERNAL = "internal"
"""The code of a fault that is a defect of Naestro's, not an error that it raises on purpose."""

REPORT_HINT = (
    "This is a defect of Naestro: run `naestro resume RUN` to go on, and please report it with the log."
)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside `error`: itself, or what the task groups of a flow wrapped in groups."""
    inner: tuple[BaseException, ...] | None = getattr(error, "exceptions", None)
    if inner is None:
        yield error
    for one in inner or ():
        yield from leaves(one)


def known_error(error: BaseException) -> NaestroError | None:
    """The first error of the tree inside `error`; None when it is something else."""
    return next((leaf for leaf in leaves(error) if isinstance(leaf, NaestroError)), None)


def fault_of(error: BaseException) -> Fault:
    """What an event says of `error`."""
    known = known_error(error)
    if known is not None:
        return Fault(known.code, known.message, known.hint)
    first = next(leaves(error))
    return Fault(INTERNAL, f"{type(first).__name__}: {first}", REPORT_HINT)


def error_of(fault: Fault) -> NaestroError:
    """The error that `fault` was made of, to raise once more; the root of the tree where the code is not known."""
    kind = next((kind for kind in _kinds(NaestroError) if kind.code == fault.code), NaestroError)
    return kind(fault.message, hint=fault.hint)


def _kinds(kind: type[NaestroError]) -> Iterator[type[NaestroError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)
