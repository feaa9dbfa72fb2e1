"""The text files of a workspace as protocol servers see them: inside its border, and in bounded threads."""

from pathlib import Path

import anyio
import pytest

from naestro.client.files import THREADS, LocalFiles
from naestro.errors import InputError, MissingFile, OutsideWorkspace, UnreadableFile, WorkspaceError

pytestmark = pytest.mark.anyio


@pytest.fixture
def workspace(tmp_path: Path) -> str:
    root = tmp_path / "workspace"
    (root / "pkg" / "deep").mkdir(parents=True)
    (root / ".gitignore").write_text("hidden.txt\nbuild/\n")
    (root / ".git").mkdir()
    (root / "build").mkdir()
    for name in ("a.py", "ab.py", "hidden.txt", "pkg/c.py", ".env"):
        (root / name).write_text("one\ntwo\nthree\n")
    return str(root)


async def test_lines_are_read_by_their_numbers(workspace: str) -> None:
    files = LocalFiles()
    whole = await files.read(workspace, "a.py")
    assert (whole.path, whole.start, whole.text, whole.lines) == ("a.py", 1, "one\ntwo\nthree", 3)
    assert (await files.read(workspace, "pkg/c.py", start=2, end=2)).text == "two"
    assert (await files.read(workspace, "a.py", start=9)).text == ""


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("", InputError),
        ("x" * 5_000, InputError),
        ("nothing.py", MissingFile),
        ("hidden.txt", UnreadableFile),
        (".env", UnreadableFile),
        ("../a.py", OutsideWorkspace),
        ("/etc/passwd", OutsideWorkspace),
    ],
)
async def test_what_may_not_be_read_is_refused(workspace: str, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await LocalFiles().read(workspace, path)


@pytest.mark.parametrize(("start", "end"), [(0, None), (-1, 4), (3, 2)])
async def test_lines_that_cannot_be_are_refused(workspace: str, start: int, end: int | None) -> None:
    with pytest.raises(InputError, match="no lines"):
        await LocalFiles().read(workspace, "a.py", start=start, end=end)


async def test_names_are_listed_folder_by_folder(workspace: str) -> None:
    files = LocalFiles()
    assert await files.names(workspace, "") == [".gitignore", "a.py", "ab.py", "pkg/"]
    assert await files.names(workspace, "a") == ["a.py", "ab.py"]
    assert await files.names(workspace, "pkg/") == ["pkg/c.py", "pkg/deep/"]
    assert await files.names(workspace, "", limit=1) == [".gitignore"]
    assert await files.names(workspace, "build/") == []
    with pytest.raises(OutsideWorkspace):
        await files.names(workspace, "../")


async def test_the_root_is_the_repositorys(workspace: str) -> None:
    files = LocalFiles()
    assert await files.root(f"{workspace}/pkg/deep") == workspace
    with pytest.raises(WorkspaceError):
        await files.root(f"{workspace}/nothing")


async def test_many_readers_use_few_threads(workspace: str) -> None:
    files = LocalFiles()
    others = anyio.to_thread.current_default_thread_limiter()
    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(files.read, workspace, "a.py")
        await anyio.lowlevel.checkpoint()
        assert others.borrowed_tokens == 0
        assert files._limiter.borrowed_tokens <= THREADS
