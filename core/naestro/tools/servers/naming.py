"""What a tool of a server is called for a model: the server's name before its own, in signs that every engine takes.

With the prefix two servers may have tools of one name, and none can take the name of a built-in one.
"""

import hashlib
import re

NAME_CHARS_MAX = 64
"""What the OpenAI API allows; others allow as much or more."""
PREFIX_CHARS_MAX = 24
SEPARATOR = "__"
_OTHER_SIGNS = re.compile(r"[^A-Za-z0-9_-]+")


def tool_name(server: str, tool: str) -> str:
    """The name of `tool` of `server` for a model: `github__list_issues`.

    What does not fit, loses signs, or has the separator in the server's name, ends in a digest of the whole, so that no
    two become one.
    """
    prefix, name = _plain(server)[:PREFIX_CHARS_MAX], _plain(tool)
    joined = f"{prefix}{SEPARATOR}{name}"
    is_plain = (prefix, name) == (server, tool) and SEPARATOR not in server
    if len(joined) <= NAME_CHARS_MAX and is_plain:
        return joined
    digest = hashlib.sha256(f"{server}\0{tool}".encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{joined[: NAME_CHARS_MAX - 7]}_{digest}"


def _plain(name: str) -> str:
    return _OTHER_SIGNS.sub("_", name).strip("_") or "x"
