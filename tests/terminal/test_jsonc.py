"""JSON with comments, changed in place: all that the person wrote stays, and what is written reads back."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naestro.errors import InputError
from naestro.terminal.jsonc import DEPTH_MAX, drop, get, put

PATH = ("agent_servers", "Naestro")
NAMES = st.text(string.ascii_letters + ' _"\\é*', max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
BLANKS = st.lists(
    st.sampled_from([" ", "\n", "\t", "\r\n", '// it\'s "so"\n', "/* { , */", "/**/", "// }\n  "]), max_size=2
).map("".join)


@st.composite
def written(draw: st.DrawFn, value: object) -> str:
    """`value` as a person may write it: blanks and comments anywhere, perhaps a comma at the end."""

    def blank() -> str:
        return draw(BLANKS)

    match value:
        case dict():
            items = [
                f"{blank()}{json.dumps(key)}{blank()}:{blank()}{draw(written(one))}{blank()}"
                for key, one in value.items()
            ]
            opening, closing = "{", "}"
        case list():
            items = [f"{blank()}{draw(written(one))}{blank()}" for one in value]
            opening, closing = "[", "]"
        case _:
            return json.dumps(value, ensure_ascii=draw(st.booleans()))
    end = "," if items and draw(st.booleans()) else ""
    return f"{opening}{','.join(items)}{end}{blank()}{closing}"


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, object], str]:
    """An object, and a text of it."""
    value: dict[str, object] = dict(
        draw(st.dictionaries(NAMES | st.just("agent_servers"), VALUES, max_size=4))
    )
    if "agent_servers" in value:
        value["agent_servers"] = draw(st.dictionaries(NAMES | st.just("Naestro"), VALUES, max_size=3))
    return value, f"{draw(BLANKS)}{draw(written(value))}{draw(BLANKS)}"


def comments(text: str) -> int:
    """How many comments `text` has, where no value has a slash."""
    return text.count("/*") + text.count("// ")


@given(documents())
def test_every_text_reads_as_the_value_that_it_was_written_from(
    document: tuple[dict[str, object], str],
) -> None:
    value, text = document
    assert get(text, ()) == value


@given(documents(), VALUES)
def test_what_is_put_is_there_and_all_else_stays(
    document: tuple[dict[str, object], str], new: object
) -> None:
    value, text = document
    after = put(text, PATH, new)
    servers = value.get("agent_servers", {})
    assert isinstance(servers, dict)
    assert get(after, ()) == {**value, "agent_servers": {**servers, "Naestro": new}}
    if "Naestro" not in servers:
        assert comments(after) == comments(text)


@given(documents(), VALUES)
def test_what_is_dropped_is_gone_and_all_else_stays(
    document: tuple[dict[str, object], str], new: object
) -> None:
    value, text = document
    servers = value.get("agent_servers", {})
    assert isinstance(servers, dict)
    after = drop(put(text, PATH, new), PATH)
    rest = {key: one for key, one in servers.items() if key != "Naestro"}
    assert get(after, ()) == {**value, "agent_servers": rest}


@given(documents(), st.data())
def test_members_go_in_any_order_and_the_others_stay(
    document: tuple[dict[str, object], str], data: st.DataObject
) -> None:
    value, text = document
    for key in data.draw(st.permutations(list(value))):
        text = drop(text, (key,))
        value = {name: one for name, one in value.items() if name != key}
        assert get(text, ()) == value


@given(documents())
def test_what_is_not_there_is_dropped_without_a_change(document: tuple[dict[str, object], str]) -> None:
    _, text = document
    assert drop(text, ("no such name", "at all")) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", '{\n  "a": {\n    "b": 1\n  }\n}\n', id="nothing"),
        pytest.param("// mine", '// mine\n{\n  "a": {\n    "b": 1\n  }\n}\n', id="only a comment"),
        pytest.param("{}", '{\n  "a": {\n    "b": 1\n  }\n}', id="an empty object"),
        pytest.param(
            '{\n\t"x": 1, // one\n\t"a": {\n\t\t"c": 2,\n\t},\n}\n',
            '{\n\t"x": 1, // one\n\t"a": {\n\t\t"c": 2,\n\t\t"b": 1,\n\t},\n}\n',
            id="tabs and commas at the end",
        ),
        pytest.param(
            '{\n    "x": 1 /* one */ // two\n}',
            '{\n    "x": 1, /* one */ // two\n    "a": {\n        "b": 1\n    }\n}',
            id="a comment behind the last",
        ),
        pytest.param('{"x": 1}', '{"x": 1,\n  "a": {\n    "b": 1\n  }\n}', id="one line"),
        pytest.param('{\r\n  "x": 1\r\n}', '{\r\n  "x": 1,\r\n  "a": {\r\n    "b": 1\r\n  }\r\n}', id="CRLF"),
        pytest.param(
            '\ufeff{"a": {"b": 2}}', '\ufeff{"a": {"b": 1}}', id="another value and a byte-order mark"
        ),
        pytest.param('{"x": "// {", "a": {"b": 2}}', '{"x": "// {", "a": {"b": 1}}', id="no comment"),
        pytest.param('{"a": {"b": 0, "b": 2}}', '{"a": {"b": 0, "b": 1}}', id="a name twice"),
    ],
)
def test_a_member_is_written_as_the_person_writes(before: str, after: str) -> None:
    assert put(before, ("a", "b"), 1) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{\n  "x": 1,\n  "a": 2\n}', '{\n  "x": 1\n}'),
        ('{\n  "x": 1,\n  "a": 2,\n}', '{\n  "x": 1,\n}'),
        ('{\n  "a": 2, // two\n  "x": 1\n}', '{\n  // two\n  "x": 1\n}'),
        ('{"x": 1, "a": 2, "y": 3}', '{"x": 1, "y": 3}'),
        ('{"x": 1, // one\n "a": 2}', '{"x": 1 // one\n}'),
        ('{\n  "a": 2\n}', "{}"),
        ('{ /* c */ "a": 2 }', "{ /* c */ }"),
    ],
)
def test_a_member_goes_with_its_line_and_its_comma(before: str, after: str) -> None:
    assert drop(before, ("a",)) == after


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"a" 1}', "line 1, column 6, a colon should stand"),
        ('{"a": 1\n "b": 2}', "line 2, column 2, a comma or `}` should stand"),
        ('{"a": }', "line 1, column 7, a value should stand"),
        ('{"a": nul}', "line 1, column 7, a value should stand"),
        ('{"a": NaN}', "line 1, column 7, a value should stand"),
        ("{a: 1}", "a value should stand"),
        ("{1: 1}", "line 1, column 2, a name in quotes should stand"),
        ('{"a": "\n"}', "a value should stand"),
        ('{"a": [1, 2', "a comma or `]` should stand"),
        ("{,}", "a value should stand"),
        ("{} {}", "line 1, column 4, it should end"),
        ("{} /* open", "line 1, column 4, it should end"),
        ("[" * (DEPTH_MAX + 2), f"more than {DEPTH_MAX} objects deep"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, where: str) -> None:
    for change in (lambda: get(text, ()), lambda: put(text, PATH, 1), lambda: drop(text, PATH)):
        with pytest.raises(InputError) as caught:
            change()
        assert where in caught.value.message


def test_what_is_no_object_is_not_written_over() -> None:
    with pytest.raises(InputError, match="agent_servers is no object"):
        put('{"agent_servers": []}', PATH, 1)
    with pytest.raises(InputError, match="The whole is no object"):
        put("[]", PATH, 1)
    assert get("[]", PATH) is None
    assert get("", ()) is None
    assert drop("[]", PATH) == "[]"
