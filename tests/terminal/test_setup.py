"""`naestro setup zed`: what it writes, asks and keeps, and that it goes without a trace."""

import errno
import json
import sys
from pathlib import Path

import pytest

from naestro.terminal import zed
from naestro.terminal.mcp_programs import PROGRAMS
from naestro.terminal.programs import command
from tests.support.cli import Cli
from tests.support.faults import before, watching
from tests.support.unprivileged import unprivileged

COMMENTED = """// My Zed
{
  "theme": "One Dark", // dark
  "agent_servers": {
    "Other": { "type": "custom", "command": "other" },
  },
  /* fonts */
  "buffer_font_size": 15,
}
"""


@pytest.fixture
def settings(cli: Cli) -> Path:
    """Zed's settings, with comments."""
    file = person(cli) / ".config" / "zed" / "settings.json"
    file.parent.mkdir(parents=True)
    file.write_text(COMMENTED)
    return file


def person(cli: Cli) -> Path:
    """The home folder of whom the command runs for."""
    return Path(cli.env["HOME"])


def backup(file: Path) -> Path:
    """What was there before."""
    return file.with_name("settings.json.before-naestro")


def test_the_entry_is_added_and_all_else_stays(cli: Cli, settings: Path) -> None:
    settings.chmod(0o640)
    done = cli.run("setup", "zed", "--yes")
    assert done.returncode == 0, done.stderr
    text = settings.read_text()
    added = (
        json.dumps(zed.entry(), indent=2)
        .replace("[\n    ", "[")
        .replace("\n  ]", "]")
        .replace("\n", "\n    ")
    )
    line = f'    "Other": {{ "type": "custom", "command": "other" }},\n    "Naestro": {added},\n'
    assert text == COMMENTED.replace('    "Other": { "type": "custom", "command": "other" },\n', line)
    assert settings.stat().st_mode & 0o777 == 0o640
    assert backup(settings).read_text() == COMMENTED
    assert '+    "Naestro": {' in done.stdout
    assert f"what was there is in {backup(settings)}" in done.stdout
    assert {file.name for file in settings.parent.iterdir()} == {settings.name, backup(settings).name}


def test_zed_starts_this_very_installation() -> None:
    program, *arguments = command("acp")
    assert Path(program).is_absolute()
    assert arguments == ["acp"]
    assert Path(program).resolve() == Path(sys.executable).with_name("naestro").resolve()


