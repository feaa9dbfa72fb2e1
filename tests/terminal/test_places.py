"""Files are named from where the person stands, and read from the workspace's root."""

from pathlib import Path

from naestro.terminal.places import from_root
from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer


def test_names_are_seen_from_the_root_and_words_are_left(tmp_path: Path) -> None:
    (tmp_path / "naestro.toml").write_text("")
    below = tmp_path / "src"
    below.mkdir()
    (below / "calc.py").write_text("")
    (tmp_path.parent / "outside.py").write_text("")
    named = [
        "calc.py",
        "calc.py:3-5",
        str(below / "calc.py"),
        "../naestro.toml",
        "../../outside.py",
        "What is this: a test?",
        "x" * 5000,
        "nul\0",
        "",
    ]
    assert from_root(below, named) == [
        "src/calc.py",
        "src/calc.py:3-5",
        "src/calc.py",
        "naestro.toml",
        *named[4:],
    ]


def test_a_link_keeps_its_name_and_one_that_goes_round_is_left(tmp_path: Path) -> None:
    (tmp_path / "naestro.toml").write_text("")
    (tmp_path / ".env").symlink_to("naestro.toml")
    (tmp_path / "round").symlink_to("round")
    assert from_root(tmp_path, ["./.env:1", "./round"]) == [".env:1", "./round"]


def test_a_file_is_explained_from_its_own_folder(cli: Cli, answering: ScriptedServer) -> None:
    (cli.workspace / "naestro.toml").write_text("")
    cli.workspace /= "below"
    cli.workspace.mkdir()
    (cli.workspace / "deep.py").write_text("deep = True\n")
    done = cli.run("explain", "deep.py", "../calc.py")
    assert done.returncode == 0, done.stderr
    assert cli.runs()[0]["task"] == {"text": "below/deep.py", "files": ["calc.py"]}
    assert "deep = True" in str(answering.chats[0].messages)
