"""Where things lie: the folders, made for their owner alone."""

import stat
from pathlib import Path

import pytest

from naestro.config import cache, editor, home, user_file
from naestro.errors import ConfigError
from tests.support.unprivileged import unprivileged


def test_the_variables_move_the_folders_and_the_users_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "a" / "h"))
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "c"))
    assert home() == tmp_path / "a" / "h"
    assert cache() == tmp_path / "c"
    assert user_file() == tmp_path / "a" / "h" / "config.toml"


def test_without_variables_the_folders_are_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NAESTRO_HOME")
    monkeypatch.delenv("NAESTRO_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for folder in (home(), cache(), user_file().parent):
        assert folder.is_relative_to(tmp_path)
        assert folder.name == "naestro"


@pytest.mark.parametrize(("folder", "name"), [(home, "home"), (cache, "cache")])
def test_a_new_folder_is_its_owners_alone(tmp_path: Path, folder: object, name: str) -> None:
    assert callable(folder)
    assert folder() == tmp_path / name
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    assert stat.S_IMODE(home().stat().st_mode) == 0o755


def test_a_relative_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAESTRO_HOME", "here")
    assert home() == tmp_path / "here"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ConfigError, match="cannot be made: Not a directory") as caught:
        home()
    assert "NAESTRO_HOME" in caught.value.hint


def test_a_folder_without_permission_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with unprivileged() as folder:
        folder.chmod(0o500)
        monkeypatch.setenv("NAESTRO_CACHE", str(folder / "cache"))
        with pytest.raises(ConfigError, match="cannot be made: Permission denied") as caught:
            cache()
    assert "NAESTRO_CACHE" in caught.value.hint


def test_the_editor_is_the_persons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    assert editor() == "vi"
    monkeypatch.setenv("EDITOR", "ed")
    assert editor() == "ed"
    monkeypatch.setenv("VISUAL", "code --wait")
    assert editor() == "code --wait"
