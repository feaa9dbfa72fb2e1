"""JSON schemas of structs as a model should read them: small, without references, titles and empty defaults.

`tool` above shows them in the list of tools, which fills every client's context, and `arguments` checks by the same
structs. Source: JSON Schema 2020-12, as msgspec writes it.
"""

from typing import cast

import msgspec

from naestro.types import Json

LEFT_OUT = ("title", "minLength", "maxLength", "maxItems")
"""Limits of length are told when they are met; a list of tools is read in every turn."""
EMPTY_LEFT_OUT = ("default", "required")
EMPTY: tuple[Json, ...] = ("", [], {}, None, False)
"""What goes without saying."""


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Json]:
    """The schema of what `kind` may be, on its own."""
    (shown,), parts = msgspec.json.schema_components([kind])
    return cast("dict[str, Json]", _small(shown, parts))  # a struct's schema is an object


def _small(node: Json, parts: dict[str, Json]) -> Json:
    if isinstance(node, list):
        return [_small(one, parts) for one in cast("list[Json]", node)]  # a list is one of anything
    if not isinstance(node, dict):
        return node
    fields = cast("dict[str, Json]", node)  # a JSON object's keys are strings
    if "$ref" in fields:
        return _small(parts[str(fields["$ref"]).rpartition("/")[2]], parts)
    is_struct = "properties" in fields
    if "enum" in fields:  # some makers of models refuse a choice that does not say that it is a text
        fields = {"type": "string", **fields}
    return {
        key: _properties(value, parts) if key == "properties" else _small(value, parts)
        for key, value in fields.items()
        if key not in LEFT_OUT
        and not (key in EMPTY_LEFT_OUT and value in EMPTY)
        # The words under a struct are for who reads the code.
        and not (key == "description" and is_struct)
    }


def _properties(value: Json, parts: dict[str, Json]) -> Json:
    """The properties by their names, which may be called `title` too."""
    named = cast("dict[str, Json]", value)  # as JSON Schema has it
    return {name: _small(one, parts) for name, one in named.items()}
