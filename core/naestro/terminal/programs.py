"""The programs whose settings Naestro can be put into: where those lie, and what is written under which name.

`setup` above shows, asks and writes; below stands `jsonc`, which leaves all else in a file as it is. The names are
those of each program's manual. It opens no file.
"""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from naestro.terminal import jsonc
from naestro.types import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program."""

    name: str
    """As `naestro setup` is told."""
    title: str
    """Whose settings they are: `Zed`."""
    path: tuple[str, str]
    """Where the entry stands in the settings."""
    entry: Callable[[], dict[str, Json]]
    """What stands there."""
    files: Callable[[], list[Path]]
    """The settings that are there; where none is, the file that the program would read."""
    advice: str
    """What to do next."""

    def snippet(self) -> str:
        """The whole of a settings file that has nothing but the entry."""
        return jsonc.put("", self.path, self.entry()).rstrip()

    def added(self, text: str) -> str:
        """The settings with Naestro; what the person added to the entry (a variable, a mode) stays.

        Raises `InputError` where the text cannot be read.
        """
        present = jsonc.get(text, self.path)
        if not isinstance(present, dict):
            return jsonc.put(text, self.path, self.entry())
        for key, value in self.entry().items():
            if key not in present or (key != "env" and present[key] != value):
                text = jsonc.put(text, (*self.path, key), value)
        return text

    def removed(self, text: str) -> str:
        """The settings without Naestro, and without an object that held nothing else.

        Raises `InputError` where the text cannot be read.
        """
        if jsonc.get(text, self.path) is None:
            return text
        text = jsonc.drop(text, self.path)
        return jsonc.drop(text, self.path[:1]) if jsonc.get(text, self.path[:1]) == {} else text


def is_empty(text: str) -> bool:
    """Whether the settings say nothing, not even by a comment."""
    return "".join(text.split()) in ("", json.dumps({}))


def command(protocol: str, python: str = sys.executable) -> list[str]:
    """How a program, which has another PATH than a shell, starts the Naestro of `python`: a path and arguments.

    The name that a shell would find is taken where it leads to this very installation, since it outlives an update.
    """
    own = Path(python).with_name("naestro")
    if not own.is_file():
        return [python, "-m", "naestro", protocol]
    found = shutil.which("naestro")
    is_same = found is not None and Path(found).samefile(own)
    return [str(Path(found).absolute()) if found is not None and is_same else str(own), protocol]


def config_folder() -> Path:
    """The folder of settings of those that take XDG's on Linux, and on macOS not the platform's own."""
    if sys.platform == "darwin":  # pragma: no cover - the suite runs on Linux
        return Path.home() / ".config"
    import platformdirs

    return platformdirs.user_config_path()
