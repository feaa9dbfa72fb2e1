"""The members of a JSON object as one message of the protocol, or what is wrong with them in a sentence.

`transport` and `posting` above call it, for what comes by a pipe and over HTTP; below stands the SDK's own model.
"""

from mcp.types import JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

from naestro.client.json_lines import INVALID_REQUEST, BadLine, LineError
from naestro.types import Json


def message_of(fields: dict[str, Json]) -> JSONRPCMessage:
    """The message of `fields`, which `parse_message` let pass. Raises `BadLine` where it is none."""
    request = fields.get("id")
    if request is None and "id" in fields and "method" in fields:
        raise BadLine(LineError(INVALID_REQUEST, "An id of a request is a string or an integer."))
    try:
        return jsonrpc_message_adapter.validate_python(fields, by_name=False)
    except ValidationError as error:
        raise BadLine(LineError(INVALID_REQUEST, "The message is none of JSON-RPC 2.0."), request) from error
