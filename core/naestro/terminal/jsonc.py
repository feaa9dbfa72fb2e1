"""JSON with comments, changed in place: what a person wrote stays as it is, character for character.

`setup` above edits editors' settings with it, since a parser that gives values and a printer that writes them again
would throw comments, order and formatting away. The text is read once into spans; a change is made of a few cuts and
pastes. It knows JSON with `//` and `/* */` comments and trailing commas (what VS Code and Zed read), no file and no
editor.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from naestro.errors import InputError
from naestro.types import Json

DEPTH_MAX = 100
"""Objects and lists in one another: no settings are deeper, and Python's stack is not endless."""
DEFAULT_INDENT = "  "

_BLANK = re.compile(r"(?:[ \t\r\n]|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SHORT_LIST = re.compile(r'\[\s+("[^"\\]*")\s+\]')
"""A list of one plain string, as `json` spreads it over three lines."""
_WORD = re.compile(r"[-+.\w]+")


@dataclass(slots=True)
class Node:
    """A value and where it stands."""

    start: int
    end: int
    """Behind its last character."""
    value: Json
    members: "list[Member] | None" = None
    """In order, where it is an object."""


@dataclass(frozen=True, slots=True)
class Member:
    """A name and its value in an object."""

    key: str
    start: int
    """Where the name's first quote stands."""
    node: Node
    comma: int | None
    """Where the comma behind it stands, if there is one."""


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    depth: int = 0

    def document(self) -> Node | None:
        """The one value of the text; None where it has nothing but comments."""
        self.at = 1 if self.text.startswith("\ufeff") else 0
        self.skip()
        if self.at == len(self.text):
            return None
        node = self.read_node()
        self.skip()
        if self.at != len(self.text):
            raise self.wrong("it should end")
        return node

    def skip(self) -> None:
        """Go over what means nothing."""
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def read_node(self) -> Node:
        """The value that stands here."""
        if self.depth > DEPTH_MAX:
            raise self.wrong(f"it is more than {DEPTH_MAX} objects deep")
        self.depth += 1
        character = self.text[self.at : self.at + 1]
        read = {"{": self.read_object, "[": self.read_list}.get(character, self.read_scalar)
        node = read()
        self.depth -= 1
        return node

    def read_object(self) -> Node:
        """An object with its members."""
        start, members, values = self.at, list[Member](), dict[str, Json]()
        for _ in self.items("}"):
            key_start = self.at
            key = self.read_scalar().value
            if not isinstance(key, str):
                raise self.wrong("a name in quotes should stand", key_start)
            self.skip()
            if self.text[self.at : self.at + 1] != ":":
                raise self.wrong("a colon should stand")
            self.at += 1
            self.skip()
            node = self.read_node()
            self.skip()
            comma = self.at if self.text[self.at : self.at + 1] == "," else None
            members.append(Member(key, key_start, node, comma))
            values[key] = node.value
        return Node(start, self.at, values, members)

    def read_list(self) -> Node:
        """A list."""
        start, values = self.at, list[Json]()
        for _ in self.items("]"):
            values.append(self.read_node().value)
        return Node(start, self.at, values)

    def items(self, close: str) -> Iterator[None]:
        """Once for each item, standing at its start; ends behind `close`. A comma may stand behind the last one."""
        self.at += 1
        self.skip()
        while self.text[self.at : self.at + 1] != close:
            yield
            self.skip()
            character = self.text[self.at : self.at + 1]
            if character == ",":
                self.at += 1
                self.skip()
            elif character != close:
                raise self.wrong(f"a comma or `{close}` should stand")
        self.at += 1

    def read_scalar(self) -> Node:
        """A string, a number, true, false or null."""
        start = self.at
        match = _STRING.match(self.text, start) or _WORD.match(self.text, start)
        if match is None:
            raise self.wrong("a value should stand")
        try:
            value: Json = json.loads(match[0], parse_constant=_refuse)
        except ValueError as error:
            raise self.wrong("a value should stand") from error
        self.at = match.end()
        return Node(start, self.at, value)

    def wrong(self, what: str, at: int | None = None) -> InputError:
        """The error that says where, and what should be there."""
        before = self.text[: self.at if at is None else at]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return InputError(
            f"In line {line}, column {column}, {what}.", hint="Mend the file by hand, then try again."
        )


def _refuse(word: str) -> Json:
    raise ValueError(word)


