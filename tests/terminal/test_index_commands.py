"""The commands for the code index in this process: what they print, for people and for programs."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from naestro.terminal.exits import Exit
from tests.support.cli import Cli
from tests.support.scripted_server import ScriptedServer
from tests.support.unprivileged import unprivileged

RETRY = '''"""Retries."""


class Policy:
    """Which errors are tried again."""

    def is_retried(self, error):
        """Decide by the kind of the error."""
        return error.is_transient
'''
USES = """from retry import Policy


def send(message, policy: Policy):
    while True:
        policy.is_retried(message)
"""


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A workspace that is indexed, for questions that change nothing."""
    folder = tmp_path_factory.mktemp("indexed")
    with ScriptedServer() as server:
        cli = Cli(folder, server.base_url)
        fill(cli.workspace)
        done = cli.run("index")
        assert done.returncode == 0, done.stderr
        yield cli


def fill(workspace: Path) -> None:
    (workspace / "src").mkdir()
    (workspace / "src" / "retry.py").write_text(RETRY)
    (workspace / "src" / "send.py").write_text(USES)
    (workspace / "data.bin").write_bytes(b"\0\1\2" * 100)


def test_indexing_says_what_is_in_the_index_and_what_is_not_and_why(cli: Cli) -> None:
    fill(cli.workspace)
    done = cli.run("index")
    assert done.returncode == 0, done.stderr
    first, files, left_out, meaning = done.stdout.splitlines()
    assert re.fullmatch(rf"indexed {re.escape(str(cli.workspace))} in \d+\.\d s", first)
    assert re.fullmatch(r"  3 files in \d+ parts, \d+\.\d MB on the disk", files)
    assert left_out == "  1 file left out: 1 binary"
    assert meaning == "  by meaning: static"
    assert done.stderr == ""


def test_indexing_again_and_anew_gives_the_same_as_json(indexed: Cli) -> None:
    again = msgspec.json.decode(indexed.run("index", "--json").stdout)
    anew = msgspec.json.decode(indexed.run("index", str(indexed.workspace), "--rebuild", "--json").stdout)
    assert (again["files"], again["chunks"]) == (anew["files"], anew["chunks"]) == (2, again["chunks"])
    assert anew["skipped"] == {"binary": 1}


def test_the_status_of_an_index_is_told_without_making_one(cli: Cli, indexed: Cli) -> None:
    none = cli.run("index", "--status")
    assert none.returncode == 0
    assert none.stdout.startswith(f"{cli.workspace} is not indexed yet: run `naestro index`")
    there = indexed.run("index", "--status")
    assert re.search(r"indexed \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", there.stdout)
    assert "changes are not followed now" in there.stdout
    assert msgspec.json.decode(indexed.run("index", "--status", "--json").stdout)["files"] == 2


