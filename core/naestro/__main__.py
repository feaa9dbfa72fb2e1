"""The `naestro` command's first step: it answers what must be instant and hands the rest on.

Above it stands only the console script; below it the relay, the daemon's process and `naestro.cli`, each imported when
it was asked for. It refuses to know any command: starting Python costs about 15 ms and importing the command line ten
times that, so nothing but the standard library's `sys` is loaded before the arguments were looked at.
"""

import sys

from naestro import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from naestro.client.local import LocalClient

EXIT_NOT_SUPPORTED = 69
"""`EX_UNAVAILABLE` of sysexits.h: this platform cannot run Naestro."""

EXIT_INTERRUPTED = 130
"""As shells report a program that Ctrl-C ended."""

PROTOCOLS = ("acp", "mcp")
"""Front ends that editors start; `--help` and whatever else they may be given is the command line's."""


def main() -> int:
    """Run the `naestro` command on `sys.argv` and return its exit code."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        sys.stdout.write(f"naestro {__version__}\n")
        return 0
    if sys.platform == "win32":  # pragma: no cover - the suite runs on POSIX systems alone
        sys.stderr.write("Windows is not supported yet: run Naestro in WSL, on Linux or on macOS.\n")
        return EXIT_NOT_SUPPORTED
    if arguments and arguments[0] in PROTOCOLS and arguments[1:] in ([], ["--standalone"]):
        return _serve_editor(*arguments)
    if arguments in (["daemon", "run"], ["daemon", "run", "--detach"]):
        from naestro.daemon.process import main as run_daemon

        return run_daemon(_open_core, is_detached=len(arguments) > 2)
    return _run_command_line()


def _serve_editor(protocol: str, *options: str) -> int:
    """Relay `protocol` between standard input and output and the daemon, or serve it here; the exit code."""
    if options:
        from naestro.daemon.standalone import main as serve_alone

        return serve_alone(protocol, _open_core)
    from naestro.relay.pump import main as relay

    return relay(protocol)


def _open_core(holder: str) -> "AbstractAsyncContextManager[LocalClient]":
    """The core, for `holder`: loaded when the process has taken its lock, and not before."""
    from naestro.app import open_core

    return open_core(holder)


def _run_command_line() -> int:
    """Load the full command line, which takes the arguments from `sys.argv`, and run it."""
    try:
        from naestro.cli import main as run_cli

        return run_cli()
    except KeyboardInterrupt:  # pragma: no cover - while modules load; `cli` answers it from then on
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
