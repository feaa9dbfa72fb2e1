"""The generated pages as text: commands from the command line's own tree, settings from their model.

Each public function here is one page. They read the imported code alone, so a page is the same on every machine;
`tools/docs.py` writes them.
"""

import ast
import inspect
import itertools
import json
import re
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[1]
GENERATED = "<!-- Written from the code by `make docs`; not edited by hand. -->\n"
BARE_SECTION = "flags"
"""The section whose settings have their bare names in the environment."""
SCHEMA_LIMITS = (("minimum", ">="), ("maximum", "<="))
LIMITS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [
        head,
        tuple("---" for _ in head),
        *(tuple(cell.replace("|", r"\|") for cell in row) for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def sentence(text: str | None) -> str:
    """`text` on one line."""
    return " ".join((text or "").split())


# --- commands -------------------------------------------------------------------------------------------------


def commands() -> str:
    """The page of every command with its arguments, options and exit codes."""
    import typer

    from naestro.cli import app

    root = typer.main.get_command(app)
    parts = [GENERATED, "# Commands\n", f"{sentence(root.help)}\n"]
    parts += [command_part(name, command) for name, command in walk("naestro", root)]
    parts += ["## Exit codes\n", exit_codes()]
    return "\n".join(parts)


def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Each visible command below `command` with its full name (`Any`: typer's tree has no public types)."""
    for key, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield f"{name} {key}", child
            yield from walk(f"{name} {key}", child)


def command_part(name: str, command: Any) -> str:
    """The part of the page on one command: its usage, what it does, what it takes."""
    context = command.context_class(command, info_name=name, terminal_width=200, max_content_width=200)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"## `{name}`\n", f"```console\n$ {usage}\n```\n", paragraphs(command.help)]
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [(f"`{record[0].strip()}`", sentence(record[1])) for record in records if record]
    if rows:
        parts.append(table(("takes", "meaning"), rows))
    return "\n".join(parts)


def paragraphs(text: str | None) -> str:
    """A command's help with its paragraphs kept and the lines of each joined."""
    blocks = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(sentence(block) for block in blocks) + "\n"


def exit_codes() -> str:
    """The table of exit codes, read out of the text of `naestro.terminal.exits`."""
    from naestro.terminal import exits

    tree = ast.parse(inspect.getsource(exits))
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Exit"]
    said = {exits.Exit.OK.name: "It worked."}
    for node, after in itertools.pairwise(body):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(after, ast.Expr)
        ):
            said[node.targets[0].id] = str(ast.literal_eval(after.value))
    return table(
        ("code", "name", "meaning"), [(str(code.value), code.name, said[code.name]) for code in exits.Exit]
    )


# --- settings -------------------------------------------------------------------------------------------------

SETTINGS_HEAD = """# Settings

Lowest first: the defaults, your own file, the workspace's `naestro.toml`, the environment, the command line.
`naestro config show` prints each value with where it came from. A key that is not listed here is refused.

A workspace's file may not set what spends money, sends data out or runs programs until you trust that workspace
with `naestro trust`.
"""


def settings() -> str:
    """The page of every setting with its form, default and name in the environment."""
    from naestro.config import Settings

    return "\n".join([GENERATED, SETTINGS_HEAD, *sections(Settings(), (), "")])


def sections(model: BaseModel, path: tuple[str, ...], meaning: str) -> Iterator[str]:
    """A part for `model`, whose values are the defaults, then one for each part of the tree below it."""
    fields, means = type(model).model_fields, meanings(type(model))
    rows = [
        (*setting_row(name, field, path, getattr(model, name)), means[name])
        for name, field in fields.items()
        if not below(field)
    ]
    if path and rows:
        yield f"## `[{'.'.join(path)}]`\n"
        yield f"{meaning}\n"
    if rows:
        yield table(("key", "form", "default", "in the environment", "meaning"), rows)
    for name, field in fields.items():
        if child := below(field):
            value = getattr(model, name)
            is_one = isinstance(value, child)
            inner = (*path, name) if is_one else (*path, name, "NAME")
            yield from sections(value if is_one else child.model_construct(), inner, means[name])


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """What the text under each field says, by the field's name; fields of its bases in the same module too."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if kind.__module__ != model.__module__:
            continue
        (definition,) = ast.parse(inspect.getsource(kind)).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in itertools.pairwise(definition.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    found[name] = sentence(said)
    return found


def below(field: FieldInfo) -> type[BaseModel] | None:
    """The part of the tree that `field` holds, by itself or by name; None for a plain value."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def setting_row(name: str, field: FieldInfo, path: tuple[str, ...], value: Any) -> tuple[str, ...]:
    """The row, but for its meaning, of a setting whose default is `value` (`Any`: settings are of any plain kind)."""
    variable = name if path == (BARE_SECTION,) else f"naestro_{'__'.join((*path, name))}"
    return (
        f"`{name}`",
        form(field.annotation) + limits(field),
        "not set" if value is None else f"`{json.dumps(value)}`",
        f"`{variable.upper()}`",
    )


def form(annotation: Any) -> str:
    """What a value looks like (`Any`: annotations have no common type)."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in get_args(annotation))
    if get_origin(annotation) in {Union, types.UnionType}:
        return " or ".join(form(kind) for kind in get_args(annotation) if kind is not type(None))
    if get_origin(annotation) in {tuple, list}:
        return f"list of {form(get_args(annotation)[0])}"
    names = {str: "text", bool: "`true`, `false`", int: "whole number", float: "number", SecretStr: "secret"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def limits(field: FieldInfo) -> str:
    """The range of a number, as in `, >= 1, <= 16`."""
    said = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in LIMITS
        if getattr(rule, name, None) is not None
    ]
    return "".join(f", {part}" for part in said)


# --- control API ----------------------------------------------------------------------------------------------

CONTROL_HEAD = """# Control API

The daemon speaks JSON-RPC 2.0 at `POST /rpc` and server-sent events at the two paths below. Over the user's own
socket (`http.sock` in the run folder, see `naestro daemon status`) nothing more is needed. On the loopback port each
request carries `Authorization: Bearer TOKEN`, with the port and the token that `run/daemon.json` in Naestro's home
names; they are new at each start. Requests with another Host or Origin are refused, bodies have at most 16 MiB.

Params are given by name or by place. `rpc.discover` gives all of this page as an OpenRPC document.
"""


CONTROL_ERRORS = """## Errors

The error's `data` holds the class as `type`, its `code` in words, the `message` and a `hint`. The standard's own:
`-32700` no JSON, `-32600` no request, `-32601` no such method, `-32602` wrong params, `-32603` a defect.
"""


def control_api() -> str:
    """The page of every method of the control API, its streams, the shapes it uses and its errors."""
    from naestro.daemon.api import METHODS
    from naestro.daemon.openrpc import discover, document

    said = document(METHODS | discover(METHODS))
    parts = [GENERATED, CONTROL_HEAD, *(method_part(method) for method in said["methods"]), "## Streams\n"]
    parts += [f"### `{path}`\n\n{words}\n" for path, words in said["x-streams"].items()]
    parts += ["## Shapes\n", *itertools.starmap(shape_part, said["components"]["schemas"].items())]
    rows = [
        (f"`{one['code']}`", f"`{name}`", one["message"])
        for name, one in said["components"]["errors"].items()
    ]
    parts += [
        CONTROL_ERRORS,
        table(("code", "class", "meaning"), rows),
    ]
    return "\n".join(parts)


def method_part(method: dict[str, Any]) -> str:
    """The part on one method (`Any`: JSON)."""
    rows = [
        (f"`{one['name']}`", schema_words(one["schema"]), default_words(one), one.get("description", ""))
        for one in method["params"]
    ]
    params = [table(("param", "form", "default", "meaning"), rows)] if rows else []
    gives = f"Gives {schema_words(method['result']['schema'])}.\n"
    return "\n".join([f"## `{method['name']}`\n", f"{method['summary']}\n", *params, gives])


def default_words(parameter: dict[str, Any]) -> str:
    """A parameter's default (`Any`: JSON)."""
    return "required" if parameter["required"] else f"`{json.dumps(parameter['schema'].get('default'))}`"


def shape_part(name: str, schema: dict[str, Any]) -> str:
    """The part on one shape (`Any`: JSON)."""
    head = f"### `{name}`\n\n{sentence(schema.get('description'))}\n"
    if "properties" not in schema:
        return f"{head}\n{schema_words(schema)}\n"
    rows = [(f"`{field}`", schema_words(part)) for field, part in schema["properties"].items()]
    return f"{head}\n{table(('field', 'form'), rows)}" if rows else head


def schema_words(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words (`Any`: JSON)."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(map(schema_words, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"list of {schema_words(schema['items'])}"
        case "object":
            return f"object of {schema_words(schema.get('additionalProperties', {}))}"
        case None:
            return "any JSON"
        case kind:
            words = "base64" if schema.get("contentEncoding") == "base64" else str(kind)
            return words + "".join(
                f", {sign} {schema[name]}" for name, sign in SCHEMA_LIMITS if name in schema
            )


# --- decisions ------------------------------------------------------------------------------------------------

DECISIONS_HEAD = """# Decisions

One short numbered page a decision that a reader of the code would otherwise ask about.
[0001](0001-record-decisions.md) says how a page looks. A page is not rewritten when the decision changes: a new one
says what replaces it and why.
"""


def decisions() -> str:
    """The index of the pages in docs/decisions, each with its number and title."""
    rows: list[tuple[str, str]] = []
    for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0]
        found = re.fullmatch(r"# (\d{4}) (.+)", title)
        if found is None or not path.name.startswith(f"{found[1]}-"):
            raise SystemExit(f"{path.name} must begin with a line '# {path.name[:4]} The decision'.")
        rows.append((f"[{found[1]}]({path.name})", found[2]))
    return "\n".join([GENERATED, DECISIONS_HEAD, table(("page", "decision"), rows)])
