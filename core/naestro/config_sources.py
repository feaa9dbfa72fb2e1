"""Where a setting's value came from: reading files and variables, laying them over one another, telling what is wrong.

`config` above holds the tree of settings and calls this module; below it stands `errors`. Values are kept flat here,
by path (`("council", "proposers")`), each with its source, until the tree is made of them. It knows no setting by
name and never puts a secret's value into a message.
"""

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypeGuard, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from naestro.errors import ConfigError

KeyPath: TypeAlias = tuple[str, ...]
"""Where a value stands in the tree."""

Place = Literal["default", "user file", "workspace file", "environment", "command line"]

FILE_SIZE_LIMIT_BYTES = 1_048_576
"""A file of settings has a page; what is larger was not written by a person."""
MASK = "********"
_CLOSE = 0.8
"""Likeness, 0 to 1, from which a name is taken for a misspelling before one of the same last word elsewhere is."""
_TELLS_VALUE = ("bool_", "int_", "float_", "literal_error", "greater_than", "less_than")
"""Kinds of errors whose sentence may show the value: it was meant to be a number or a word of a fixed list."""
_PLAIN_WORDS = (
    ("valid integer, got a number with a fractional part", "whole number"),
    ("valid integer", "whole number"),
    ("a valid boolean", "true or false"),
    ("valid number", "number"),
    ("a valid string", "text"),
    ("valid tuple", "list of names"),
)
"""What a person who does not program calls what pydantic says."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from."""

    place: Place
    location: str = ""
    """The file's path, the variable's name or the option; empty for a default."""

    def __str__(self) -> str:
        """`workspace file /src/naestro.toml`."""
        place = "environment variable" if self.place == "environment" else self.place
        return f"{place} {self.location}".rstrip()


@dataclass(frozen=True, slots=True)
class Entry:
    """One value and its source."""

    value: object
    source: Source


Entries: TypeAlias = dict[KeyPath, Entry]


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A file of settings as it was read."""

    path: Path
    content: bytes
    values: dict[str, object]


def is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether `value` is a table; keys of TOML and of the tree are always strings."""
    return isinstance(value, Mapping)


def dotted(path: KeyPath) -> str:
    """`path` as a key of TOML: `engines."my.model".slots`."""
    return ".".join(part if part.replace("-", "_").isidentifier() else json.dumps(part) for part in path)


def parse_key(key: str) -> KeyPath:
    """The path that a dotted key names, quotes as in TOML; raises `ConfigError` when it is none."""
    try:
        value: object = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{json.dumps(key)} is no key of the settings.") from error
    path: KeyPath = ()
    while is_table(value):
        name, value = next(iter(value.items()))
        path = (*path, name)
    return path


