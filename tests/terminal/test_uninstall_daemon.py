"""`naestro uninstall` where a daemon runs: it is ended first, and its sockets go wherever they lie."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from naestro.relay.places import Places, find_places
from naestro.relay.start import is_locked
from tests.support.cli import Cli


@pytest.fixture(params=["near", "far"])
def home(request: pytest.FixtureRequest, cli: Cli, tmp_path: Path) -> Iterator[Path]:
    """A home in which a daemon runs: with its sockets, or with a path that is too long for them."""
    home = cli.home if request.param == "near" else tmp_path / ("far" * 40)
    cli.env["NAESTRO_HOME"] = str(home)
    started = cli.process("daemon", "start")
    try:
        assert started.returncode == 0, started.stderr
        yield home
    finally:
        cli.process("daemon", "stop")


def test_uninstall_ends_the_daemon_and_leaves_nothing_of_it(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAESTRO_HOME", str(home))
    sockets = Path(find_places().sockets)
    assert sockets.exists()
    lock = Places(str(home)).daemon_lock
    assert is_locked(lock)
    done = cli.run("uninstall", "--data", "--yes")
    assert done.returncode == 0, done.stderr
    assert "The daemon, process " in done.stdout
    assert not home.exists()
    assert not sockets.exists() or not any(sockets.iterdir())


def test_uninstall_without_data_ends_the_daemon_alone(cli: Cli, home: Path) -> None:
    done = cli.run("uninstall")
    assert done.returncode == 0, done.stderr
    assert not is_locked(Places(str(home)).daemon_lock)
    assert (home / "journal.db").exists()
