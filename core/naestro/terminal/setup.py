"""`naestro setup`: Naestro in a program's settings, after a shown diff and a yes, and out of them again.

`cli` and `uninstall` above call it; below it stand the programs (`zed`, `mcp_programs`). A file is replaced whole or
not at all, keeps its mode and its place behind a link, and what was there stays beside it. It knows no settings'
names.
"""

import os
import shutil
import stat
import sys
import tempfile
import termios
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from naestro.client.reaching import reach_daemon
from naestro.errors import DaemonUnreachable, InputError
from naestro.policy.diff import file_diff
from naestro.terminal import jsonc
from naestro.terminal.asking import colour_diff
from naestro.terminal.daemon import status_of
from naestro.terminal.exits import Exit
from naestro.terminal.mcp_programs import GENERIC, PROGRAMS, http_entry
from naestro.terminal.programs import Program, is_empty
from naestro.terminal.streams import say
from naestro.terminal.text import visible
from naestro.terminal.zed import ZED, ZED_TOOLS

BACKUP_SUFFIX = ".before-naestro"
"""Added to the name of a file: what was there before the last change."""
SIZE_MAX = 5_000_000
"""Bytes: settings that are larger are none."""
NEW_MODE = 0o600
ENCODING = "utf-8"
HTTP_NOTE = (
    "Port and token count until this daemon ends: by `naestro daemon stop`, an update, a restart of the machine, or "
    "when nobody needed it for the time in daemon.idle_stop_s (30 minutes, if you set nothing). Then run this again.\n"
    "Whoever has the token may ask what you may. A program that can start `naestro mcp` itself needs neither."
)


@dataclass(frozen=True, slots=True)
class Change:
    """One file of settings, before and after."""

    file: Path
    """As the person names it; it may be a link."""
    before: str | None
    """None where there is no file."""
    after: str | None
    """None where the file goes."""
    program: str
    """As `naestro setup` is told."""
    is_undone: bool
    """Whether Naestro goes out."""

    @property
    def backup(self) -> Path:
        """Where what was there is kept."""
        return self.file.with_name(self.file.name + BACKUP_SUFFIX)

    @property
    def by_hand(self) -> str:
        """What the person can do where the file cannot be written."""
        if self.is_undone:
            return "take Naestro's entry out by hand"
        return f"add what `naestro setup {self.program} --print` prints by hand"

    def diff(self) -> str:
        """What changes, for a person's eyes."""
        text = visible(file_diff(self.file.name, self.before, self.after)).rstrip()
        return f"{self.file}:\n{colour_diff(text) if sys.stdout.isatty() else text}"


def set_up(program: Program, *, is_undone: bool, is_yes: bool) -> int:
    """Put Naestro into the settings of `program`, or take it out."""
    files = ", ".join(map(str, program.files()))
    changes = [change for file in program.files() for change in planned([program], file, is_undone=is_undone)]
    if not changes:
        print(
            f"Naestro is {'not in' if is_undone else 'in'} {files}, {'' if is_undone else 'and '}nothing is to be done"
        )
        return Exit.OK
    for change in changes:
        print(change.diff())
    if not is_yes and not is_confirmed(f"This changes {program.title}'s settings."):
        print("nothing was changed")
        return Exit.OK
    for change in changes:
        print(make(change))
    if not is_undone:
        print(f"{program.advice}; `naestro setup {program.name} --undo` takes it out again.")
    return Exit.OK


def print_snippet(program: Program) -> None:
    """Print what `set_up` would put into settings that have nothing yet."""
    print(program.snippet())


def print_http_snippet() -> None:
    """Print how the daemon, which is started if need be, is reached over HTTP now; beside it, for how long that counts.

    Raises `DaemonError`.
    """
    places = reach_daemon()
    status = status_of(places)
    if status is None:
        raise DaemonUnreachable("Naestro's daemon ended meanwhile.", hint="Run the command again.")
    entry = http_entry(status.port, places.token(), Path.cwd())
    print(jsonc.put("", GENERIC.path, entry).rstrip(), flush=True)
    say(HTTP_NOTE)