def test_a_search_shows_the_code_with_numbers_and_marks(indexed: Cli) -> None:
    done = indexed.run("search", "which errors are retried?", "--limit", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("src/retry.py:1-9  class Policy")
    assert '>    5      """Which errors are tried again."""' in done.stdout
    assert "     6\n" in done.stdout
    assert done.stderr == ""


def test_a_search_as_json_is_one_object_with_results(indexed: Cli) -> None:
    reply = msgspec.json.decode(indexed.run("search", "retry policy", "--json", "--limit", "2").stdout)
    assert 1 <= len(reply["results"]) <= 2
    assert set(reply["results"][0]) >= {"path", "start", "end", "score", "why", "text"}
    assert (reply["unseen_files"], reply["unseen"], reply["is_indexing"], reply["detail"]) == (
        0,
        [],
        False,
        "",
    )


def test_a_search_can_be_kept_to_a_folder_or_a_file(indexed: Cli) -> None:
    def paths(*more: str) -> set[str]:
        reply = msgspec.json.decode(indexed.run("search", "policy retried", "--json", *more).stdout)
        return {one["path"] for one in reply["results"]}

    assert paths() == paths("--path", "src") == paths("--path", ".") == {"src/retry.py", "src/send.py"}
    assert paths("--path", "src/send.py") == {"src/send.py"}
    assert paths("--path", "sr*/s*.py") == paths("--path", "send.p?") == {"src/send.py"}
    assert paths("--language", "py") == {"src/retry.py", "src/send.py"}
    no_prose = indexed.run("search", "policy", "--path", "src", "--language", "rst")
    assert no_prose.stdout == "Nothing was found for 'policy' in src in rst.\n"
    none = indexed.run("search", "policy", "--path", "data.bin")
    assert none.stdout == "Nothing was found for 'policy' in data.bin.\n"


def test_a_pattern_counts_from_the_folder_that_is_worked_in(cli: Cli) -> None:
    fill(cli.workspace)
    (cli.workspace / ".git").mkdir()
    (cli.workspace / "send.py").write_text(USES)

    def paths(pattern: str) -> list[str]:
        inner = ("--json", "--workspace", str(cli.workspace / "src"), "--path", pattern)
        found = cli.run("search", "policy retried", *inner).stdout
        return [one["path"] for one in msgspec.json.decode(found)["results"]]

    assert paths("s*.py") == paths("../src/send.py") == ["src/send.py"]
    assert paths("/s*.py") == ["send.py"]
    assert paths("deep/*.py") == []


def test_a_search_that_finds_nothing_says_so_in_a_sentence(indexed: Cli) -> None:
    done = indexed.run("search", "?!")
    assert (done.returncode, done.stdout) == (0, "Nothing was found for '?!'.\n")
    assert msgspec.json.decode(indexed.run("search", "?!", "--json").stdout)["results"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("search", " "), Exit.USAGE, "The question is empty."),
        (("search", "x" * 4001), Exit.USAGE, "has 4,001 characters"),
        (("search", "x", "--path", "nowhere"), Exit.USAGE, "There is no nowhere."),
        (("search", "x", "--language", "klingon"), Exit.USAGE, "There is no language 'klingon' here."),
        (("search", "x", "--path", ".."), Exit.FILES, "lies outside the workspace"),
        (("search", "x", "--path", "a" * 5000), Exit.USAGE, "There is no aaa"),
        (("map", "--question", "x" * 4001), Exit.USAGE, "has 4,001 characters"),
        (("outline", "a" * 5000), Exit.USAGE, "There is no aaa"),
        (("grep", "("), Exit.USAGE, "The expression '(' cannot be used: missing ): (."),
        (("grep", r"(a)\1"), Exit.USAGE, r"The expression '(a)\1' cannot be used"),
        (("grep", "x" * 1001), Exit.USAGE, "has 1,001 characters"),
        (("symbol", ""), Exit.USAGE, "The name is empty."),
        (("outline", "data.bin"), Exit.FILES, "data.bin"),
        (("outline", "src"), Exit.USAGE, "src is a folder."),
        (("index", "nowhere"), Exit.USAGE, "is not a folder"),
        (("index", "--status", "--rebuild"), Exit.USAGE, "--status changes nothing"),
    ],
)
def test_a_wrong_question_is_refused_with_a_hint(
    indexed: Cli, arguments: tuple[str, ...], code: Exit, said: str
) -> None:
    done = indexed.run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_workspace_without_an_index_is_searched_by_words_and_the_answer_says_so(cli: Cli) -> None:
    fill(cli.workspace)
    done = cli.run("search", "is_retried", "--limit", "1")
    assert done.returncode == 0
    assert done.stdout.startswith("src/")
    assert "by words alone" in done.stderr
    nothing = cli.run("symbol", "Policy")
    assert nothing.returncode == Exit.JOURNAL
    assert "naestro index" in nothing.stderr


def test_names_that_only_hold_what_was_asked_for_and_places_that_were_cut_off_are_told(indexed: Cli) -> None:
    longer = indexed.run("symbol", "olic")
    assert longer.stdout == "src/retry.py:4  class Policy:\n"
    assert longer.stderr == "note: nothing is called 'olic'; these names hold it\n"
    assert indexed.run("symbol", "policy").stderr == ""
    assert indexed.run("symbol", "Policy.is_retried()").stderr == ""
    cut = indexed.run("symbol", "Policy", "--references", "--limit", "1")
    assert cut.stderr == "note: these are the first 1; --limit gives more\n"


def test_a_file_in_a_folder_without_permission_is_told_as_such(cli: Cli) -> None:
    with unprivileged() as folder:
        cli.workspace = folder / "workspace"
        (cli.workspace / "locked").mkdir(parents=True)
        (cli.workspace / "locked" / "a.py").write_text(USES)
        (cli.workspace / "locked").chmod(0)
        env = {"NAESTRO_HOME": str(folder / "home"), "NAESTRO_CACHE": str(folder / "cache")}
        for arguments in (("outline", "locked/a.py"), ("search", "x", "--path", "locked/a.py")):
            done = cli.run(*arguments, env=env)
            assert (done.returncode, done.stdout) == (Exit.FILES, "")
            assert done.stderr.startswith("naestro: locked/a.py cannot be read: Permission denied.\n  Check")


def test_a_limit_that_cuts_nothing_off_is_not_told(indexed: Cli) -> None:
    assert indexed.run("symbol", "Policy", "--limit", "1").stderr == ""
    uses = len(indexed.run("symbol", "Policy", "-r").stdout.splitlines()) - 3
    assert indexed.run("symbol", "Policy", "-r", "--limit", str(uses)).stderr == ""
    assert "first" in indexed.run("symbol", "Policy", "-r", "--limit", str(uses - 1)).stderr
    lines = len(indexed.run("grep", "is_retried").stdout.splitlines())
    assert indexed.run("grep", "is_retried", "--limit", str(lines)).stderr == ""


def test_uses_of_a_name_that_others_have_too_are_told_to_be_by_name_alone(cli: Cli) -> None:
    fill(cli.workspace)
    (cli.workspace / "src" / "other.py").write_text(
        "class Other:\n    def is_retried(self):\n        return 1\n"
    )
    assert cli.run("index").returncode == 0
    one = cli.run("symbol", "Policy.is_retried", "--references")
    assert one.stdout.startswith("src/retry.py:7")
    assert one.stderr == "note: uses go by 'is_retried' alone, which is defined in 1 other place too\n"
    assert cli.run("symbol", "is_retried", "--references").stderr == ""
    assert cli.run("symbol", "Policy", "--references").stderr == ""


