"""A protocol that the caller's settings switch off is refused with one sentence, and only to that caller."""

from pathlib import Path

import pytest

from naestro.daemon.listener import Refusal, check_enabled


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path))
    monkeypatch.delenv("ACP_ENABLED", raising=False)
    return tmp_path


def test_a_protocol_is_on_unless_a_flag_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    check_enabled("acp", {})
    check_enabled("acp", None)
    check_enabled("another", {"ACP_ENABLED": "0"})
    monkeypatch.setenv("ACP_ENABLED", "0")
    check_enabled("acp", {})
    with pytest.raises(Refusal, match="ACP_ENABLED"):
        check_enabled("acp", None)


def test_the_refusal_is_one_sentence_and_says_what_to_do() -> None:
    with pytest.raises(Refusal) as caught:
        check_enabled("acp", {"ACP_ENABLED": "0"})
    assert caught.value.answer["error"] == "The flag ACP_ENABLED switches the protocol acp off."
    assert "Unset ACP_ENABLED" in str(caught.value.answer["hint"])


def test_the_users_own_file_may_switch_it_off(home: Path) -> None:
    (home / "config.toml").write_text("[flags]\nacp_enabled = false\n")
    with pytest.raises(Refusal):
        check_enabled("acp", {})


def test_wrong_settings_switch_nothing_off(home: Path) -> None:
    (home / "config.toml").write_text("[flags]\nacp_enabled = 'perhaps'\n")
    check_enabled("acp", {})
