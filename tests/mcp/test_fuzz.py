"""Anything that a client may send: each line and each set of arguments has a proper answer, 10,000 of them.

The arguments come from each tool's own schema, as it is shown: what fits it, and what is wrong in one place or all.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from naestro.client.json_lines import BadLine, parse_message
from naestro.errors import NaestroError
from naestro_mcp.arguments import decoded
from naestro_mcp.catalogue import CATALOGUE
from naestro_mcp.signing import Signer
from tests.mcp.desk import core_in, wired

TOOLS = {tool.name: tool for tool in CATALOGUE.tools}
QUICK = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
WRONG: list[Any] = [
    None,
    True,
    -1,
    1e300,
    float("nan"),
    "",
    "x" * 70_000,
    "\0",
    "\ud800",
    [],
    [[]],
    {},
    {"a": [1]},
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What fits a schema of the kind that tools have."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "string":
            return st.text(min_size=1, max_size=30)
        case "integer":
            return st.integers(schema.get("minimum", -10), schema.get("maximum", 10))
        case "array":
            return st.lists(fitting(schema["items"]), max_size=3)
        case "object":
            needed = set(schema.get("required", []))
            parts = {name: fitting(part) for name, part in schema.get("properties", {}).items()}
            return st.fixed_dictionaries(
                {name: part for name, part in parts.items() if name in needed},
                optional={name: part for name, part in parts.items() if name not in needed},
            )
        case _:
            return ANYTHING


def given_to(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments for a tool: right ones, right ones with something wrong put in, and anything."""
    schema: dict[str, Any] = TOOLS[name].input_schema(has_roots=True)
    names = st.sampled_from([*schema["properties"], "unknown"]) if schema["properties"] else st.text()
    wrong = st.builds(lambda good, key, value: {**good, key: value}, fitting(schema), names, ANYTHING)
    return fitting(schema) | wrong | st.dictionaries(st.text(max_size=10), ANYTHING, max_size=5)


def variations(arguments: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    """What was drawn, and the same with something wrong in each place."""
    yield arguments
    for name in names:
        yield from ({**arguments, name: wrong} for wrong in WRONG)


@pytest.mark.parametrize("name", TOOLS)
def test_arguments_are_taken_or_refused_in_a_sentence(name: str) -> None:
    tool = TOOLS[name]
    schema: dict[str, Any] = tool.input_schema(has_roots=True)
    shown = Draft202012Validator(schema)
    names = [*schema["properties"], "unknown"]
    cases = Counter[str]()

    @settings(QUICK, max_examples=60)
    @given(given_to(name))
    def check(drawn: dict[str, Any]) -> None:
        for arguments in variations(drawn, names):
            taken, refusal = outcome(lambda given=arguments: decoded(name, given, tool.arguments))
            if taken is not None:
                # What is taken fits the schema that is shown.
                fields = msgspec.to_builtins(taken)
                shown.validate({key: fields[key] for key in arguments})
            else:
                assert refusal.message.endswith(".")
                assert refusal.hint
            cases["taken" if taken is not None else "refused"] += 1

    check()
    assert cases.total() > 1_200
    assert min(cases["taken"], cases["refused"]) > 0


def outcome(work: Callable[[], Any]) -> tuple[Any, Any]:
    """What `work` gives, or the error that it raises on purpose."""
    try:
        return work(), None
    except (NaestroError, BadLine) as error:
        return None, error


@settings(QUICK, max_examples=500)
@given(
    st.binary(max_size=200)
    | ANYTHING.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {"jsonrpc": st.sampled_from(["2.0", "1.0", 2])},
        optional={
            "id": ANYTHING,
            "method": ANYTHING,
            "params": ANYTHING,
            "result": ANYTHING,
            "error": ANYTHING,
        },
    ).map(lambda value: json.dumps(value).encode())
)
def test_a_line_is_a_message_or_an_error_of_json_rpc(line: bytes) -> None:
    for cut in (line, line[:-1], line[1:], line + b"}", line.replace(b'"', b"")):
        message, fault = outcome(lambda given=cut: parse_message(given))
        if message is not None:
            assert "method" in message or "result" in message or "error" in message
        else:
            assert fault.error.code in {-32700, -32600, -32602}
            assert isinstance(fault.request_id, str | int | None)


@settings(QUICK, max_examples=200)
@given(st.text(max_size=100), st.integers(0, 1_000))
def test_a_cursor_of_somebody_elses_making_is_never_taken(cursor: str, place: int) -> None:
    signer = Signer()
    good = signer.cursor(place, "session", "/root", "tool", {"a": 1})
    assert signer.place(good, "session", "/root", "tool", {"a": 1}) == place
    for forged, about in ((cursor, {"a": 1}), (f"{good}{cursor or 'x'}", {"a": 1}), (good, {"a": 2})):
        with pytest.raises(NaestroError):
            signer.place(forged, "session", "/root", "tool", about)


@pytest.mark.anyio
async def test_the_server_answers_whatever_tools_are_called_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = list[tuple[str, dict[str, Any]]]()
    reading = [name for name, tool in TOOLS.items() if tool.is_reading] + ["respond"]

    @settings(QUICK, max_examples=150)
    @given(st.sampled_from(reading).flatmap(lambda name: st.tuples(st.just(name), given_to(name))))
    def draw(case: tuple[str, dict[str, Any]]) -> None:
        cases.append(case)

    draw()
    async with core_in(tmp_path, "", monkeypatch) as core, wired(core, tmp_path / "workspace") as wire:
        await wire.open()
        for number, (name, arguments) in enumerate(cases):
            await wire.send(id=number, method="tools/call", params={"name": name, "arguments": arguments})
            answer = await wire.receive()
            while "id" not in answer:
                answer = await wire.receive()
            if "error" in answer:  # a number that is none in JSON, half a character
                assert answer["error"]["code"] in {-32700, -32602}, (name, arguments)
                continue
            assert answer["id"] == number
            assert "[defect]" not in answer["result"]["content"][0]["text"], (name, arguments)
