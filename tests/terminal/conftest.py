"""The command with the scripted server behind it."""

from pathlib import Path

import pytest

from tests.support.answers import say_json
from tests.support.cli import Cli
from tests.support.scripted_server import Received, ScriptedServer

SOURCE = '''"""Adds."""


def add(left, right):
    """The sum."""
    return left - right
'''

PATCH = """`add` subtracts, it should add.

calc.py
<<<<<<< SEARCH
    return left - right
=======
    return left + right
>>>>>>> REPLACE
"""


def proposes(request: Received) -> bool:
    """Whether a request is a proposer's."""
    return "schema" not in str(request.body.get("response_format", ""))


@pytest.fixture
def cli(tmp_path: Path, scripted_server: ScriptedServer) -> Cli:
    """The command in a workspace with one file that has a mistake in it."""
    cli = Cli(tmp_path, scripted_server.base_url)
    (cli.workspace / "calc.py").write_text(SOURCE)
    return cli


@pytest.fixture
def answering(scripted_server: ScriptedServer) -> ScriptedServer:
    """The server that answers a question: proposals that differ, no finding, a judge for the first."""
    scripted_server.otherwise(
        lambda request: f"The function adds two numbers (calc.py:4-6). Variant {request.number}."
    )
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server


@pytest.fixture
def patching(scripted_server: ScriptedServer) -> ScriptedServer:
    """The server whose proposers all mend the file in the same way."""
    scripted_server.otherwise(PATCH)
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server


def answer_schema(request: Received):
    """An answer that fits the schema that was asked for."""
    schema = request.body["response_format"]["json_schema"]["schema"]
    return say_json(_fitting(schema, schema))


def _fitting(schema: dict, root: dict):
    if "$ref" in schema:
        return _fitting(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _fitting(schema["anyOf"][0], root)
    match schema.get("type"):
        case "object":
            return {name: _fitting(part, root) for name, part in schema.get("properties", {}).items()}
        case "array":
            return []
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case _:
            return "said"
