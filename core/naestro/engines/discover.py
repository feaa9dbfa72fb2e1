"""Model servers that already run on this machine: found by asking the ports that they use by default.

`client/machine` above asks; below it stand httpx2 and `types`. Only 127.0.0.1 is asked, without a proxy and without
following a redirect, so isolation mode has nothing to forbid here. Another program may stand on such a port: what it
answers is read in a bounded way, and believed only where it has the form of the OpenAI API. It loads no model, sends
no key and chooses no engine.
"""

import ssl
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import anyio
import msgspec

from naestro.types import Value

if TYPE_CHECKING:
    import httpx2

PORTS = (11434, 1234, 8000, 8080)
"""Where Ollama, LM Studio, vLLM and llama.cpp listen when nobody tells them otherwise."""
ANSWER_S = 0.9
"""For all ports together, which are asked side by side; who promised a second keeps a tenth for itself."""
_ANSWER_BYTES_MAX = 1_000_000
"""A list of models has some thousand bytes."""
_MODELS_MAX = 200
_NAME_LENGTH_MAX = 200
_OWNERS = {"llamacpp": "llama.cpp", "vllm": "vllm", "organization_owner": "lm-studio", "library": "ollama"}
"""What each server writes into `owned_by` of its models, and whose word that is."""


class Server(Value, frozen=True):
    """A server that answered."""

    kind: str
    """`ollama`, `lm-studio`, `vllm`, `llama.cpp` or `openai`, by what it answers, not by its port."""
    port: int
    models: list[str]
    """The models that it names; an Ollama without models names none."""

    @property
    def base_url(self) -> str:
        """What an engine's `base_url` would be."""
        return f"http://127.0.0.1:{self.port}/v1"


class _Row(msgspec.Struct, frozen=True):
    id: str
    owned_by: str | None = None


class _Listing(msgspec.Struct, frozen=True):
    object: str
    data: list[_Row] | None


class _Version(msgspec.Struct, frozen=True):
    version: str


_Form = TypeVar("_Form", _Listing, _Version)


async def find_servers(ports: Sequence[int] = PORTS, *, answer_s: float = ANSWER_S) -> list[Server]:
    """The servers that answer within `answer_s` seconds, in the order of `ports`."""
    import httpx2

    found: dict[int, Server] = {}
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loads no certificates: there is no TLS on loopback
    async with httpx2.AsyncClient(timeout=answer_s, trust_env=False, verify=plain) as client:
        with anyio.move_on_after(answer_s):
            async with anyio.create_task_group() as tasks:
                for port in ports:
                    tasks.start_soon(_ask, client, port, found)
    return [found[port] for port in ports if port in found]


async def _ask(client: "httpx2.AsyncClient", port: int, found: dict[int, Server]) -> None:
    """Put the server at `port` into `found`, if there is one."""
    listing = await _read(client, f"http://127.0.0.1:{port}/v1/models", _Listing)
    if listing is None or listing.object != "list":
        return
    rows = listing.data or []
    kind = next((_OWNERS[row.owned_by] for row in rows if row.owned_by in _OWNERS), None)
    if kind is None:
        version = await _read(client, f"http://127.0.0.1:{port}/api/version", _Version)
        kind = "openai" if version is None else "ollama"
    models = [row.id for row in rows if _is_name(row.id)]
    found[port] = Server(kind, port, models[:_MODELS_MAX])


async def _read(client: "httpx2.AsyncClient", url: str, form: type[_Form]) -> _Form | None:
    """What stands at `url`; None where nothing of that form does (no JSON, no UTF-8, or JSON too deep)."""
    import httpx2

    body = bytearray()
    try:
        async with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
            if response.status_code != HTTPStatus.OK:
                return None
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _ANSWER_BYTES_MAX:
                    return None
        return msgspec.json.decode(body, type=form)
    except (httpx2.HTTPError, ValueError, RecursionError):
        return None


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _NAME_LENGTH_MAX and text.isprintable()
