"""Settings in tests: an environment without any of Naestro's variables, and folders of the test's own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from naestro.config import Flags, Loaded, load_settings

Load = Callable[..., Loaded]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """NAESTRO_HOME, empty, with no other variable of Naestro set."""
    for name in list(os.environ):
        if name.startswith("NAESTRO_") or name.lower() in Flags.model_fields:
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("NAESTRO_HOME", str(folder))
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The root of an empty workspace."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def load(home: Path, workspace: Path) -> Load:
    """`load_settings` with the text of the user's file and of the workspace's."""

    def loads(*, user: str = "", workspace_text: str = "", **options: object) -> Loaded:
        home.mkdir(exist_ok=True)
        (home / "config.toml").write_text(user)
        (workspace / "naestro.toml").write_text(workspace_text)
        return load_settings(workspace, **options)  # type: ignore[arg-type] options are passed as they are

    return loads
