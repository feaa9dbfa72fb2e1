"""Reading the settings: precedence, where each value came from, and what is said of a wrong one."""

from pathlib import Path

import pytest

from naestro.config import Settings, load_settings, settings_for_journal, settings_from_journal
from naestro.config_sources import Source, dotted, leaf_paths, parse_key
from naestro.errors import ConfigError
from tests.config.conftest import Load
from tests.support.unprivileged import unprivileged
from tools.reference import meanings


def trusting(_root: Path, _content: bytes) -> bool:
    return True


def test_without_any_source_the_settings_are_the_defaults() -> None:
    loaded = load_settings(None)
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {Source("default")}
    assert loaded.warnings == ()


def test_each_source_wins_over_the_one_below_it(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    user = "[council]\nproposers = 2\ncritics = 2\njudges = 2\nschema_retries = 3"
    workspace = "[council]\ncritics = 3\njudges = 3\nschema_retries = 4"
    monkeypatch.setenv("NAESTRO_COUNCIL__JUDGES", "4")
    monkeypatch.setenv("NAESTRO_COUNCIL__SCHEMA_RETRIES", "1")
    loaded = load(user=user, workspace_text=workspace, overrides={"council.schema_retries": 5})
    council = loaded.settings.council
    assert (council.proposers, council.critics, council.judges, council.schema_retries) == (2, 3, 4, 5)
    places = {
        key.removeprefix("council."): source.place
        for key, source in loaded.sources.items()
        if "council" in key
    }
    assert places == {
        "consensus": "default",
        "proposers": "user file",
        "critics": "workspace file",
        "judges": "environment",
        "early_exit": "default",
        "schema_retries": "command line",
        "context_tokens": "default",
        "approve": "default",
    }


def test_a_source_names_its_file_its_variable_or_its_option(
    load: Load, home: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCURRENCY_MAX", "3")
    loaded = load(
        user="[journal]\nkeep_days = 1",
        workspace_text="[council]\njudges = 1",
        overrides={"council.critics": 0},
    )
    assert str(loaded.sources["journal.keep_days"]) == f"user file {home}/config.toml"
    assert str(loaded.sources["council.judges"]) == f"workspace file {workspace}/naestro.toml"
    assert str(loaded.sources["flags.concurrency_max"]) == "environment variable CONCURRENCY_MAX"
    assert str(loaded.sources["council.critics"]) == "command line council.critics"
    assert str(loaded.sources["council.consensus"]) == "default"


def test_the_environment_reaches_every_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_ROLES__JUDGE__ENGINES", "one, two,")
    monkeypatch.setenv("NAESTRO_ENGINES__big__BASE_URL", "http://localhost:8000/v1/")
    monkeypatch.setenv("NAESTRO_FLAGS__CONCURRENCY_MAX", "2")
    monkeypatch.setenv("NAESTRO_MODELS__SOURCES", "packages")
    settings = load_settings(None).settings
    assert settings.roles.judge.engines == ("one", "two")
    assert settings.engines["big"].base_url == "http://localhost:8000/v1"
    assert settings.flags.concurrency_max == 2
    assert settings.models.sources == ("packages",)


def test_a_bare_flag_wins_over_its_long_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_FLAGS__CONCURRENCY_MAX", "2")
    monkeypatch.setenv("CONCURRENCY_MAX", "3")
    loaded = load_settings(None)
    assert loaded.settings.flags.concurrency_max == 3
    assert str(loaded.sources["flags.concurrency_max"]) == "environment variable CONCURRENCY_MAX"


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_ISOLATED", "")
    monkeypatch.setenv("LOCAL_MODELS", "")
    assert load_settings(None).settings == Settings()


def test_names_of_engines_may_hold_dots(load: Load) -> None:
    user = '[engines."my.model"]\nkind = "embedded"'
    loaded = load(user=user, overrides={'engines."my.model".slots': "2"})
    assert loaded.settings.engines["my.model"].slots == 2
    assert loaded.sources['engines."my.model".slots'].place == "command line"
    assert parse_key(dotted(("engines", "my.model", "slots"))) == ("engines", "my.model", "slots")


def test_a_list_replaces_a_list_of_a_lower_source(load: Load) -> None:
    user = '[roles.judge]\nengines = ["a", "b"]'
    loaded = load(user=user, workspace_text='[roles.judge]\nengines = ["c"]')
    assert loaded.settings.roles.judge.engines == ("c",)


def test_an_empty_table_changes_nothing(load: Load) -> None:
    loaded = load(user="[council]\njudges = 1", workspace_text="[council]\n[roles]\n[engines]")
    assert loaded.settings.council.judges == 1
    assert loaded.settings == Settings(council={"judges": 1})  # type: ignore[arg-type] read like a file


def test_shown_values_are_json_in_the_order_of_the_tree(load: Load) -> None:
    shown = load(user='[engines.a]\nkind = "embedded"').shown()
    assert [line.key for line in shown][:2] == ["isolated", "flags.mcp_enabled"]
    values = {line.key: line.value for line in shown}
    assert values["council.consensus"] == '"majority"'
    assert values["models.sources"] == '["hub", "packages"]'
    assert values["engines.a.kind"] == '"embedded"'
    assert values["engines.a.base_url"] == "null"
    assert {line.source.place for line in shown if line.key.startswith("engines.a.k")} == {"user file"}


def test_every_setting_says_what_it_is() -> None:
    missing = [
        (model, name) for model in _models() for name in model.model_fields.keys() - meanings(model).keys()
    ]
    assert missing == []
    assert len(leaf_paths(Settings)) > 40


def _models() -> list[type]:
    from naestro import config_tree

    models = [value for value in vars(config_tree).values() if isinstance(value, type)]
    return [
        model
        for model in models
        if hasattr(model, "model_fields") and model.__module__ == config_tree.__name__
    ]


def test_the_recorded_settings_make_the_same_tree_again(load: Load) -> None:
    user = '[engines.a]\nbase_url = "http://localhost/v1"\n[flags]\nlocal_models = ["m"]'
    settings = load(user=user).settings
    assert settings_from_journal(settings_for_journal(settings)) == settings


def test_recorded_settings_of_another_version_are_refused() -> None:
    recorded = {**settings_for_journal(Settings()), "later": 1, "council": {"judges": "many"}}
    with pytest.raises(ConfigError, match="do not fit this version of Naestro: 2 of them are wrong"):
        settings_from_journal(recorded)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[council]\nconsensu = 'judge'",
            "sets council.consensu, which is no setting; did you mean council.consensus?",
        ),
        ("mcp_enabled = true", "sets mcp_enabled, which is no setting; did you mean flags.mcp_enabled?"),
        ("[counsel]\n", "sets counsel, which is no setting; did you mean council?"),
        ("[roles.juge]\nmax_tokens = 20", "did you mean roles.judge.max_tokens?"),
        (
            "[engines.a]\nbase_ur = 'x'",
            "sets engines.a.base_ur, which is no setting; did you mean engines.a.base_url?",
        ),
        (
            "[council.judges]\nx = 1",
            "sets council.judges.x, which is no setting; did you mean council.judges?",
        ),
        ("qqqq = 1", "sets qqqq, which is no setting; none has a name like it."),
        (
            "[council]\nconsensus = 'all'",
            "which should be 'majority', 'weighted' or 'judge', and is \"all\".",
        ),
        ("[council]\njudges = 'many'", 'sets council.judges, which should be a whole number, and is "many".'),
        ("[council]\njudges = 1.5", "sets council.judges, which should be a whole number, and is 1.5."),
        ("[council]\njudges = 99", "which should be less than or equal to 9, and is 99."),
        ("[council]\njudges = 99\ncritics = 99", "and is 99; 1 more after this one."),
        ("isolated = 'maybe'", 'sets isolated, which should be true or false, and is "maybe".'),
        ("council = 3", "sets council, which should be a table."),
        ("[roles]\njudge = []", "sets roles.judge, which should be a table."),
        ("[roles.judge]\nengines = 3", "sets roles.judge.engines, which should be a list of names."),
        ("[roles.judge]\nengines = [3]", "sets roles.judge.engines, which should be text."),
        (
            "[models]\nsources = ['disk']",
            "sets models.sources, which should be 'hub' or 'packages', and is \"disk\".",
        ),
        ("[engines.a]", 'sets engines.a, which is refused: an engine of the kind "openai" needs base_url.'),
        ("engines = 1", "sets engines, which should be a table."),
        (
            "[engines.a]\nkind = 'embedded'\nbase_url = 'http://h'",
            'sets engines.a.kind, which is refused: an engine of the kind "embedded" has no base_url.',
        ),
        ("[engines.a]\nbase_url = 'localhost'", "is refused: it should start with http:// or https://."),
        ("[flags]\nnemo_url = 'ftp://x'", "is refused: it should start with http:// or https://."),
        ("[models]\nhub_url = 'http://'", "is refused: it should start with http:// or https://."),
        (
            "[engines",
            "is not valid TOML: Expected ']' at the end of a table declaration (at end of document).",
        ),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(load: Load, home: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(user=text)
    expected = said.replace("engines.a.kind, which is refused", "engines.a, which is refused")
    assert caught.value.message.endswith(expected)
    assert str(home / "config.toml") in caught.value.message


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "NAESTRO_COUNCL__JUDGES",
            "1",
            "sets councl.judges, which is no setting; did you mean council.judges?",
        ),
        ("NAESTRO_ISOLATE", "1", "sets isolate, which is no setting; did you mean isolated?"),
        (
            "NAESTRO_COUNCIL__JUDGE",
            "1",
            "sets council.judge, which is no setting; did you mean council.judges?",
        ),
        ("NAESTRO_COUNCIL", "{}", "sets council, which should be a table."),
        (
            "CONCURRENCY_MAX",
            "few",
            'sets flags.concurrency_max, which should be a whole number, and is "few".',
        ),
        ("WS_HEARTBEAT_MS", "1", "which should be greater than or equal to 100"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_settings(None)
    assert f"environment variable {variable} " in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize("key", ["", "a b", "council.", "[x]"])
def test_an_override_that_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="is no key of the settings"):
        load_settings(None, {key: 1})


def test_an_unknown_override_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"command line council\.judge sets .* did you mean council\.judges\?"
    ):
        load_settings(None, {"council.judge": 1})


