"""What a workspace's file may set before the person trusts it, and isolation mode."""

from pathlib import Path

import pytest

from naestro.config import load_settings
from naestro.config_sources import leaf_paths
from naestro.config_tree import Settings
from naestro.errors import ConfigError, UntrustedWorkspace
from tests.config.conftest import Load

VALUES = {"*": "x"}
HARMLESS = """
isolated = true
[council]
consensus = "judge"
proposers = 2
[roles.judge]
temperature = 0.5
max_tokens = 99
engines = ["local", "not.there"]
[timeouts]
total_s = 5
"""
LOCAL_ENGINE = '[engines.local]\nkind = "embedded"\n[engines.cloud]\nbase_url = "http://localhost/v1"\n'


def trusting(_root: Path, _content: bytes) -> bool:
    return True


def test_a_harmless_file_counts_without_trust(load: Load) -> None:
    loaded = load(user=LOCAL_ENGINE, workspace_text=HARMLESS)
    assert loaded.settings.isolated
    assert loaded.settings.roles.judge.engines == ("local", "not.there")
    assert loaded.ignored == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[engines.a]\nbase_url = "http://h/v1"', "engines.a.base_url"),
        ('[engines.a]\nkind = "embedded"', "engines.a.kind"),
        ('[embedded]\nllama_server = "./run"', "embedded.llama_server"),
        ("[embedded]\nthreads = 1", "embedded.threads"),
        ('[models]\nhub_url = "http://h"', "models.hub_url"),
        ('[models]\npackage_client = "./run"', "models.package_client"),
        ('[flags]\nnemo_url = "http://h"', "flags.nemo_url"),
        ('[flags]\nedenai_api_key = "k"', "flags.edenai_api_key"),
        ("[flags]\nmcp_enabled = true", "flags.mcp_enabled"),
        ("[flags]\nconcurrency_max = 200", "flags.concurrency_max"),
        ("[journal]\nkeep_days = 1", "journal.keep_days"),
        ("[daemon]\nidle_stop_s = 0", "daemon.idle_stop_s"),
        ("isolated = false", "isolated"),
        ('isolated = "true"', "isolated"),
        ('[roles.judge]\nengines = ["cloud"]', "roles.judge.engines"),
        ('[roles.judge]\nengines = ["local", "cloud"]', "roles.judge.engines"),
        ('[roles.judge]\nengines = "cloud"', "roles.judge.engines"),
        ("[roles.judge]\nengines = []", "roles.judge.engines"),
        ("[roles.judge]\nengines = [{a = 1}, []]\n[journal]\nkeep_days = 1", "journal.keep_days"),
        ("council = 1", "council"),
        ("[engines.a]", "engines.a"),
    ],
)
def test_what_spends_sends_or_runs_needs_trust(load: Load, workspace: Path, text: str, key: str) -> None:
    with pytest.raises(UntrustedWorkspace) as caught:
        load(user=LOCAL_ENGINE, workspace_text=text)
    assert caught.value.message == (
        f"The workspace file {workspace}/naestro.toml sets {key}, which only a trusted workspace may set."
    )
    assert "naestro trust" in caught.value.hint


def test_only_these_keys_are_open_to_an_untrusted_file(load: Load) -> None:
    """The list is written out here, so that a new setting needs trust until somebody decides otherwise."""
    open_keys = {"council", "timeouts"}
    for path in leaf_paths(Settings):
        text = ".".join(VALUES.get(name, name) for name in path) + " = []"
        try:
            load(workspace_text=text)
        except UntrustedWorkspace:
            is_open = False
        except ConfigError:
            is_open = True
        else:
            is_open = True
        expected = path[0] in open_keys or path[0] == "roles" or path == ("index", "automatic")
        assert is_open == expected, path


def test_showing_the_settings_tells_what_is_ignored(load: Load) -> None:
    text = (
        '[engines.a]\nbase_url = "http://h/v1"\n[flags]\nedenai_api_key = "sk-hidden"\n[council]\njudges = 1'
    )
    loaded = load(workspace_text=text, is_strict=False)
    assert loaded.settings.engines == {}
    assert loaded.settings.council.judges == 1
    assert [item.key for item in loaded.ignored] == ["engines.a.base_url", "flags.edenai_api_key"]
    assert all(item.needs_trust for item in loaded.ignored)
    assert loaded.warnings == tuple(item.reason for item in loaded.ignored)
    assert "sk-hidden" not in repr(loaded)


def test_a_trusted_workspace_may_set_all_of_it(load: Load) -> None:
    loaded = load(workspace_text='[engines.a]\nbase_url = "http://h/v1"', is_trusted=trusting)
    assert loaded.settings.engines["a"].base_url == "http://h/v1"


def test_trust_is_asked_with_the_bytes_that_are_read(load: Load, workspace: Path) -> None:
    asked: list[tuple[Path, bytes]] = []

    def ask(root: Path, content: bytes) -> bool:
        asked.append((root, content))
        return True

    load(workspace_text="[council]\njudges = 1", is_trusted=ask)
    assert asked == [(workspace, b"[council]\njudges = 1")]


def test_a_typing_error_is_told_before_trust_is_asked_for(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"did you mean engines\.a\.base_url") as caught:
        load(workspace_text='[engines.a]\nbase_uri = "http://h/v1"')
    assert type(caught.value) is ConfigError


def test_a_workspace_without_a_file_sets_nothing(workspace: Path) -> None:
    assert load_settings(workspace).settings == Settings()


@pytest.mark.parametrize("is_trusted", [trusting, lambda _root, _content: False])
def test_a_workspace_cannot_unset_isolation_of_the_environment(
    load: Load, monkeypatch: pytest.MonkeyPatch, is_trusted: object
) -> None:
    monkeypatch.setenv("NAESTRO_ISOLATED", "1")
    loaded = load(workspace_text="isolated = false", is_trusted=is_trusted, is_strict=False)
    assert loaded.settings.isolated
    assert loaded.sources["isolated"].place == "environment"


def test_not_even_a_trusted_workspace_unsets_the_persons_isolation(load: Load) -> None:
    loaded = load(user="isolated = true", workspace_text="isolated = false", is_trusted=trusting)
    assert loaded.settings.isolated
    assert [item.needs_trust for item in loaded.ignored] == [False]
    assert "a workspace cannot switch isolation mode off" in loaded.warnings[0]


def test_a_trusted_workspace_may_say_what_is_the_default_anyway(load: Load) -> None:
    loaded = load(workspace_text="isolated = false", is_trusted=trusting)
    assert not loaded.settings.isolated
    assert loaded.ignored == ()


def test_the_person_may_unset_their_own_isolation(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_ISOLATED", "0")
    assert not load(user="isolated = true").settings.isolated
