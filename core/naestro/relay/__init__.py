"""What stands between an editor's pipes and the daemon: `naestro acp`, as small as a process of Python can be.

`naestro.__main__` above hands `naestro acp` to `pump.main` before anything else is loaded. The package imports nothing
of Naestro but its version, and of the standard library only what is built in or costs a fraction of a millisecond: one
relay runs for each window of each editor. `json`, `socket`, `signal` and `hashlib` are left out, or loaded where a rare
case needs them. Everyone else may import it: `places` (where sockets and locks lie) and `start` (reach the daemon, or
start it) are how the command line finds the daemon too.

    places   the folders, sockets and locks, and who may own them
    start    one connection to the daemon, which is started or replaced when need be
    lines    a stream of bytes as lines, and what a line of JSON-RPC says about itself
    memory   which requests are open, and what must be said again to a new daemon
    pump     the loop that moves bytes, and what is answered where no daemon can
"""
