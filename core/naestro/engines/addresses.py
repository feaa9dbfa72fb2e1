"""Where an engine's address leads: to this machine or away from it.

Isolation mode and `EngineInfo.is_local` stand on this, so it decides by the address as it is written and resolves
no name: a DNS name may lead anywhere, whatever it led to a moment ago. It knows no HTTP and opens no connection.
"""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from naestro.errors import ConfigError

_SCHEMES = ("http", "https")
_LOCAL_NAME = "localhost"
"""The one name that is loopback by definition (RFC 6761, section 6.3)."""


def is_loopback(url: str) -> bool:
    """Whether `url` can only lead to this machine: a loopback address, or `localhost`.

    Whatever is doubtful (a user name in it, a backslash, a number that only some parsers read as an address) is not.
    """
    try:
        return _is_loopback_host(_split(url).hostname or "")
    except ValueError:
        return False


def check_base_url(url: str) -> str:
    """`url` without a slash at its end; raises `ConfigError` when no OpenAI-compatible server can stand there.

    A user name, a query or a fragment is refused: what is secret belongs into the key, which is never shown.
    """
    try:
        parts = _split(url)
        is_usable = parts.scheme in _SCHEMES and parts.hostname and not parts.query and not parts.fragment
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigError(
            "An engine's base_url is no plain http or https address.",
            hint="Write it like http://127.0.0.1:8000/v1, and name the variable that holds the key by api_key_env.",
        )
    return url.rstrip("/")


def origin_of(url: str) -> str:
    """Scheme, host and port of a checked `url`: what an error may show."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _split(url: str) -> SplitResult:
    """The parts of `url`; `ValueError` where two parsers could read it differently."""
    if "\\" in url or "@" in url or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(url)
    parts = urlsplit(url)
    _ = parts.port
    return parts


def _is_loopback_host(host: str) -> bool:
    if host == _LOCAL_NAME:
        return True
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
