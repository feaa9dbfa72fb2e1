"""A workspace with files in it, and a picture of all its bytes and modes."""

from pathlib import Path

import pytest

from naestro.policy.workspace import Workspace

Picture = dict[str, tuple[str, bytes, int]]


def picture(root: Path) -> Picture:
    """Each path below `root`: what it is, its bytes or its target, and its mode."""
    seen: Picture = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            seen[name] = ("link", bytes(path.readlink()), 0)
        elif path.is_dir():
            seen[name] = ("folder", b"", 0)
        else:
            seen[name] = ("file", path.read_bytes(), path.stat().st_mode & 0o7777)
    return seen


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    """Three files: with CRLF and executable, with LF, and in a folder."""
    root = tmp_path / "files"
    (root / "sub").mkdir(parents=True)
    (root / "crlf.py").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    (root / "crlf.py").chmod(0o755)
    (root / "lf.py").write_bytes(b"uno\ndos\n")
    (root / "sub" / "deep.txt").write_bytes(b"deep")
    return Workspace.find(root)
