"""Where the daemon's files lie, without a daemon."""

import os
from pathlib import Path

import pytest

from naestro import config
from naestro.relay.places import SOCKET_PATH_MAX_BYTES, Places, Trouble, find_places
from naestro.relay.start import Hello, Patience, connect, is_locked, reach

HOMES = [
    {"NAESTRO_HOME": "{tmp}/named"},
    {"NAESTRO_HOME": "~/named"},
    {"NAESTRO_HOME": "relative/home"},
    {"XDG_DATA_HOME": "{tmp}/data"},
    {"XDG_DATA_HOME": "relative"},
    {},
]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NAESTRO_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("variables", HOMES)
def test_the_relay_and_the_settings_mean_the_same_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    places = find_places()
    assert Path(places.home) == config.home()
    assert Path(places.folder) == config.home() / "run"


@pytest.mark.parametrize("home", ["", "relative"])
def test_without_a_home_variable_the_users_own_home_counts(
    monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("HOME", home)
    assert Path(find_places().home) == config.home()


def test_a_home_of_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_HOME", "~nobody-of-that-name/x")
    with pytest.raises(Trouble, match="there is no such home folder") as raised:
        find_places()
    assert "NAESTRO_HOME" in raised.value.hint


def test_sockets_of_a_long_home_lie_in_the_runtime_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / ("h" * SOCKET_PATH_MAX_BYTES)))
    assert Path(find_places().sockets).parent == Path("/tmp")
    assert Path(find_places().sockets).name.startswith(f"naestro-{os.getuid()}-")
    found = find_places()
    assert Path(found.folder).parent == Path(found.home)
    assert len(found.relay_socket) <= SOCKET_PATH_MAX_BYTES
    other = Places(found.home + "x")
    assert (other.sockets, other.folder) == (other.folder, other.folder)


def test_a_desktop_and_a_remote_shell_find_the_same_sockets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / ("h" * SOCKET_PATH_MAX_BYTES)))
    remote = find_places().sockets
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert find_places().sockets == remote


def test_a_link_in_place_of_the_run_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home/run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Trouble, match="is not this user's own"):
        Places(str(tmp_path / "home")).make()


def test_without_a_daemon_there_is_no_token_and_no_lock(tmp_path: Path) -> None:
    places = Places(str(tmp_path))
    assert (places.token(), is_locked(places.daemon_lock), connect(places)) == ("", False, None)
    places.make()
    Path(places.daemon_file).write_text('{"pid": 1, "token": "abc", "port": 2}')
    assert places.token() == "abc"


def test_a_socket_that_is_none_is_told(tmp_path: Path) -> None:
    places = Places(str(tmp_path))
    places.make()
    Path(places.sockets).chmod(0o700)
    Path(places.relay_socket).symlink_to(places.relay_socket)
    with pytest.raises(Trouble, match=r"relay\.sock cannot be used"):
        connect(places)


def test_a_lock_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    places = Places(str(tmp_path))
    places.make()
    Path(places.start_lock).mkdir()
    with pytest.raises(Trouble, match=r"start\.lock cannot be written"):
        reach(places, Hello("acp", is_replacing=True), Patience())


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    places = Places(str(tmp_path))
    places.make()
    Path(places.log).mkdir()
    with pytest.raises(Trouble, match="cannot be started: Is a directory"):
        reach(places, Hello("acp", is_replacing=True), Patience())


def test_a_front_end_whose_folder_is_gone_stands_in_the_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Hello("acp", is_replacing=False).cwd == "/"
