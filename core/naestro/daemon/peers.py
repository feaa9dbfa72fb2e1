"""Who is at the other end of a Unix socket, where the system tells it.

`listener` and `web_server` ask for each connection. The sockets lie in a folder that only the user can enter; this is
the second lock on the same door, for the day when the folder's mode was changed.
"""

import os
import socket
import struct
import sys

CREDENTIALS = struct.Struct("3i")
"""Linux's `struct ucred`: process, user, group."""
XUCRED = struct.Struct("II")
"""The beginning of macOS's `struct xucred`: version, user."""
XUCRED_BYTES = 76
SOL_LOCAL, LOCAL_PEERCRED = 0, 1


def peer_user(connection: socket.socket) -> int | None:
    """The user id of the process at the other end; None where the system does not tell."""
    if sys.platform == "linux":
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        return int(CREDENTIALS.unpack(found)[1])
    # The suite runs on Linux; macOS has one option of its own.
    if sys.platform == "darwin":  # pragma: no cover - see above
        found = connection.getsockopt(SOL_LOCAL, LOCAL_PEERCRED, XUCRED_BYTES)
        return int(XUCRED.unpack_from(found)[1])
    return None  # pragma: no cover - see above


def is_own(connection: socket.socket) -> bool:
    """Whether the other end may be the user that this process runs as."""
    return peer_user(connection) in {None, os.getuid()}
