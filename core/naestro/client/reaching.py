"""See that a daemon of this version runs, for whoever speaks HTTP to it; the relay's troubles as errors of the tree.

`http` above and the command line call it. Below it stands `naestro.relay.start`, which does the work for relays too. It
sends nothing but the first line.
"""

from naestro.errors import DaemonError, DaemonRefused, DaemonStartFailed
from naestro.relay.places import Places, Trouble, find_places
from naestro.relay.start import CONTROL, Hello, Patience, reach


def reach_daemon() -> Places:
    """Where the sockets of a running daemon of this version lie; started or replaced if need be.

    Blocks, for a second where a daemon must be started, for at most a minute where an old one has to end first: call it
    in a thread. Raises `DaemonError`.
    """
    try:
        places = find_places()
        reach(places, Hello(CONTROL, is_replacing=True), Patience()).close()
    except Trouble as trouble:
        raise daemon_error(trouble) from None
    return places


def daemon_error(trouble: Trouble) -> DaemonError:
    """What a trouble of the relay's is in the tree of errors."""
    kind = DaemonRefused if trouble.is_final else DaemonStartFailed
    return kind(trouble.message, hint=trouble.hint)
