"""Source trees that the benches of the index read: published files, each named by its SHA-256.

They come through pip, with the index, the proxies and the keys that this machine is set up with, and nothing of them
is built, installed or run. What is unpacked stays in the cache folder; a tree is asked for once.
`python -m bench.trees NAME VERSION` prints the sums of a version's files, to pin one.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from naestro.config import cache

FETCH_S = 300
"""Seconds for one file."""
FETCHING = """
import hashlib
import sys
from pathlib import Path
from pip._internal.commands import create_command
from pip._internal.models.format_control import FormatControl
from pip._internal.utils.hashes import Hashes

name, version, sha256, folder = (*sys.argv[1:], "", "")[:4]
command = create_command("download")
with command.main_context():
    options, _ = command.parse_args(["--quiet"])
    session = command.get_default_session(options)
    finder = command._build_package_finder(options, session, ignore_requires_python=True)
    found = [one.link for one in finder.find_all_candidates(name) if str(one.version) == version]
    if not sha256:
        sys.exit("\\n".join(f"{link.hash}  {link.filename}" for link in found))
    wanted = Hashes({"sha256": [sha256]})
    named = [link for link in found if link.is_hash_allowed(wanted)]
    for link in named or [link for link in found if not link.has_hash]:
        answer = session.get(link.url.partition("#")[0], headers={"Accept-Encoding": "identity"})
        answer.raise_for_status()
        if sha256 == hashlib.sha256(answer.content).hexdigest():
            Path(folder, link.filename).write_bytes(answer.content)
            sys.exit()
    sys.exit(f"the index has no file of {name} {version} with the SHA-256 {sha256}")
"""
"""A program for the Python that has pip: pip's own way to an index, but not its building of what it finds there."""


class NoTree(RuntimeError):
    """A tree cannot be had here."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One published file."""

    name: str
    version: str
    sha256: str
    """Of a wheel or a source distribution."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def path(self) -> Path:
        """Where it lies unpacked; raises `NoTree`."""
        return tree(self.name, self.version, self.sha256)


SYMPY = Tree("sympy", "1.14.0", "e091cc3e99d2141a0ba2847328f5479b05d94a6635cb96148ccb3f34671bd8f5")
"""The wheel: 753,704 lines of Python in 1,532 files."""


def tree(name: str, version: str, sha256: str) -> Path:
    """The folder that holds that file's content, fetched and unpacked where it is not there yet.

    Of a source distribution it is the folder in it, of a wheel what an installer would put into `site-packages`.
    Treat it as read-only: others share it. Raises `NoTree` where the index cannot be reached or has no such file.
    """
    home = cache() / "bench" / "trees" / f"{name}-{version}-{sha256[:12]}"
    if not home.exists():
        fresh = home.with_name(f"{home.name}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        try:
            _unpack(_fetch(name, version, sha256, fresh), fresh / "tree")
            _put(fresh / "tree", home)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return _inner(home)


def _fetch(name: str, version: str, sha256: str, folder: Path) -> Path:
    """The file in `folder`, its sum checked."""
    print(f"fetching {name} {version} …", file=sys.stderr, flush=True)
    archive = folder / "file"
    archive.mkdir()
    done = _asked(name, version, sha256, str(archive))
    found = list(archive.iterdir())
    if done.returncode != 0 or len(found) != 1:
        said = done.stderr.strip().splitlines() or ["it gave no reason"]
        raise NoTree(f"{name} {version} cannot be fetched: {said[-1]}")
    if (is_there := hashlib.sha256(found[0].read_bytes()).hexdigest()) != sha256:
        raise NoTree(f"{name} {version} came with the SHA-256 {is_there}, not {sha256}.")
    return found[0]


def _asked(name: str, version: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", FETCHING, name, version, *more]
    try:
        return subprocess.run(
            command, env=_environment(), capture_output=True, text=True, timeout=FETCH_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NoTree(f"{name} {version} did not come within {FETCH_S} s.") from error


def _environment() -> dict[str, str]:
    """This environment, with the pip that Python brings along where none is installed."""
    if find_spec("pip"):
        return dict(os.environ)
    if not find_spec("ensurepip"):
        raise NoTree("This Python has no pip; install it with `python -m ensurepip`.")
    wheel = next(
        one for one in files("ensurepip").joinpath("_bundled").iterdir() if one.name.startswith("pip-")
    )
    return {**os.environ, "PYTHONPATH": str(wheel)}


def _unpack(archive: Path, folder: Path) -> None:
    if archive.name.endswith((".whl", ".zip")):
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
    else:
        with tarfile.open(archive) as source:
            source.extractall(folder, filter="data")


def _put(made: Path, home: Path) -> None:
    """Put a whole tree in its place; another process may have been faster with the same."""
    try:
        made.rename(home)
    except OSError:
        if not home.exists():
            raise


def _inner(home: Path) -> Path:
    """The one folder in a source distribution; else `home` itself."""
    inner = list(home.iterdir())
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else home


if __name__ == "__main__":
    print(_asked(*sys.argv[1:3]).stderr)
