"""The source trees of the benches: a published file by its sum, from whatever index pip is set up with."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from bench.trees import NoTree, tree
from tests.support.wheels import make_wheel

SOURCE = b"answer = 42\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the only index, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_is_fetched_once_and_unpacked(index: Path) -> None:
    wheel = make_wheel(index, "answers", {"answers/core.py": SOURCE})
    digest = _sum(wheel)

    found = tree("answers", "1.0", digest)
    assert (found / "answers" / "core.py").read_bytes() == SOURCE

    wheel.unlink()
    assert tree("answers", "1.0", digest) == found
    assert [path.name for path in found.parent.iterdir()] == [found.name]


def test_of_a_source_distribution_it_is_the_folder_inside(index: Path) -> None:
    archive = index / "answers-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        entry = tarfile.TarInfo("answers-1.0/answers/core.py")
        entry.size = len(SOURCE)
        made.addfile(entry, io.BytesIO(SOURCE))

    assert (tree("answers", "1.0", _sum(archive)) / "answers" / "core.py").read_bytes() == SOURCE


def test_a_file_with_another_sum_is_not_taken(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "answers", {"answers/core.py": SOURCE})

    with pytest.raises(NoTree, match=r"no file of answers 1\.0 with the SHA-256"):
        tree("answers", "1.0", "0" * 64)
    assert not list((tmp_path / "cache" / "bench" / "trees").iterdir())


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
