"""The repositories of the retrieval benchmark: published source distributions, each pinned by its SHA-256.

A repository belongs to one half, in every set: weights are chosen on `choose`, reported on `report`. Which half it is
follows from its name alone, so that nobody picks: the first byte of the SHA-256 of the name, even or odd.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from bench.trees import NoTree, tree
from naestro.config import cache

PACK_S = 120


@dataclass(frozen=True, slots=True)
class Source:
    """A pinned tree, and the history that its commits are taken from."""

    name: str
    version: str
    sha256: str
    repository: str = ""
    """`owner/name` of its history; empty where no cases are taken from it."""
    tag: str = ""
    """Of the pinned version; only commits after its day are taken."""
    has_docstrings: bool = False
    """Whether docstring cases are taken from it."""
    registry: str = "pypi"
    is_fresh: bool = False
    """Whether it was added after the weights had been looked at on the others of its half."""

    @property
    def half(self) -> str:
        """`choose` or `report`."""
        return "choose" if hashlib.sha256(self.name.encode()).digest()[0] % 2 == 0 else "report"

    def path(self) -> Path:
        """Where it lies unpacked; raises `NoTree`."""
        return tree(self.name, self.version, self.sha256) if self.registry == "pypi" else _packed(self)


def _packed(source: Source) -> Path:
    """A package of the JavaScript registry, through its own client; nothing of it is installed or run."""
    home = cache() / "bench" / "trees" / f"npm-{source.name}-{source.version}-{source.sha256[:12]}"
    if home.exists():
        return home / "package"
    npm = shutil.which("npm")
    if not npm:
        raise NoTree(f"{source.name} {source.version} needs npm, which is not on PATH.")
    fresh = home.with_name(f"{home.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    command = [npm, "pack", f"{source.name}@{source.version}", "--silent", "--pack-destination", str(fresh)]
    print(f"fetching {source.name} {source.version} …", file=sys.stderr, flush=True)
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=PACK_S, cwd=fresh)
        archive = next(fresh.glob("*.tgz"))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != source.sha256:
            raise NoTree(f"{source.name} {source.version} came with another SHA-256.")
    except (subprocess.SubprocessError, StopIteration) as error:
        raise NoTree(f"{source.name} {source.version} cannot be fetched: {error}") from error
    with tarfile.open(archive) as packed:
        packed.extractall(fresh, filter="data")
    archive.unlink()
    fresh.rename(home)
    return home / "package"


SOURCES = tuple(Source(**one) for one in json.loads(Path(__file__).with_name("sources.json").read_text()))
