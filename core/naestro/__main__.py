"""The `naestro` command's first step: it answers what must be instant and hands the rest on.

Above it stands only the console script; below it `naestro.cli`, imported when a real command was given.
It refuses to know any command: starting Python costs about 15 ms and importing the command line ten times
that, so nothing but the standard library's `sys` is loaded before the arguments were looked at.
"""

import sys

from naestro import __version__

EXIT_NOT_SUPPORTED = 69
"""`EX_UNAVAILABLE` of sysexits.h: this platform cannot run Naestro."""

EXIT_INTERRUPTED = 130
"""As shells report a program that Ctrl-C ended."""


def main() -> int:
    """Run the `naestro` command on `sys.argv` and return its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"naestro {__version__}\n")
        return 0
    if sys.platform == "win32":  # pragma: no cover - the suite runs on POSIX systems alone
        sys.stderr.write("Windows is not supported yet: run Naestro in WSL, on Linux or on macOS.\n")
        return EXIT_NOT_SUPPORTED
    return _run_command_line()


def _run_command_line() -> int:
    """Load the full command line, which takes the arguments from `sys.argv`, and run it."""
    try:
        from naestro.cli import main as run_cli

        return run_cli()
    except KeyboardInterrupt:  # pragma: no cover - while modules load; `cli` answers it from then on
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