def read_file(path: Path) -> SettingsFile | None:
    """Read a file of settings; None where there is none. Raises `ConfigError` when it cannot be read or is no TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_SIZE_LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"The settings in {path} cannot be read: {error.strerror}.") from error
    if len(content) > FILE_SIZE_LIMIT_BYTES:
        raise ConfigError(f"The file {path} is larger than 1 MiB; it cannot be a file of settings.")
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"The file {path} is not text in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The file {path} is not valid TOML: {error}.") from error
    return SettingsFile(path, content, values)


def flatten(values: Mapping[str, object], source: Source, above: KeyPath = ()) -> Entries:
    """Each value of a nested mapping by its path; an empty table is a value too."""
    entries: Entries = {}
    for name, value in values.items():
        path = (*above, name)
        if is_table(value) and value:
            entries |= flatten(value, source, path)
        else:
            entries[path] = Entry(value, source)
    return entries


def overlay(below: Entries, above: Entries) -> Entries:
    """Both, `above` winning; a value replaces the table that stood in its place, and the other way round."""
    merged = dict(below)
    for path, entry in above.items():
        under = [known for known in merged if known[: len(path)] == path]
        if entry.value == {} and under:
            continue
        for known in under:
            del merged[known]
        for length in range(1, len(path)):
            merged.pop(path[:length], None)
        merged[path] = entry
    return merged


def nest(entries: Entries) -> dict[str, object]:
    """The nested mapping that the tree is made of; `overlay` leaves no value where a table stands."""
    tables: dict[KeyPath, dict[str, object]] = {(): {}}
    for path, entry in entries.items():
        for length in range(1, len(path)):
            if path[:length] not in tables:
                tables[path[:length]] = tables[path[: length - 1]][path[length - 1]] = {}
        tables[path[:-1]][path[-1]] = entry.value
    return tables[()]


def source_of(entries: Entries, path: KeyPath) -> Source:
    """The source of what stands at `path`, of what holds it, or of the first value under it."""
    for length in range(len(path), 0, -1):
        for known, entry in entries.items():
            if known[:length] == path[:length] and (len(known) == length or length == len(path)):
                return entry.source
    return Source("default")


def leaf_paths(model: type[BaseModel]) -> list[KeyPath]:
    """Each key that `model` knows, down to the single values; `*` stands for a name that the person chooses."""
    found: list[KeyPath] = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        keyed = get_args(annotation)[1] if get_origin(annotation) is dict else None
        inner = keyed or annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            step = (name, "*") if keyed else (name,)
            found += [(*step, *path) for path in leaf_paths(inner)]
        else:
            found.append((name, "*") if keyed else (name,))
    return found


def shown_values(model: BaseModel, above: KeyPath = ()) -> dict[KeyPath, str]:
    """Each single value of the tree as JSON text, secrets masked."""
    found: dict[KeyPath, str] = {}
    for name in type(model).model_fields:
        value: object = getattr(model, name)
        path = (*above, name)
        if isinstance(value, BaseModel):
            found |= shown_values(value, path)
        elif is_table(value):
            for key, item in value.items():
                inner = (*path, key)
                found |= shown_values(item, inner) if isinstance(item, BaseModel) else {inner: _shown(item)}
        else:
            found[path] = _shown(value)
    return found


def _shown(value: object) -> str:
    return MASK if isinstance(value, SecretStr) else json.dumps(value)


def refusal(error: ValidationError, entries: Entries) -> ConfigError:
    """The first value that is wrong, in one sentence that names the key and where it stands."""
    details = error.errors()[0]
    path = tuple(part for part in details["loc"] if isinstance(part, str))
    more = len(error.errors()) - 1
    rest = f"; {more} more after this one" if more else ""
    return ConfigError(
        f"The {source_of(entries, path)} sets {dotted(path)}, which {_complaint(details)}{rest}."
    )


def refuse_unknown(entries: Entries, known: list[KeyPath]) -> None:
    """Raise `ConfigError` for the first key that is not in `known`, with the nearest one that is."""
    for path, entry in entries.items():
        if any(_fits(path, keys) for keys in known):
            continue
        nearest = _nearest(path, known)
        guess = f"did you mean {dotted(nearest)}?" if nearest else "none has a name like it."
        raise ConfigError(f"The {entry.source} sets {dotted(path)}, which is no setting; {guess}")


def _fits(path: KeyPath, keys: KeyPath) -> bool:
    """Whether `path` is `keys` or a table above it; that a table has no plain value is for the tree to say."""
    return len(path) <= len(keys) and all(want in ("*", name) for want, name in zip(keys, path, strict=False))


def _nearest(path: KeyPath, known: list[KeyPath]) -> KeyPath | None:
    named = [
        tuple(
            given if name == "*" else name
            for name, given in zip(keys, (*path, *keys[len(path) :]), strict=False)
        )
        for keys in known
    ]
    tables = {keys[:length] for keys in named for length in range(1, len(keys))}
    spelled = {dotted(keys): keys for keys in [*named, *sorted(tables)]}
    guesses = [
        *difflib.get_close_matches(dotted(path).lower(), spelled, n=1, cutoff=_CLOSE),
        *(dotted(keys) for keys in named if keys[-1] == path[-1].lower()),
        *difflib.get_close_matches(dotted(path).lower(), spelled, n=1),
    ]
    return spelled[guesses[0]] if guesses else None


def _complaint(details: ErrorDetails) -> str:
    if details["type"].endswith(("model_type", "dict_type")):
        return "should be a table"
    said = details["msg"].removeprefix("Value error, ").partition(", unable to")[0]
    said = said.replace("Input should", "should", 1)
    for technical, plain in _PLAIN_WORDS:
        said = said.replace(technical, plain)
    if not said.startswith("should"):
        said = f"is refused: {said}"
    value: object = details["input"]
    if isinstance(value, str | int | float) and details["type"].startswith(_TELLS_VALUE):
        return f"{said}, and is {json.dumps(value)[:80]}"
    return said
