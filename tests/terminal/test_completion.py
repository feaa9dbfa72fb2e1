"""What a shell may offer: runs, steps and models; nothing where nothing can be read."""

import subprocess
import sys
from pathlib import Path

import pytest

from naestro.terminal.completion import complete_models, complete_runs
from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer
from tests.terminal.test_asking import ASKED


def offered(cli: Cli, *words: str) -> list[str]:
    """What the command offers to bash for the last of `words`."""
    done = subprocess.run(
        [Path(sys.executable).with_name("naestro")],
        env={
            **cli.env,
            "_NAESTRO_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("naestro", *words)),
            "COMP_CWORD": str(len(words)),
        },
        cwd=cli.workspace,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout.split()


def test_runs_steps_and_models_are_offered(cli: Cli, answering: ScriptedServer) -> None:
    cli.run("explain", ASKED)
    run = cli.runs()[0]["id"]
    assert offered(cli, "trace", run[:5]) == [run]
    assert offered(cli, "rerun", run, "prop") == ["propose.1", "propose.2"]
    assert offered(cli, "models", "pull", "smol") == ["smollm2-135m"]


def test_what_cannot_be_read_offers_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    assert complete_runs("") == []
    assert complete_models("none") == []
