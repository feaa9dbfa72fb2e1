"""The daemon's HTTP: the control API, the streams of events, and what protocol plug-ins add; one application.

`process` serves it on the user's own socket and on the loopback port; `guard` stands in front. Below are `rpc` and
`sse`, loaded with the first request that needs them. It knows no method and no event.
"""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from naestro.client.local import LocalClient
from naestro.config import load_settings
from naestro.daemon.api import NUMBER_MAX, Context, DaemonInfo
from naestro.daemon.guard import Guard
from naestro.daemon.rpc_errors import error_body
from naestro.errors import NaestroError, NotInJournal
from naestro.types import encode

if TYPE_CHECKING:
    from sse_starlette import EventSourceResponse

__all__ = ["DaemonInfo", "build_app"]

JSON = "application/json"


def build_app(
    client: LocalClient, info: DaemonInfo, token: str, *, plugins: Mapping[str, ASGIApp] = {}
) -> ASGIApp:
    """The application over `client`; each of `plugins` answers at its name. `token` guards the loopback port."""
    context = Context(client, info)
    routes = [
        Route("/rpc", partial(_rpc, context), methods=["POST"]),
        Route("/runs/{run}/events", partial(_run_events, client), methods=["GET"]),
        Route("/events", partial(_all_events, client), methods=["GET"]),
        Route("/index/update", partial(_index_update, context), methods=["POST"]),
        *(Route(f"/{name}", app) for name, app in plugins.items()),
    ]
    handlers = {NaestroError: _refused, HTTPException: _http_error}
    # Starlette's own type asks for handlers of any exception, ours take the narrower ones that they are given.
    return Guard(Starlette(routes=routes, exception_handlers=handlers), token)  # pyright: ignore[reportArgumentType] - see above


async def _rpc(context: Context, request: Request) -> Response:
    body = await request.body()
    # jsonrpcserver takes a quarter of a second to load; meanwhile runs go on.
    await anyio.to_thread.run_sync(import_module, "naestro.daemon.rpc")
    from naestro.daemon import rpc

    answer = await rpc.answer(body, context)
    return Response(status_code=204) if answer is None else Response(answer, media_type=JSON)


async def _run_events(client: LocalClient, request: Request) -> "EventSourceResponse":
    from naestro.daemon import sse

    after = _after(request)
    is_following = request.query_params.get("follow", "true").lower() not in {"false", "0", "no"}
    run = (await client.get(request.path_params["run"])).id
    events = (sse.run_events if is_following else sse.recorded_events)(client, run, after)
    return sse.response(events, heartbeat_ms=_heartbeat_ms())


async def _all_events(client: LocalClient, request: Request) -> "EventSourceResponse":
    from naestro.daemon import sse

    return sse.response(sse.all_events(client, _after(request)), heartbeat_ms=_heartbeat_ms())


async def _index_update(context: Context, request: Request) -> "EventSourceResponse":
    from naestro.daemon import sse
    from naestro.daemon.index_api import UpdateRequest

    asked = UpdateRequest.of(await request.body())
    events = sse.index_progress(asked.client(context).index, asked.workspace, rebuild=asked.rebuild)
    return sse.response(events, heartbeat_ms=_heartbeat_ms())


def _after(request: Request) -> int:
    """The number after which to begin: a reader that comes back says it in the header, and so knows better."""
    text = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    if not (
        text.isascii() and text.isdigit() and len(text) <= len(str(NUMBER_MAX)) and int(text) <= NUMBER_MAX
    ):
        raise HTTPException(400, f"{text!r} is no number of an event.")
    return int(text)


def _heartbeat_ms() -> int:
    return load_settings(None).settings.flags.ws_heartbeat_ms


async def _refused(_: Request, error: NaestroError) -> Response:
    status = 404 if isinstance(error, NotInJournal) else 400
    return Response(encode({"error": error_body(error)}), status, media_type=JSON)


async def _http_error(_: Request, error: HTTPException) -> Response:
    return Response(
        encode({"error": {"message": error.detail}}), error.status_code, error.headers, media_type=JSON
    )