def left_in_settings() -> list[Change]:
    """What takes Naestro out of all programs' settings; a file that cannot be read is told, and left."""
    by_file = defaultdict[Path, list[Program]](list)
    for program in (ZED, ZED_TOOLS, *PROGRAMS.values()):
        for file in program.files():
            by_file[file].append(program)
    changes = list[Change]()
    for file, programs in by_file.items():
        try:
            changes += planned(programs, file, is_undone=True)
        except InputError as error:
            print(f"! {error.message} Naestro may still be in it.", file=sys.stderr)
    return changes


def planned(programs: Sequence[Program], file: Path, *, is_undone: bool) -> list[Change]:
    """The change of one file, or none where it is as it should be. Raises `InputError`."""
    before = _read(file)
    after = before or ""
    try:
        for program in programs:
            after = program.removed(after) if is_undone else program.added(after)
    except InputError as error:
        raise InputError(f"{file} cannot be changed. {error.message}", hint=error.hint) from error
    if after == (before or ""):
        return []
    change = Change(file, before, after, programs[0].name, is_undone)
    if is_undone and is_empty(after) and not change.backup.exists():
        return [replace(change, after=None)]  # the file is of this command's own making
    return [change]


def is_confirmed(what: str) -> bool:
    """Whether the person types yes, after all that is shown. Raises `InputError` where nobody is there to ask."""
    if not sys.stdin.isatty():
        raise InputError(
            f"{what.rstrip('.')}, which needs a yes, and nobody is there to ask.", hint="Add --yes."
        )
    with suppress(termios.error):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
    print(f"{what} Type yes to go on: ", end="", flush=True)
    return sys.stdin.readline().strip() == "yes"


def make(change: Change) -> str:
    """Write the file; one line for the person. Raises `InputError` when it changed meanwhile or cannot be written."""
    if _read(change.file) != change.before:
        raise InputError(f"{change.file} was changed meanwhile.", hint="Run the command again.")
    try:
        return _made(change)
    except OSError as error:
        raise InputError(
            f"{change.file} cannot be written: {error.strerror}.",
            hint=f"Mend its permissions, or {change.by_hand}.",
        ) from error


def _made(change: Change) -> str:
    if change.after is None:
        change.file.unlink()
        return f"deleted {change.file}"
    if change.before is None:
        change.file.parent.mkdir(parents=True, exist_ok=True)
        _replace(change.file, change.after)
        return f"wrote {change.file}"
    if change.backup.is_file() and _read(change.backup) == change.after:
        _replace(change.file, change.after)
        change.backup.unlink()
        return f"changed {change.file} to what it was"
    _require_writable(Path(os.path.realpath(change.file)))
    change.backup.unlink(missing_ok=True)  # it may be write-protected, as what it was copied from
    shutil.copy2(change.file, change.backup)
    _replace(change.file, change.after)
    return f"changed {change.file}; what was there is in {change.backup}"


def _read(file: Path) -> str | None:
    """The text of `file`; None where there is none. Raises `InputError`."""
    try:
        with file.open("rb") as opened:
            data = opened.read(SIZE_MAX + 1)
    except FileNotFoundError:
        if file.is_symlink():
            raise InputError(f"{file} leads to nothing.", hint="Mend the link, or remove it.") from None
        return None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.", hint="Mend its permissions.") from error
    try:
        text = data.decode(ENCODING)
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8.", hint="Save it as UTF-8, then try again.") from error
    if len(data) > SIZE_MAX:
        raise InputError(
            f"{file} has more than {SIZE_MAX // 1_000_000} MB.", hint="Look whether it is the right file."
        )
    return text


def _require_writable(real: Path) -> None:
    """Raise `OSError` where the person wants it left alone: write-protected, or managed by another program."""
    with real.open("r+b"):
        pass


def _replace(file: Path, text: str) -> None:
    """Give `file`, or what it leads to, this text: whole or not at all. It keeps its mode."""
    real = Path(os.path.realpath(file))
    mode = NEW_MODE
    if real.exists():
        mode = stat.S_IMODE(real.stat().st_mode)
        _require_writable(real)
    with tempfile.NamedTemporaryFile(prefix=f".{real.name}.", dir=real.parent, delete=False) as opened:
        new = Path(opened.name)
        try:
            opened.write(text.encode(ENCODING))
            opened.flush()
            os.fsync(opened.fileno())
            new.chmod(mode)
            new.replace(real)
        except BaseException:
            new.unlink()
            raise
