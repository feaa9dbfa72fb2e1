"""`POST /rpc`: JSON-RPC 2.0, dispatched by jsonrpcserver.

`http` above hands bytes in and sends bytes out; below stand the methods (`api`) and the table of errors. Params are
decoded by each method's own types before it is called, results encoded by msgspec. A batch is dispatched request by
request, in order, so that one that is no request gets an error of its own, as the standard wants (jsonrpcserver
would refuse the whole batch, and start all of it at once).
"""

import logging
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from naestro.daemon.api import METHODS, Context
from naestro.daemon.methods import Method, WrongParams
from naestro.daemon.openrpc import discover
from naestro.daemon.rpc_errors import error_body
from naestro.errors import NaestroError
from naestro.types import encode

with warnings.catch_warnings():
    # On Python 3.11 and 3.12 jsonrpcserver reads its schema by a call that is deprecated there.
    warnings.simplefilter("ignore", DeprecationWarning)
    from jsonrpcserver import Error, Success, async_dispatch_to_serializable

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32602, -32603

log = logging.getLogger(__name__)


class Request(msgspec.Struct, frozen=True):
    """What a request must be; jsonrpcserver reads it again."""

    jsonrpc: Literal["2.0"]
    method: str
    params: dict[str, Any] | list[Any] = {}  # any JSON: each method's own types decode it
    id: str | int | float | None = None


async def answer(body: bytes, context: Context) -> bytes | None:
    """The response to a request or a batch of them; None where it has none, as a notification."""
    try:
        given: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        return encode(_refusal(PARSE_ERROR, f"The request is no JSON: {error}."))
    if not isinstance(given, list):
        response = await _answer_one(given, context)
        return None if response is None else encode(response)
    if not given:
        return encode(_refusal(INVALID_REQUEST, "A batch holds at least one request."))
    responses = [await _answer_one(one, context) for one in msgspec.convert(given, list[object])]
    said = [response for response in responses if response is not None]
    return encode(said) if said else None


async def _answer_one(given: object, context: Context) -> object | None:
    try:
        msgspec.convert(given, Request)
    except msgspec.ValidationError as error:
        return _refusal(INVALID_REQUEST, f"This is no JSON-RPC 2.0 request: {error}.")
    return await async_dispatch_to_serializable(
        "", _TABLE, context=context, deserializer=_always(given), validator=_always(None)
    )


def _always(value: object) -> Callable[[object], object]:
    """A function that gives `value`: the request was parsed and checked above."""
    return lambda _: value


def _refusal(code: int, message: str) -> object:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": None}


# jsonrpcserver's own types are untyped results of a library without types.
def _callable(method: Method) -> Callable[..., Awaitable[Any]]:
    """`method` as jsonrpcserver calls it: it takes anything, so that wrong params are told in our words."""

    async def call(context: Context, *by_place: object, **by_name: object) -> Any:
        try:
            arguments = method.decode(list(by_place) if by_place else by_name)
            return Success(await method.function(context, **arguments))
        except WrongParams as error:
            return Error(INVALID_PARAMS, error.message)
        except NaestroError as error:
            body = error_body(error)
            return Error(body.code, body.message, body.data)
        except Exception:  # a defect in one method ends that request alone
            log.exception("%s failed", method.name)
            return Error(
                INTERNAL_ERROR, f"A defect in Naestro made {method.name} fail; the daemon's log has it."
            )

    return call


_TABLE = {name: _callable(method) for name, method in (METHODS | discover(METHODS)).items()}