def get(text: str, path: Sequence[str]) -> Json | None:
    """The value at `path`; None where there is none. Raises `InputError`."""
    node = _Reader(text).document()
    for key in path:
        member = _find(node, key) if node is not None else None
        if member is None:
            return None
        node = member.node
    return None if node is None else node.value


def put(text: str, path: Sequence[str], value: Json) -> str:
    """`text` with `value` at `path`; objects on the way are made, and what is there already is replaced.

    Raises `InputError` where the text cannot be read, or something on the way is no object.
    """
    root = _Reader(text).document()
    newline = "\r\n" if "\r\n" in text else "\n"
    if root is None:
        lead = text if not text or text.endswith(("\n", "\ufeff")) else f"{text}{newline}"
        return put(f"{lead}{{}}{newline}", path, value)
    node = root
    for depth, key in enumerate(path):
        if node.members is None:
            raise InputError(
                f"{'.'.join(path[:depth]) or 'The whole'} is no object.", hint="Mend the file by hand."
            )
        member = _find(node, key)
        if member is None:
            return _insert(text, _Style.of(text, root), node, key, _nested(path[depth + 1 :], value))
        node = member.node
    style = _Style.of(text, root)
    return text[: node.start] + style.written(value, _indent_at(text, node.start)) + text[node.end :]


def drop(text: str, path: Sequence[str]) -> str:
    """`text` without the member at `path`, where there is one; comments stay. Raises `InputError`."""
    parent = _Reader(text).document()
    for key in path[:-1]:
        outer = _find(parent, key)
        parent = outer.node if outer is not None else None
    member = _find(parent, path[-1])
    return text if parent is None or member is None else _cut(text, parent, member)


@dataclass(frozen=True, slots=True)
class _Style:
    """How the person writes."""

    unit: str
    newline: str

    @classmethod
    def of(cls, text: str, root: Node) -> "_Style":
        unit = _indent_at(text, root.members[0].start) if root.members else ""
        return cls(unit or DEFAULT_INDENT, "\r\n" if "\r\n" in text else "\n")

    def written(self, value: Json, indent: str) -> str:
        """`value` over several lines, those after the first behind `indent`."""
        spread = json.dumps(value, indent=self.unit, ensure_ascii=False)
        lines = _SHORT_LIST.sub(r"[\1]", spread).split("\n")
        return f"{self.newline}{indent}".join(lines)


def _find(node: Node | None, key: str) -> Member | None:
    """The member of that name, the last where there are several, as parsers take it."""
    members = node.members if node is not None and node.members is not None else []
    return next((member for member in reversed(members) if member.key == key), None)


def _nested(path: Sequence[str], value: Json) -> Json:
    for key in reversed(path):
        value = {key: value}
    return value


def _indent_at(text: str, at: int) -> str:
    """The blanks at the start of the line of `at`."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _insert(text: str, style: _Style, node: Node, key: str, value: Json) -> str:
    """`text` with one more member at the end of `node`."""
    members = node.members or []
    close = node.end - 1
    outer = _indent_at(text, node.start)
    first = members[0].start if members else close
    is_lined = bool(members) and not text[text.rfind("\n", 0, first) + 1 : first].strip(" \t")
    indent = _indent_at(text, first) if is_lined else outer + style.unit
    last = len(text[:close].rstrip())
    tail = text[last:close] if "\n" in text[last:close] else f"{style.newline}{outer}"
    has_comma = bool(members) and members[-1].comma is not None
    added = f"{style.newline}{indent}{json.dumps(key, ensure_ascii=False)}: {style.written(value, indent)}"
    head = text[:last]
    if members and not has_comma:
        end = members[-1].node.end
        head = f"{text[:end]},{text[end:last]}"
    return f"{head}{added}{',' if has_comma else ''}{tail}{text[close:]}"


def _cut(text: str, parent: Node, member: Member) -> str:
    """`text` without `member` of `parent`."""
    members = parent.members or []
    index = members.index(member)
    start, end = member.start, member.node.end if member.comma is None else member.comma + 1
    before, after = text[:start], text[end:]
    is_last = index == len(members) - 1
    if rest := re.match(r"[ \t]*(?=[\r\n])", after):
        before, after = before.rstrip(), after[rest.end() :]
    elif is_last:
        before = before.rstrip(" \t")
    else:
        after = after.lstrip(" \t")
    if is_last and member.comma is None and index > 0:
        comma = members[index - 1].comma
        assert comma is not None
        before = before[:comma] + before[comma + 1 :]
    if len(members) == 1 and before.endswith("{") and not after[: parent.end - end].rstrip()[:-1].strip():
        after = after.lstrip()
    return before + after
