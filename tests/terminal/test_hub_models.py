"""`naestro models` with embedding models of the hub: fetched by name, listed, used by the index, removed."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from naestro.terminal.completion import complete_models
from tests.support.cli import Cli
from tests.support.model_hub import NAME, ModelHub
from tools.static_embedding import export


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ModelHub]:
    """It has the word vectors that come with Naestro, in the format of Model2Vec."""
    export(tmp_path / "made")
    with ModelHub({path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}) as server:
        yield server


def test_a_model_of_the_hub_is_fetched_when_it_is_asked_for_and_the_index_finds_by_it(
    cli: Cli, hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"NAESTRO_MODELS__HUB_URL": hub.url, "NAESTRO_INDEX__EMBEDDER": NAME, "HF_HUB_OFFLINE": ""}
    (cli.workspace / "retry.py").write_text(
        "def again(request):\n    while tries < limit:\n        send(request)\n"
    )
    (cli.workspace / "toml.py").write_text("def load(path):\n    return tomllib.loads(path.read_text())\n")
    refused = cli.run("index", "--in-process", env=env)
    assert refused.returncode != 0
    assert "The model owner/model is not on this machine." in refused.stderr
    assert "Run `naestro models pull owner/model`." in refused.stderr
    assert hub.asked == []

    pulled = cli.run("models", "pull", NAME, env=env)
    assert pulled.returncode == 0, pulled.stderr
    folder = Path(cli.env["NAESTRO_CACHE"], "models", "owner--model")
    assert pulled.stdout == f"{NAME}: {folder}\n"
    assert f"{NAME}: Fetching revision 0123456789ab from the model hub: " in pulled.stderr
    assert cli.run("models", "path", NAME).stdout == f"{folder}\n"
    assert "at revision 0123456789ab" in cli.run("models", "list").stdout
    listed = [msgspec.json.decode(line) for line in cli.run("models", "list", "--json").stdout.splitlines()]
    assert (listed[-1]["name"], listed[-1]["licence"], listed[-1]["is_installed"]) == (NAME, "mit", True)
    monkeypatch.setenv("NAESTRO_CACHE", cli.env["NAESTRO_CACHE"])
    assert complete_models("own") == [(NAME, "of the hub")]

    made = cli.run("index", "--in-process", env=env)
    assert made.returncode == 0, made.stderr
    assert f"by meaning: {NAME}" in made.stdout
    found = cli.run("search", "--in-process", "--json", "configuration file reading", env=env)
    assert msgspec.json.decode(found.stdout)["results"][0]["path"] == "toml.py", found.stdout

    freed = cli.run("models", "rm", NAME)
    assert freed.stdout.endswith(" MB freed\n")
    assert not folder.exists()


def test_a_name_that_is_none_is_told_before_anything_is_fetched(cli: Cli, hub: ModelHub) -> None:
    done = cli.run("models", "pull", NAME, "a/b/c", env={"NAESTRO_MODELS__HUB_URL": hub.url})
    assert done.returncode == 4
    assert "'a/b/c' is no name of a model on the hub" in done.stderr
    assert hub.asked == []
