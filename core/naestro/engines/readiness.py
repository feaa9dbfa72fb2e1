"""Waiting for a llama.cpp server that loads its model.

`supervisor` above starts the process. Ready is a server that answers a request that needs the key: another
program's server on the same port would refuse it, and `/health` alone asks for no key.
"""

import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
from anyio.abc import Process

if TYPE_CHECKING:
    import httpx2

POLL_S = 0.05
"""A model loads in 0.5 s or more."""
ANSWER_S = 2.0
"""For one question; while it loads, a server answers at once or not at all."""


async def wait_until_ready(root_url: str, api_key: str, process: Process, timeout_s: float) -> bool:
    """Whether the server became ready; not if its process ended first, or in `timeout_s` seconds."""
    import httpx2

    headers = {"authorization": f"Bearer {api_key}"}
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loads no certificates: there is no TLS on loopback
    async with httpx2.AsyncClient(headers=headers, timeout=ANSWER_S, trust_env=False, verify=plain) as client:
        with anyio.move_on_after(timeout_s):
            while process.returncode is None:
                if await _answers(client, root_url):
                    return True
                await anyio.sleep(POLL_S)
    return False


async def _answers(client: "httpx2.AsyncClient", root_url: str) -> bool:
    """Whether the model is loaded and the key is the server's own, which another server would not know."""
    import httpx2

    try:
        health = await client.get(f"{root_url}/health")
        if health.status_code != HTTPStatus.OK:
            return False
        stranger = await client.get(f"{root_url}/slots", headers={"authorization": "Bearer none"})
        friend = await client.get(f"{root_url}/slots")
    except httpx2.HTTPError:
        return False
    return friend.status_code == HTTPStatus.OK and stranger.status_code == HTTPStatus.UNAUTHORIZED
