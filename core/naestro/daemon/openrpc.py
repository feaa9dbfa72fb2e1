"""The control API described for programs: one OpenRPC document, made from the methods' signatures.

`rpc` serves it as `rpc.discover`; `tools/reference.py` makes the page of the documentation from it. Nothing is
described twice: names, types and defaults come from `api`, the schemas from msgspec, the errors from their table.
Source: the OpenRPC specification 1.3.2.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec

from naestro import __version__
from naestro.daemon.methods import Method, method_of
from naestro.daemon.rpc_errors import CODES
from naestro.index.found import IndexProgress
from naestro.types import EVENT_TYPES, Delta, Event, EventData

OPENRPC = "1.3.2"
REF = "#/components/schemas/{name}"

STREAMS = {
    "GET /runs/{id}/events": (
        "Server-sent events of one run: what is recorded after `?after=SEQ` (or the header Last-Event-ID), then what "
        "comes. An event's id is its `seq`, its name the event's `type`, its data the event; generated text comes "
        "at once as `delta`, without an id. Ends with `end` when nobody works on the run. `?follow=false` gives what "
        "is recorded and ends."
    ),
    "POST /index/update": (
        "Brings the code index of a workspace to what the disk says, or joins the run that does; the body is JSON: "
        "`workspace` (absolute), `rebuild` (from nothing; false) and `environment` (the caller's variables; null: the "
        "daemon's own). Answers with server-sent events named `progress`, each an `IndexProgress`; the last one has "
        "the phase `done`, `failed` or `waiting`. Who leaves early leaves the run going on."
    ),
    "GET /events": (
        "Server-sent events of all runs; an event's id is its global number, which `?after=` and Last-Event-ID take."
    ),
}
"""The streams beside the methods, in words: OpenRPC has no place for them but an extension."""

# JSON documents and type expressions have no narrower type than Any in this module.
Schema = dict[str, Any]


def document(methods: Mapping[str, Method]) -> Schema:
    """The OpenRPC document of `methods`."""
    kinds = _kinds(methods)
    schemas, components = msgspec.json.schema_components(kinds, schema_hook=_any_json, ref_template=REF)
    by_kind = dict(zip(map(repr, kinds), schemas, strict=True))
    components["EventData"] = {"anyOf": [{"$ref": REF.format(name=kind.__name__)} for kind in _event_kinds()]}
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "Naestro's control API",
            "version": __version__,
            "description": "JSON-RPC 2.0 at POST /rpc, over the user's own socket or, with the bearer token, on "
            "loopback. Any method may answer with any of the errors in components.",
            "license": {"name": "Apache-2.0"},
        },
        "methods": [_described(method, by_kind, components) for method in methods.values()],
        "components": {"schemas": _without_params(components, methods), "errors": _errors()},
        "x-streams": STREAMS,
    }


def discover(methods: Mapping[str, Method]) -> dict[str, Method]:
    """The method `rpc.discover`, which describes `methods` and itself."""

    async def rpc_discover(_: object) -> dict[str, object]:
        """Describe this API as an OpenRPC document."""
        return document({**methods, "rpc.discover": method})

    method = method_of("rpc.discover", rpc_discover)
    return {"rpc.discover": method}


def _any_json(kind: type) -> Schema:
    """The schema of what msgspec has none for: `Json`, which is any value."""
    assert kind is object, f"{kind} has no schema"
    return {"description": "Any JSON value."}


def _event_kinds() -> list[type[EventData]]:
    return list(EVENT_TYPES.values())


def _kinds(methods: Mapping[str, Method]) -> list[Any]:
    """Every type that the document names: what methods take and give, and what streams send."""
    kinds = [kind for method in methods.values() for kind in (method.params, method.result)]
    streamed = [Event, Delta, IndexProgress, *_event_kinds()]
    return list({repr(kind): kind for kind in [*kinds, *streamed]}.values())


def _described(method: Method, by_kind: Mapping[str, Schema], components: Mapping[str, Schema]) -> Schema:
    params = components[method.params.__name__]
    words = inspect.getdoc(method.function) or ""
    return {
        "name": method.name,
        "summary": " ".join(words.split()),
        "paramStructure": "either",
        "params": [
            {"name": name, "required": name in params.get("required", []), **_told(schema)}
            for name, schema in params["properties"].items()
        ],
        "result": {"name": "result", "schema": by_kind[repr(method.result)]},
    }


def _told(schema: Schema) -> Schema:
    """A parameter's schema, its description beside it where the standard wants it."""
    kept = {key: value for key, value in schema.items() if key != "description"}
    said = {"description": schema["description"]} if "description" in schema else {}
    return {**said, "schema": kept}


def _without_params(components: Mapping[str, Schema], methods: Mapping[str, Method]) -> Schema:
    """The schemas but for the structs that only hold a method's params."""
    params = {method.params.__name__ for method in methods.values()}
    return {name: schema for name, schema in components.items() if name not in params}


def _errors() -> Schema:
    return {
        kind.__name__: {
            "code": code,
            "message": " ".join((kind.__doc__ or "").split()),
            "data": {"type": kind.__name__, "code": kind.code},
        }
        for kind, code in CODES.items()
    }
