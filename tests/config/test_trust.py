"""The record of trusted workspaces."""

import stat
import threading
from pathlib import Path

import pytest

from naestro.config import load_settings
from naestro.errors import ConfigError, UntrustedWorkspace
from naestro.policy.trust import is_file_trusted, is_trusted, trust, trust_file, untrust
from tests.support.unprivileged import unprivileged

TEXT = '[engines.a]\nbase_url = "http://h/v1"\n'


@pytest.fixture
def risky(workspace: Path) -> Path:
    """A workspace whose file needs trust."""
    (workspace / "naestro.toml").write_text(TEXT)
    return workspace


def test_nobody_is_trusted_at_first(risky: Path) -> None:
    assert not is_trusted(risky)
    with pytest.raises(UntrustedWorkspace):
        load_settings(risky, is_trusted=is_trusted)


def test_trust_makes_the_file_count_until_it_is_taken_back(risky: Path) -> None:
    trust(risky)
    assert is_trusted(risky)
    assert load_settings(risky, is_trusted=is_trusted).settings.engines["a"].base_url == "http://h/v1"
    assert untrust(risky)
    assert not is_trusted(risky)
    assert not untrust(risky)


def test_another_file_is_trusted_by_its_content(risky: Path) -> None:
    file = risky / ".mcp.json"
    trust_file(file, b"{}")
    assert is_file_trusted(file, b"{}")
    assert not is_file_trusted(file, b"{ }")
    assert untrust(risky, file.name)
    assert not is_file_trusted(file, b"{}")


def test_a_changed_file_is_untrusted_until_looked_at_again(risky: Path) -> None:
    trust(risky)
    (risky / "naestro.toml").write_text(TEXT + "# one more line\n")
    assert not is_trusted(risky)
    trust(risky)
    assert is_trusted(risky)


def test_trust_covers_the_text_that_the_person_saw(risky: Path) -> None:
    trust(risky, b"what was shown")
    assert not is_trusted(risky)
    assert is_trusted(risky, b"what was shown")


def test_the_same_file_elsewhere_is_not_trusted(risky: Path, tmp_path: Path) -> None:
    trust(risky)
    other = tmp_path / "other"
    other.mkdir()
    (other / "naestro.toml").write_text(TEXT)
    assert not is_trusted(other)


def test_a_link_to_a_trusted_workspace_is_that_workspace(risky: Path, tmp_path: Path) -> None:
    trust(risky)
    (tmp_path / "link").symlink_to(risky)
    assert is_trusted(tmp_path / "link")


def test_without_a_file_there_is_nothing_to_trust(workspace: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file") as caught:
        trust(workspace)
    assert "nothing to trust" in caught.value.hint


def test_the_record_is_its_owners_alone(risky: Path, home: Path) -> None:
    trust(risky)
    assert stat.S_IMODE((home / "trusted.json").stat().st_mode) == 0o600
    assert {path.name for path in home.iterdir()} == {"trusted.json", "trusted.lock"}


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_a_damaged_record_trusts_nobody_and_is_told(risky: Path, home: Path, text: str) -> None:
    trust(risky)
    (home / "trusted.json").write_text(text)
    with pytest.raises(ConfigError, match=r"trusted\.json, cannot be read"):
        is_trusted(risky)
    with pytest.raises(ConfigError, match=r"trusted\.json, cannot be read"):
        trust(risky)
    assert (home / "trusted.json").read_text() == text


def test_a_record_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with unprivileged() as folder:
        (folder / "home").mkdir(mode=0o500)
        (folder / "naestro.toml").write_text(TEXT)
        monkeypatch.setenv("NAESTRO_HOME", str(folder / "home"))
        with pytest.raises(ConfigError, match=r"trusted\.json, cannot be written: Permission denied"):
            trust(folder)
        assert not is_trusted(folder)


def test_two_that_trust_at_once_lose_neither(tmp_path: Path) -> None:
    roots = [tmp_path / f"w{number}" for number in range(8)]
    for root in roots:
        root.mkdir()
        (root / "naestro.toml").write_text(TEXT)
    threads = [threading.Thread(target=trust, args=(root,)) for root in roots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [root.name for root in roots if not is_trusted(root)] == []
