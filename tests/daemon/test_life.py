"""When a daemon ends, what it is, and what it writes down; each without a process."""

import logging
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from naestro.daemon.identity import Identity, fingerprint, package_folders
from naestro.daemon.idle import Life
from naestro.daemon.log import LOG_MAX_BYTES, open_log
from naestro.daemon.peers import is_own
from naestro.daemon.service import memory_bytes

pytestmark = pytest.mark.anyio


async def test_a_run_or_a_connection_keeps_the_daemon_alive() -> None:
    for is_working, used_at in ((True, None), (False, 0.0)):
        life = Life(lambda is_working=is_working: is_working, lambda used_at=used_at: used_at)
        with anyio.move_on_after(0.3):
            await life.watch_idleness(0.05)
        assert not life.ending.is_set()


async def test_an_idle_stop_of_zero_means_never() -> None:
    life = Life(lambda: False, lambda: None)
    await life.watch_idleness(0)
    assert not life.ending.is_set()


async def test_the_first_reason_to_end_counts() -> None:
    life = Life(lambda: False, lambda: None)
    life.end("first", drain_s=3)
    life.end("second", drain_s=0)
    assert life.drain_s == 3
    await life.watch_files(Identity())
    await life.watch_idleness(1)


async def test_a_file_that_is_written_comes_or_goes_changes_the_identity(tmp_path: Path) -> None:
    (tmp_path / "below/__pycache__").mkdir(parents=True)
    file = tmp_path / "below/a.py"
    file.write_text("a = 1\n")
    before = fingerprint((tmp_path,))
    (tmp_path / "below/__pycache__/a.pyc").write_text("")
    assert fingerprint((tmp_path,)) == before
    identity = Identity((tmp_path,))
    assert not identity.has_changed()
    file.write_text("a = 10\n")
    changed = fingerprint((tmp_path,))
    assert changed != before
    assert not identity.has_changed(), "front ends that come in a burst share one look"
    file.unlink()
    assert fingerprint((tmp_path,)) not in {before, changed}
    assert fingerprint((tmp_path / "missing",)) == fingerprint(())


def test_the_packages_that_bring_protocols_belong_to_the_identity() -> None:
    names = [folder.name for folder in package_folders()]
    assert {"naestro", "naestro_acp"} <= set(names)


def test_both_ends_of_a_pair_are_this_users() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert is_own(left)


def test_a_process_holds_memory() -> None:
    assert memory_bytes() > 1 << 20


@pytest.fixture
def _quiet_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("_quiet_root")
def test_the_log_is_private_turned_over_and_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "logs/daemon.log"
    plain = open_log(path)
    plain.hide_environment({"MY_API_KEY": "secret-value", "SHORT_KEY": "abc", "HOME": "/home/someone"})
    plain.hide("the-token")
    log = logging.getLogger("naestro.test")
    log.info("the-token and secret-value and abc in %s", "/home/someone")
    assert "[secret] and [secret] and abc in /home/someone" in path.read_text()
    for _ in range(4):
        log.info("x" * (LOG_MAX_BYTES // 2))
    kept = sorted(file.name for file in path.parent.iterdir())
    assert kept == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