def test_a_file_that_is_no_text_is_refused(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        load_settings(None)


def test_a_file_that_no_person_wrote_is_refused(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_bytes(b"#" * 1_048_577)
    with pytest.raises(ConfigError, match="is larger than 1 MiB"):
        load_settings(None)


def test_a_folder_in_the_place_of_a_file_is_refused(workspace: Path) -> None:
    (workspace / "naestro.toml").mkdir()
    with pytest.raises(ConfigError, match=r"naestro\.toml cannot be read: Is a directory"):
        load_settings(workspace)


def test_a_file_without_permission_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with unprivileged() as folder:
        monkeypatch.setenv("NAESTRO_HOME", str(folder))
        (folder / "config.toml").write_text("")
        (folder / "config.toml").chmod(0)
        with pytest.raises(ConfigError, match=r"config\.toml cannot be read: Permission denied"):
            load_settings(None)


def test_a_value_replaces_the_table_that_stood_in_its_place(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"workspace file .* sets council, which should be a table"):
        load(user="[council]\njudges = 1", workspace_text="council = 1", is_trusted=trusting)


def test_a_table_replaces_the_value_that_stood_in_its_place(load: Load) -> None:
    loaded = load(user="council = 1", workspace_text="[council]\njudges = 1")
    assert loaded.settings.council.judges == 1
