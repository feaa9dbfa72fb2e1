"""The repositories of the retrieval benchmark: published source distributions, each pinned by its SHA-256.

A repository belongs to one half, in every set: weights are chosen on `choose`, reported on `report`. Which half it is
follows from its name alone, so that nobody picks: the first byte of the SHA-256 of the name, even or odd.
"""

import hashlib
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


SOURCES = (
    Source(
        "flask",
        "3.0.0",
        "cfadcdb638b609361d29ec22360d6070a77d7463dcb3ab08d2c2f2f168845f58",
        "pallets/flask",
        "3.0.0",
    ),
    Source(
        "requests",
        "2.31.0",
        "942c5a758f98d790eaed1a29cb6eefc7ffb0d1cf7af05c3d2791656dbd6ad1e1",
        "psf/requests",
        "v2.31.0",
    ),
    Source(
        "pytest",
        "7.4.0",
        "b4bf8c45bd59934ed84001ad51e11b4ee40d40a1229d2c79f9c592b0a3f6bd8a",
        "pytest-dev/pytest",
        "7.4.0",
    ),
    Source(
        "httpx",
        "0.24.0",
        "507d676fc3e26110d41df7d35ebd8b3b8585052450f4097401c9be59d928c63e",
        "encode/httpx",
        "0.24.0",
    ),
    Source(
        "sqlalchemy",
        "2.0.20",
        "ca8a5ff2aa7f3ade6c498aaafce25b1eaeabe4e42b73e25519183e4566a16fc6",
        "sqlalchemy/sqlalchemy",
        "rel_2_0_20",
        has_docstrings=True,
    ),
    Source(
        "aiohttp",
        "3.8.5",
        "b9552ec52cc147dbf1944ac7ac98af7602e51ea2dcd076ed194ca3c0d1c7d0bc",
        "aio-libs/aiohttp",
        "v3.8.5",
    ),
    Source(
        "scrapy",
        "2.9.0",
        "564c972b56e54b83141f395ce3f6a25bfe2093d61d13f9b81d05384e19db98da",
        "scrapy/scrapy",
        "2.9.0",
    ),
    Source(
        "sympy",
        "1.14.0",
        "d3d3fe8df1e5a0b42f0e7bdf50541697dbe7d23746e894990c030e2b05e72517",
        "sympy/sympy",
        "sympy-1.14.0",
        has_docstrings=True,
    ),
    Source(
        "tornado",
        "6.3",
        "d68f3192936ff2c4add04dc21a436a43b4408d466746b78bb2b9d0a53a18683f",
        "tornadoweb/tornado",
        "v6.3.0",
    ),
    Source(
        "networkx",
        "3.1",
        "de346335408f84de0eada6ff9fafafff9bcda11f0a0dfaa931133debb146ab61",
        "networkx/networkx",
        "networkx-3.1",
        has_docstrings=True,
    ),
    Source(
        "celery",
        "5.3.0",
        "1eaba5ee14d8c8c0bed8f6063e5e10dabdbcf23503a861cf0e10b7221d99cb0d",
        "celery/celery",
        "v5.3.0",
    ),
    Source(
        "starlette",
        "0.27.0",
        "6a6b0d042acb8d469a01eba54e9cda6cbd24ac602c4cd016723117d6a7e73b75",
        "encode/starlette",
        "0.27.0",
    ),
    Source(
        "pydantic",
        "2.5.0",
        "69bd6fb62d2d04b7055f59a396993486a2ee586c43a0b89231ce0000de07627c",
        "pydantic/pydantic",
        "v2.5.0",
    ),
    Source(
        "rich",
        "13.0.0",
        "3aa9eba7219b8c575c6494446a59f702552efe1aa261e7eeb95548fa586e1950",
        "Textualize/rich",
        "v13.0.0",
    ),
    Source(
        "black",
        "23.1.0",
        "b0bd97bea8903f5a2ba7219257a44e3f1f9d00073d6cc1add68f0beec69692ac",
        "psf/black",
        "23.1.0",
    ),
    Source(
        "urllib3",
        "2.0.0",
        "da21131828d290d6331d0d93a18f062ead1ec4fe0cfebbcefc95ee5368f7188a",
        "urllib3/urllib3",
        "2.0.0",
    ),
    Source(
        "mypy",
        "1.5.0",
        "f3460f34b3839b9bc84ee3ed65076eb827cd99ed13ed08d723f9083cada4a212",
        "python/mypy",
        "v1.5.0",
    ),
    Source(
        "sphinx",
        "7.1.0",
        "8f336d0221c3beb23006b3164ed1d46db9cebcce9cb41cdb9c5ecd4bcc509be0",
        "sphinx-doc/sphinx",
        "v7.1.0",
        has_docstrings=True,
    ),
    Source(
        "pip", "23.2", "a160a170f3331d9ca1a0247eb1cd79c758879f1f81158f9cd05bbb5df80bea5c", "pypa/pip", "23.2"
    ),
    Source(
        "ruff",
        "0.1.0",
        "ad6b13824714b19c5f8225871cf532afb994470eecb74631cd3500fe817e6b3f",
        "astral-sh/ruff",
        "v0.1.0",
        has_docstrings=True,
    ),
    Source(
        "polars",
        "0.20.0",
        "cc70f7e4f195b438de54f51d411fa831d032d8528fc01fea186c8784f06d0f04",
        "pola-rs/polars",
        "py-0.20.0",
        has_docstrings=True,
    ),
    Source(
        "django",
        "5.0",
        "7d29e14dfbc19cb6a95a4bd669edbde11f5d4c6a71fdaa42c2d40b6846e807f7",
        has_docstrings=True,
    ),
    Source(
        "scikit-learn",
        "1.4.0",
        "d4373c984eba20e393216edd51a3e3eede56cbe93d4247516d205643c3b93121",
        has_docstrings=True,
    ),
    Source(
        "matplotlib",
        "3.8.0",
        "df8505e1c19d5c2c26aff3497a7cbd3ccfc2e97043d1e4db3e76afa399164b69",
        has_docstrings=True,
    ),
    Source(
        "pandas",
        "2.2.0",
        "30b83f7c3eb217fb4d1b494a57a2fda5444f17834f5df2de6b2ffff68dc3c8e2",
        has_docstrings=True,
    ),
    Source(
        "astropy",
        "6.0.0",
        "03cd801a55305da523cd8d780d76359f57255dcdc59fe0bdd71fd5154fc777d9",
        has_docstrings=True,
    ),
    Source(
        "twisted",
        "23.8.0",
        "3c73360add17336a622c0d811c2a2ce29866b6e59b1125fd6509b17252098a24",
        has_docstrings=True,
    ),
    Source(
        "eslint",
        "8.40.0",
        "842ea9b31d7667ccb97f3a6a69ad7c957c3a5bc1c344c7bde2727fc7ab12a498",
        "eslint/eslint",
        "v8.40.0",
        registry="npm",
        has_docstrings=True,
    ),
    Source(
        "fastify",
        "4.17.0",
        "f7649292784f0d3e27724317fd3bd4587bc9e7554e6542732fc33304579d4db2",
        "fastify/fastify",
        "v4.17.0",
        registry="npm",
    ),
    Source(
        "axios",
        "1.4.0",
        "f884c7b778554af3708339f2b1c7ed60941c7ee36420c1f80c66ef56b6508238",
        "axios/axios",
        "v1.4.0",
        registry="npm",
    ),
)