def test_a_name_on_the_path_is_taken_where_it_leads_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "naestro"
    link.symlink_to(Path(sys.executable).with_name("naestro"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command("acp") == [str(link), "acp"]
    link.unlink()
    link.write_text("#!/bin/sh\n")
    link.chmod(0o755)
    assert command("acp")[0] == str(Path(sys.executable).with_name("naestro"))


def test_an_installation_without_a_script_is_started_as_a_module(tmp_path: Path) -> None:
    assert command("acp", str(tmp_path / "python")) == [str(tmp_path / "python"), "-m", "naestro", "acp"]


def test_a_second_time_changes_nothing(cli: Cli, settings: Path) -> None:
    cli.run("setup", "zed", "--yes")
    changed_at = settings.stat().st_mtime_ns
    again = cli.run("setup", "zed")
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"Naestro is in {settings}, and nothing is to be done\n"
    assert settings.stat().st_mtime_ns == changed_at


def test_undo_gives_back_the_very_file_and_leaves_no_backup(cli: Cli, settings: Path) -> None:
    cli.run("setup", "zed", "--yes")
    done = cli.run("setup", "zed", "--undo", "--yes")
    assert done.returncode == 0, done.stderr
    assert settings.read_text() == COMMENTED
    assert not backup(settings).exists()
    again = cli.run("setup", "zed", "--undo", "--yes")
    assert again.stdout == f"Naestro is not in {settings}, nothing is to be done\n"


def test_undo_keeps_what_was_changed_since(cli: Cli, settings: Path) -> None:
    cli.run("setup", "zed", "--yes")
    settings.write_text(settings.read_text().replace("One Dark", "One Light"))
    done = cli.run("setup", "zed", "--undo", "--yes")
    assert settings.read_text() == COMMENTED.replace("One Dark", "One Light")
    assert "what was there is in" in done.stdout
    assert "Naestro" in backup(settings).read_text()


def test_what_the_person_added_to_the_entry_stays(cli: Cli, settings: Path) -> None:
    entry = {"command": "/old/naestro", "env": {"NAESTRO_ISOLATED": "1"}, "default_mode": "ask"}
    settings.write_text(json.dumps({"agent_servers": {"Naestro": entry}}))
    cli.run("setup", "zed", "--yes")
    now = json.loads(settings.read_text())["agent_servers"]["Naestro"]
    assert now == {**zed.entry(), "env": entry["env"], "default_mode": "ask"}


def test_where_zed_was_never_run_the_file_is_made_and_goes_again(cli: Cli) -> None:
    file = person(cli) / ".config" / "zed" / "settings.json"
    done = cli.run("setup", "zed", "--yes")
    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text()) == {"agent_servers": {"Naestro": zed.entry()}}
    assert file.stat().st_mode & 0o777 == 0o600
    gone = cli.run("setup", "zed", "--undo", "--yes")
    assert f"deleted {file}" in gone.stdout
    assert not file.exists()


def test_an_empty_file_of_the_person_stays_a_file(cli: Cli, settings: Path) -> None:
    settings.write_text("")
    cli.run("setup", "zed", "--yes")
    cli.run("setup", "zed", "--undo", "--yes")
    assert settings.read_text() == "{}\n"


def test_the_flatpak_is_set_up_too_where_it_was_run(cli: Cli, settings: Path) -> None:
    flatpak = person(cli) / ".var/app/dev.zed.Zed/config/zed/settings.json"
    flatpak.parent.mkdir(parents=True)
    cli.run("setup", "zed", "--yes")
    assert "Naestro" in settings.read_text()
    assert "Naestro" in flatpak.read_text()


def test_a_link_stays_a_link(cli: Cli, settings: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    settings.rename(real)
    settings.symlink_to(real)
    cli.run("setup", "zed", "--yes")
    assert settings.is_symlink()
    assert "Naestro" in real.read_text()
    real.unlink()
    broken = cli.run("setup", "zed", "--yes")
    assert broken.returncode == 2
    assert f"{settings} leads to nothing." in broken.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"theme": }', "cannot be changed. In line 1, column 11, a value should stand."),
        (b'{"agent_servers": 1}', "cannot be changed. agent_servers is no object."),
        (b'{"theme": "\xff"}', "is not UTF-8."),
        (b" " * 5_000_001, "has more than 5 MB."),
    ],
)
def test_what_cannot_be_read_is_left_alone(cli: Cli, settings: Path, content: bytes, told: str) -> None:
    settings.write_bytes(content)
    refused = cli.run("setup", "zed", "--yes")
    assert refused.returncode == 2
    assert f"naestro: {settings} {told}" in refused.stderr
    assert settings.read_bytes() == content
    assert not backup(settings).exists()


def test_settings_that_are_a_folder_are_told(cli: Cli, settings: Path) -> None:
    settings.unlink()
    settings.mkdir()
    refused = cli.run("setup", "zed", "--yes")
    assert f"{settings} cannot be read: Is a directory." in refused.stderr


def test_nobody_to_ask_is_no_yes(cli: Cli, settings: Path) -> None:
    refused = cli.run("setup", "zed")
    assert refused.returncode == 2
    assert "Add --yes." in refused.stderr
    assert settings.read_text() == COMMENTED


@pytest.mark.parametrize(("typed", "is_there"), [("no\n", False), ("yes\n", True)])
def test_a_person_sees_the_change_and_is_asked(cli: Cli, settings: Path, typed: str, is_there: bool) -> None:
    with cli.at_terminal("setup", "zed") as screen:
        screen.wait_for('+    "Naestro": {')
        screen.wait_for("Type yes to go on:")
        screen.type(typed)
        assert screen.end() == 0
    assert ("Naestro" in settings.read_text()) is is_there


def test_a_file_that_changes_while_the_person_thinks_is_not_written_over(cli: Cli, settings: Path) -> None:
    with cli.at_terminal("setup", "zed") as screen:
        screen.wait_for("Type yes to go on:")
        settings.write_text("{}")
        screen.type("yes\n")
        screen.wait_for("was changed meanwhile")
        assert screen.end() == 2
    assert settings.read_text() == "{}"


def test_what_would_be_added_can_just_be_printed(cli: Cli, settings: Path) -> None:
    printed = cli.run("setup", "zed", "--print")
    assert json.loads(printed.stdout) == {"agent_servers": {"Naestro": zed.entry()}}
    assert settings.read_text() == COMMENTED


