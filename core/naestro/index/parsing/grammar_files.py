"""The unpacked grammars: each is what the wheel carries, or it is unpacked again before it is loaded.

`grammar` asks before it loads one. A file that a crash of the machine or a failing disk has damaged would otherwise
take all names from its language for good, or end the process that loads it. It knows no language and no tree.
"""

import logging
import os
import tarfile
import threading
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import msgspec

_log = logging.getLogger(__name__)

is_said = threading.Event()
"""Whether the wheel knows where to unpack. A worker sets it: its environment says where, so that it need not load the
settings, which takes as long as all that it needs."""


class _Entry(msgspec.Struct):
    """One grammar in the wheel's list."""

    file: str
    sha256: str


class _Bundle(msgspec.Struct):
    """The wheel's list of the grammars for one platform."""

    platform: str
    archive: str
    languages: dict[str, _Entry]


def say_where() -> None:
    """Tell the wheel and the workers where to unpack: into our cache, which its owner can move and clear."""
    if is_said.is_set():
        return
    from semble_grammars import __version__

    from naestro.config import cache, set_for_libraries

    set_for_libraries({"SEMBLE_GRAMMARS_CACHE_DIR": str(cache() / "grammars" / __version__)})
    is_said.set()


def mend(name: str) -> None:
    """Unpack the grammar `name` anew where its unpacked file is not the wheel's; a few milliseconds where it is.

    Raises nothing: what cannot be mended is told by loading it.
    """
    try:
        for listed in Path(str(files("semble_grammars"))).glob("grammars/*/manifest.json"):
            bundle = msgspec.json.decode(listed.read_bytes(), type=_Bundle)
            if name in bundle.languages:
                _mend(bundle.languages[name], bundle.platform, listed.with_name(bundle.archive))
    except (OSError, ValueError, KeyError, tarfile.TarError) as error:
        _log.warning("The grammar of %s is not mended: %s.", name, error)


def _mend(entry: _Entry, platform: str, archive: Path) -> None:
    from semble_grammars.cache import cache_dir, extract_atomic

    unpacked = cache_dir() / platform / entry.file
    if not unpacked.is_file() or sha256(unpacked.read_bytes()).hexdigest() == entry.sha256:
        return
    _log.warning("%s is damaged and is unpacked anew.", unpacked.name)
    # Another process may do the same at this moment: each puts a whole file in the place.
    own = unpacked.with_name(f"{unpacked.name}.{os.getpid()}")
    extract_atomic(archive, entry.file, own, entry.sha256)
    own.replace(unpacked)