def test_a_name_is_shown_where_it_is_defined_and_used(indexed: Cli) -> None:
    defined = indexed.run("symbol", "Policy")
    assert defined.stdout == "src/retry.py:4  class Policy:\n"
    both = indexed.run("symbol", "is_retried", "--references").stdout.splitlines()
    assert both[0].startswith("src/retry.py:7  method def is_retried")
    assert both[2] == "used in"
    assert both[3] == "src/send.py:6  policy.is_retried(message)"
    reply = msgspec.json.decode(indexed.run("symbol", "Policy", "-r", "--json").stdout)
    assert [one["path"] for one in reply["definitions"]] == ["src/retry.py"]
    assert {one["path"] for one in reply["references"]} == {"src/send.py"}
    assert "references" not in msgspec.json.decode(indexed.run("symbol", "Policy", "--json").stdout)
    assert indexed.run("symbol", "Nobody").stdout == "Nothing is called 'Nobody' in the index.\n"


def test_the_map_stays_within_its_budget(indexed: Cli) -> None:
    done = indexed.run("map", "--budget", "200", "--question", "retries")
    assert "src/retry.py" in done.stdout
    assert "class Policy" in done.stdout
    assert re.search(r"\d of \d files, about \d+ tokens", done.stderr)
    reply = msgspec.json.decode(indexed.run("map", "--json", "--budget", "64").stdout)
    assert reply["tokens"] <= 64


def test_a_map_of_nothing_says_so(cli: Cli) -> None:
    (cli.workspace / "calc.py").unlink()
    assert cli.run("index").returncode == 0
    done = cli.run("map")
    assert (done.returncode, done.stdout[:20]) == (0, "There is nothing to ")


def test_an_outline_shows_what_a_file_defines(indexed: Cli) -> None:
    lines = indexed.run("outline", "src/retry.py").stdout.splitlines()
    assert lines[0].split() == ["4", "class", "Policy:"]
    assert "is_retried" in lines[1]
    places = msgspec.json.decode(indexed.run("outline", "src/retry.py", "--json").stdout)["places"]
    assert [place["name"] for place in places] == ["Policy", "Policy.is_retried"]
    (indexed.workspace / "empty.py").write_text("")
    assert indexed.run("outline", "empty.py").stdout == "empty.py defines nothing that is known by name.\n"
    (indexed.workspace / "empty.py").unlink()


def test_grep_shows_matching_lines_up_to_a_limit(indexed: Cli) -> None:
    assert indexed.run("grep", r"def is_\w+").stdout == "src/retry.py:7:    def is_retried(self, error):\n"
    cut = indexed.run("grep", "is_retried", "--limit", "1")
    assert len(cut.stdout.splitlines()) == 1
    assert "--limit gives more" in cut.stderr
    assert indexed.run("grep", "nowhere_at_all").stdout == "No line matches 'nowhere_at_all'.\n"
    assert len(msgspec.json.decode(indexed.run("grep", "is_retried", "--json").stdout)["matches"]) == 2


def test_doctor_counts_the_indexes(indexed: Cli) -> None:
    checks = [msgspec.json.decode(line) for line in indexed.run("doctor", "--json").stdout.splitlines()]
    (index,) = [check for check in checks if check["name"] == "index"]
    assert re.match(r"\d+\.\d MB for 1 workspace in .*/cache/index", index["detail"])


def test_uninstalling_with_the_data_removes_the_indexes(cli: Cli) -> None:
    assert cli.run("index").returncode == 0
    folder = cli.home.parent / "cache" / "index"
    assert folder.is_dir()
    kept = cli.run("uninstall", "--models", "--yes")
    assert kept.returncode == 0, kept.stderr
    assert folder.is_dir()
    done = cli.run("uninstall", "--data", "--yes")
    assert f"deleted {folder}" in done.stdout
    assert not folder.exists()


def test_a_run_goes_on_by_words_where_no_index_can_be_kept(cli: Cli, answering: ScriptedServer) -> None:
    cache = cli.home.parent / "cache"
    cache.mkdir()
    (cache / "index").write_text("in the way")
    done = cli.run("explain", "What does calc.py do?")
    assert done.returncode == 0, done.stderr
    assert "calc.py" in done.stdout
    refused = cli.run("index")
    assert (refused.returncode, refused.stdout) == (Exit.JOURNAL, "")
    assert "folder of the index cannot be made" in refused.stderr


def test_the_council_cites_what_the_index_finds(indexed: Cli, answering: ScriptedServer) -> None:
    config = (indexed.home / "config.toml").read_text()
    url = config.split('base_url = "')[1].split('"')[0]
    (indexed.home / "config.toml").write_text(config.replace(url, answering.base_url))
    done = indexed.run("explain", "Which errors are tried again?")
    (indexed.home / "config.toml").write_text(config)
    assert done.returncode == 0, done.stderr
    assert any("class Policy" in str(request.body) for request in answering.requests)