@pytest.mark.parametrize("protected", ["file", "folder"])
def test_what_may_not_be_written_is_told(cli: Cli, protected: str) -> None:
    with unprivileged() as home:
        folder = home / ".config" / "zed"
        folder.mkdir(parents=True)
        file = folder / "settings.json"
        file.write_text(COMMENTED)
        (file if protected == "file" else folder).chmod(0o400 if protected == "file" else 0o500)
        cli.workspace = home
        env = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "NAESTRO_HOME": str(home / "n"),
            "NAESTRO_CACHE": str(home / "c"),
        }
        refused = cli.run("setup", "zed", "--yes", env=env)
        assert refused.returncode == 2
        assert f"{file} cannot be written: " in refused.stderr
        assert "`naestro setup zed --print`" in refused.stderr
        assert file.read_text() == COMMENTED
        (file if protected == "file" else folder).chmod(0o700)
        assert cli.run("setup", "zed", "--yes", env=env).returncode == 0
        (file if protected == "file" else folder).chmod(0o400 if protected == "file" else 0o500)
        kept = cli.run("setup", "zed", "--undo", "--yes", env=env)
        assert kept.returncode == 2
        assert "take Naestro's entry out by hand" in kept.stderr


def test_a_disk_that_fails_leaves_the_file_as_it_was(cli: Cli, settings: Path) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with watching(before("os.rename", fail)):
        refused = cli.run("setup", "zed", "--yes")
    assert refused.returncode == 2
    assert "cannot be written: No space left on device." in refused.stderr
    assert settings.read_text() == COMMENTED
    assert {file.name for file in settings.parent.iterdir()} == {settings.name, backup(settings).name}


def test_uninstall_takes_it_out_and_asks_first(cli: Cli, settings: Path) -> None:
    cli.run("setup", "zed", "--yes")
    refused = cli.run("uninstall")
    assert refused.returncode == 2
    assert f"takes Naestro out of {settings}" in refused.stderr
    done = cli.run("uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"changed {settings} to what it was" in done.stdout
    assert settings.read_text() == COMMENTED


def test_uninstall_shows_what_it_takes_out(cli: Cli, settings: Path) -> None:
    cli.run("setup", "zed", "--yes")
    with cli.at_terminal("uninstall", "--data") as screen:
        screen.wait_for('-    "Naestro": {')
        screen.wait_for("This deletes ")
        screen.wait_for("and takes Naestro out of")
        screen.wait_for("Type yes to go on:")
        screen.type("yes\n")
        assert screen.end() == 0
    assert settings.read_text() == COMMENTED


def test_uninstall_goes_on_where_the_settings_cannot_be_read(cli: Cli, settings: Path) -> None:
    settings.write_text("{")
    done = cli.run("uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Naestro may still be in it" in done.stderr
    assert settings.read_text() == "{"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_tools_are_added_to_each_program_and_taken_out_again(cli: Cli, name: str) -> None:
    done = cli.run("setup", name, "--yes")
    assert done.returncode == 0, done.stderr
    (file,) = [
        person(cli) / place
        for place in (".claude.json", ".cursor/mcp.json", ".config/Code/User/mcp.json")
        if (person(cli) / place).exists()
    ]
    outer, inner = PROGRAMS[name].path
    written = json.loads(file.read_text())
    assert written[outer][inner]["args"][-1:] == ["mcp"]
    assert Path(written[outer][inner]["command"]).is_file()
    assert "nothing is to be done" in cli.run("setup", name, "--yes").stdout
    assert json.loads(cli.run("setup", name, "--print").stdout) == written
    assert cli.run("setup", name, "--undo", "--yes").returncode == 0
    assert not file.exists()


def test_what_a_program_has_already_stays(cli: Cli) -> None:
    file = person(cli) / ".claude.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    before = json.dumps(
        {"numStartups": 3, "mcpServers": {"other": {"command": "x"}}, "projects": {}}, indent=2
    )
    file.write_text(before)
    assert cli.run("setup", "claude-code", "--yes").returncode == 0
    written = json.loads(file.read_text())
    assert list(written["mcpServers"]) == ["other", "naestro"]
    assert (written["numStartups"], written["projects"]) == (3, {})
    assert "deleted" not in cli.run("uninstall", "--yes").stdout
    assert json.loads(file.read_text()) == json.loads(before)


def test_zeds_own_agent_gets_the_tools_beside_the_agent(cli: Cli, settings: Path) -> None:
    assert cli.run("setup", "zed", "--yes").returncode == 0
    assert cli.run("setup", "zed", "--mcp", "--yes").returncode == 0
    text = settings.read_text()
    assert '"context_servers"' in text
    assert '"Naestro"' in text
    assert cli.run("setup", "zed", "--mcp", "--undo", "--yes").returncode == 0
    assert "context_servers" not in settings.read_text()


def test_any_other_program_gets_something_to_copy(cli: Cli) -> None:
    printed = json.loads(cli.run("setup", "generic").stdout)
    assert printed["mcpServers"]["naestro"]["args"][-1:] == ["mcp"]
