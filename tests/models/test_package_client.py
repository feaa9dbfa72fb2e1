"""Finding the person's package client, and what is done with it."""

import os
import sys
from pathlib import Path

import anyio
import pytest

from naestro.engines.package_client import PackageClient, find_client
from naestro.errors import DownloadFailed
from tests.models.conftest import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def make_program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def python_with(folder: Path, *, pip: bool, bundled: bool) -> str:
    """A Python interpreter that has its own pip, or can run the bundled one, or neither."""
    runs = "exit 0" if pip else "exit 1"
    runs_wheel = "exit 0" if bundled else "exit 1"
    return make_program(
        folder / "python", f'case "$*" in *"-m pip"*) {runs};; *whl/pip*) {runs_wheel};; esac'
    )


async def test_the_interpreters_own_pip_comes_first(programs: Path) -> None:
    make_program(programs / "pip", "exit 0")
    python = python_with(programs, pip=True, bundled=True)
    assert await find_client(python=python) == PackageClient("pip", (python, "-P", "-m", "pip"))


@pytest.mark.parametrize("name", ["pip", "pip3"])
async def test_then_one_on_path(programs: Path, name: str) -> None:
    pip = make_program(programs / name, "exit 0")
    python = python_with(programs, pip=False, bundled=True)
    assert await find_client(python=python) == PackageClient(pip, (pip,))


async def test_then_the_one_that_python_brings_along(programs: Path) -> None:
    make_program(programs / "pip", "exit 1")
    python = python_with(programs, pip=False, bundled=True)
    client = await find_client(python=python)
    assert client.name == "Python's bundled pip"
    assert client.command[-1].endswith(".whl/pip")


async def test_then_uvs(programs: Path) -> None:
    uv = make_program(programs / "uv", "exit 0")
    python = python_with(programs, pip=False, bundled=False)
    assert await find_client(python=python) == PackageClient("uv's pip", (uv, "tool", "run", "pip"))


async def test_a_program_that_cannot_be_started_is_passed_over(programs: Path) -> None:
    (programs / "pip").write_bytes(b"\x7fELF no program")
    (programs / "pip").chmod(0o755)
    uv = make_program(programs / "uv", "exit 0")
    assert (await find_client(python=str(programs / "missing"))).command[0] == uv


async def test_the_one_that_the_settings_name_is_taken() -> None:
    assert await find_client("uv run 'my pip'") == PackageClient("uv run 'my pip'", ("uv", "run", "my pip"))


async def test_a_named_client_that_is_not_there_is_told(tmp_path: Path) -> None:
    client = await find_client(str(tmp_path / "missing"))
    with pytest.raises(DownloadFailed, match=r"missing could not be started: No such file or directory\."):
        await client.download("one==1.0", tmp_path, lambda: None)


async def test_a_client_that_hangs_is_ended(tmp_path: Path) -> None:
    client = PackageClient("c", (make_program(tmp_path / "client", "sleep 60"),), limit_s=0.2)
    with pytest.raises(DownloadFailed, match=r"c did not fetch one==1\.0 within 0 s\."):
        await client.download("one==1.0", tmp_path, lambda: None)


async def test_without_any_client_the_person_is_told_to_get_one(programs: Path) -> None:
    with pytest.raises(DownloadFailed, match="No package client was found") as caught:
        await find_client(python=python_with(programs, pip=False, bundled=False))
    assert "ensurepip" in caught.value.hint


async def test_the_bundled_pip_really_fetches(programs: Path, tmp_path: Path, index: Path) -> None:
    from tests.support.wheels import make_wheel

    make_wheel(index, "one", {"one/data": b"1"})
    text = f'case "$*" in *"-m pip"*) exit 1;; esac\nexec {sys.executable} "$@"'
    client = await find_client(python=make_program(programs / "python", text))
    assert client.name == "Python's bundled pip"
    into = tmp_path / "into"
    into.mkdir()
    wheel = await client.download("one==1.0", into, lambda: None)
    assert wheel == into / "one-1.0-py3-none-any.whl"


async def test_the_client_runs_in_the_folder_with_the_persons_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://mine")
    monkeypatch.setenv("EDENAI_API_KEY", "sk-hidden")
    program = make_program(
        tmp_path / "client",
        'echo "$@" > arguments\nenv > environment\npwd > folder\n: > one-1.0-py3-none-any.whl',
    )
    into = tmp_path / "into"
    into.mkdir()
    ticks: list[int] = []
    await PackageClient("c", (program,)).download("one==1.0", into, lambda: ticks.append(1))
    assert (into / "arguments").read_text().split() == [
        *("download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input"),
        *("--progress-bar", "off", "--dest", str(into), "one==1.0"),
    ]
    assert (into / "folder").read_text().strip() == str(into)
    environment = (into / "environment").read_text().splitlines()
    assert f"TMPDIR={into}" in environment
    assert "PIP_INDEX_URL=http://mine" in environment
    assert "sk-hidden" not in "".join(environment)
    assert ticks


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo 'WARNING: old' >&2; echo 'ERROR: no such thing.' >&2; echo bye >&2; exit 1", "no such thing"),
        ("echo 'went wrong' >&2; exit 3", "went wrong"),
        ("exit 3", "it gave no reason"),
        ("exit 0", "it gave no reason"),
        (": > a.whl; : > b.whl", "it gave no reason"),
    ],
)
async def test_a_failure_is_told_in_the_clients_own_words(tmp_path: Path, text: str, reason: str) -> None:
    client = PackageClient("c", (make_program(tmp_path / "client", text),))
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(DownloadFailed, match=rf"^c could not fetch one==1\.0: {reason}\.$"):
        await client.download("one==1.0", into, lambda: None)


async def test_a_cancelled_fetch_ends_the_client_and_what_it_started(tmp_path: Path) -> None:
    program = make_program(tmp_path / "client", "sleep 60 &\necho $! > child\nwait")
    into = tmp_path / "into"
    into.mkdir()
    child = into / "child"
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:

            def look() -> None:
                if child.exists() and child.read_text():
                    tasks.cancel_scope.cancel()

            tasks.start_soon(PackageClient("c", (program,)).download, "one==1.0", into, look)
        pid = int(child.read_text())
        await until(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped by its new parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        os_knows = Path("/proc").exists()
        return False if os_knows else _signalled(pid)
    return state != "Z"


def _signalled(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
