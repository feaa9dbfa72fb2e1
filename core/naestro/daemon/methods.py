"""A method of the control API as a value: its name, its function, and the types of what it takes and gives.

`api` makes one of each of its functions; `rpc` calls them, `openrpc` describes them. So what a method takes is
written once, in the function's signature. Nothing here knows a method.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec

from naestro.errors import NaestroError


class WrongParams(NaestroError):
    """A request's params are not what the method takes; answered as -32602."""

    code = "params"
    default_hint = "Ask `rpc.discover` what the method takes."


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the control API."""

    name: str
    # A method's own parameters differ; the params struct below holds their types.
    function: Callable[..., Awaitable[object]]
    params: type[msgspec.Struct]
    """What it takes, a field for each parameter; unknown ones are refused."""
    result: Any  # a type expression, for which there is no type
    """What it gives."""

    def decode(self, params: object) -> dict[str, object]:
        """The arguments of a call from its `params`, by name or by place. Raises `WrongParams` with one sentence."""
        try:
            if isinstance(params, list):
                params = self._by_name(msgspec.convert(params, list[object]))
            decoded = msgspec.convert(params, self.params)
        except msgspec.ValidationError as error:
            raise WrongParams(f"The params of {self.name} are wrong: {error}.") from error
        return {name: getattr(decoded, name) for name in self.params.__struct_fields__}

    def _by_name(self, params: list[object]) -> dict[str, object]:
        names = self.params.__struct_fields__
        if len(params) > len(names):
            raise WrongParams(f"{self.name} takes at most {len(names)} params, not {len(params)}.")
        return dict(zip(names, params, strict=False))


def method_of(name: str, function: Callable[..., Awaitable[object]]) -> Method:
    """The method `name` that calls `function(context, **params)`; the signature says the types."""
    hints = get_type_hints(function, include_extras=True)
    _, *parameters = inspect.signature(function).parameters.values()
    fields = [
        (one.name, hints[one.name])
        if one.default is inspect.Parameter.empty
        else (one.name, hints[one.name], one.default)
        for one in parameters
    ]
    title = "".join(part.capitalize() for part in name.replace(".", " ").split())
    params = msgspec.defstruct(f"{title}Params", fields, frozen=True, forbid_unknown_fields=True)
    return Method(name, function, params, hints["return"])


def methods_of(functions: Mapping[str, Callable[..., Awaitable[object]]]) -> dict[str, Method]:
    """The methods of a table of functions, by name."""
    return {name: method_of(name, function) for name, function in functions.items()}
