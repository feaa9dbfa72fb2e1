"""The client that the conformance suite drives: Naestro's own connection to a server, over all of its tools.

`python -m tests.toolbox.conformance_client URL`, as the suite starts it. It lists the tools and calls each once: as
the suite asks for it (MCP_CONFORMANCE_CONTEXT), else with arguments made from its schema.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio

from naestro.config import ToolsSettings
from naestro.errors import ToolError
from naestro.tools.servers.connection import Connection
from naestro.tools.servers.definition import Definition
from naestro.tools.servers.source import open_server
from naestro.tools.servers.way import Terms

SAMPLES = {"number": 5, "integer": 3, "string": "a text", "boolean": True, "array": [], "object": {}}


def arguments_for(schema: dict[str, Any]) -> dict[str, Any]:
    """Something for each argument of a schema."""
    properties: dict[str, Any] = schema.get("properties") or {}
    return {
        name: one.get("default", SAMPLES.get(one.get("type"), "a text")) for name, one in properties.items()
    }


async def call(server: Connection, tool: str, arguments: dict[str, Any]) -> None:
    """One call, told on standard error."""
    try:
        result = await server.call(tool, arguments)
        said = result.text
    except ToolError as error:
        said = f"failed: {error.message}"
    sys.stderr.write(f"{tool} {json.dumps(arguments)}: {said[:300]}\n")


async def main(url: str) -> None:
    """Everything once."""
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    definition = Definition(name="suite", origin="settings", root=Path.cwd(), url=url)
    async with open_server(definition, Terms(ToolsSettings(start_s=15, call_s=15), Path.cwd())) as server:
        tools = await server.tools()
        sys.stderr.write(f"tools: {[tool.name for tool in tools]}, lost: {server.listing.lost}\n")
        asked = context.get("toolCalls")
        if asked:
            for one in asked:
                await call(server, one["name"], one.get("arguments") or {})
        else:
            for tool in tools:
                arguments = arguments_for(tool.schema)
                if "schema" in arguments:  # it wants to see what became of the first one's
                    arguments["schema"] = tools[0].schema
                await call(server, tool.name, arguments)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
