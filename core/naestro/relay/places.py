"""Where the daemon's sockets, locks and files lie, and whether their folder is private.

`start`, the daemon and the command line ask here. Below it stands the standard library. `naestro.config.home` says the
same of the home folder with pydantic behind it; a test holds both equal. It opens no socket and starts nothing.
"""

# ruff: noqa: PTH101, PTH103, PTH109, PTH111, PTH117, PTH118, PTH120 - pathlib takes longer to import than all the rest of the relay
import os
import stat
import sys

SOCKET_PATH_MAX_BYTES = 100
"""The kernels' own limits are 107 (Linux) and 103 (macOS)."""
PRIVATE_MODE = 0o700
FILE_MODE = 0o600
HASH_DIGITS = 12


class Trouble(Exception):
    """Why the daemon cannot be reached: one sentence, and one on what to do."""

    def __init__(self, message: str, hint: str, *, is_final: bool = False) -> None:
        """With `is_final` another try would end the same: this relay and the daemon do not fit."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.is_final = is_final


class Places:
    """The paths of one user's daemon; nothing is read or made before `make`."""

    __slots__ = ("folder", "home", "sockets")

    def __init__(self, home: str, sockets: str | None = None) -> None:
        """Of `home`, an absolute path; `sockets` is where the sockets lie if not in the run folder."""
        self.home = home
        self.folder = os.path.join(home, "run")
        self.sockets = sockets or self.folder

    @property
    def relay_socket(self) -> str:
        """Where the daemon takes connections of protocols."""
        return os.path.join(self.sockets, "relay.sock")

    @property
    def http_socket(self) -> str:
        """Where the daemon speaks HTTP to the command line."""
        return os.path.join(self.sockets, "http.sock")

    @property
    def daemon_file(self) -> str:
        """Written by the daemon when it is ready: process, version, port, token."""
        return os.path.join(self.folder, "daemon.json")

    @property
    def daemon_lock(self) -> str:
        """Locked by the daemon for its life; its text is the daemon's process id."""
        return os.path.join(self.folder, "daemon.lock")

    @property
    def start_lock(self) -> str:
        """Locked by whoever starts a daemon; its text says why the last start failed."""
        return os.path.join(self.folder, "start.lock")

    @property
    def log(self) -> str:
        """What the daemon has to tell, and whatever ends it."""
        return os.path.join(self.home, "logs", "daemon.log")

    def make(self) -> None:
        """Make the folders, for their owner alone; raises `Trouble` where that cannot be so."""
        for folder in (self.home, os.path.dirname(self.log)):
            _made(folder)
        for folder in dict.fromkeys((self.folder, self.sockets)):
            _made(folder)
            _require_private(folder)

    def token(self) -> str:
        """The running daemon's token; empty where no daemon has written one. Read without a JSON parser."""
        try:
            descriptor = os.open(self.daemon_file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            text = os.read(descriptor, 1 << 16)
        finally:
            os.close(descriptor)
        return text.partition(b'"token": "')[2].partition(b'"')[0].decode("ascii", "replace")


def find_places() -> Places:
    """The places of this process's user and environment; raises `Trouble` where there is no home folder."""
    home = _home()
    places = Places(home)
    if len(os.fsencode(places.relay_socket)) <= SOCKET_PATH_MAX_BYTES:
        return places
    return Places(home, _runtime_folder(home))


def _home() -> str:
    named = os.environ.get("NAESTRO_HOME")
    if named:
        return absolute(named, "NAESTRO_HOME")
    data = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(data):
        return os.path.join(data, "naestro")
    of_platform = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    return os.path.join(_home_of_user(), of_platform, "naestro")


def absolute(path: str, variable: str) -> str:
    """`path` of the environment's `variable` from the root; raises `Trouble` where its `~` means nobody."""
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise Trouble(
            f"{variable} is {path}, and there is no such home folder.", f"Set {variable} to a full path."
        )
    return os.path.join(os.getcwd(), expanded)


def _home_of_user() -> str:
    home = os.environ.get("HOME", "")
    if os.path.isabs(home):
        return home
    import pwd

    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        home = ""
    if not os.path.isabs(home):
        raise Trouble(
            "This user has no home folder.", "Set HOME, or NAESTRO_HOME to a folder that you can write."
        )
    return home


def _runtime_folder(home: str) -> str:
    """A short path for the sockets of a home whose own path is too long for one.

    It depends on the user and the home alone: a terminal at a desktop and one over SSH differ in XDG_RUNTIME_DIR, and
    must find the same daemon.
    """
    import hashlib

    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:HASH_DIGITS]
    return f"/tmp/naestro-{os.getuid()}-{digest}"  # noqa: S108 - made for its owner alone, which is checked


def _made(folder: str) -> None:
    try:
        os.makedirs(folder, PRIVATE_MODE, exist_ok=True)
    except OSError as error:
        raise Trouble(
            f"The folder {folder} cannot be made: {error.strerror}.",
            "Mend its permissions, or set NAESTRO_HOME to a folder that you can write.",
        ) from None


def _require_private(folder: str) -> None:
    """Refuse a folder of another user, or a link; shut others out of our own."""
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Trouble(
            f"The folder {folder} is not this user's own.",
            "Remove it, or set NAESTRO_HOME to a folder that is yours.",
        )
    if found.st_mode & 0o077:
        os.chmod(folder, PRIVATE_MODE)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Trouble(
            f"The folder {folder} cannot be written.",
            "Mend its permissions, or set NAESTRO_HOME to a folder that you can write.",
        )
