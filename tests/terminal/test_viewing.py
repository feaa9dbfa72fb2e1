"""Looking at runs, models and settings from the command line."""

from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from naestro import __version__
from naestro.types import decode_event
from tests.support.answers import fail, say_tokens
from tests.support.cli import Cli
from tests.support.hub import Hub
from tests.support.scripted_server import ScriptedServer
from tests.support.unprivileged import unprivileged
from tests.terminal.test_asking import ASKED


class Page(HTMLParser):
    """What a browser would be asked to load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_the_trace_shows_each_step_with_engine_tokens_and_time(cli: Cli, answering: ScriptedServer) -> None:
    cli.run("explain", ASKED)
    shown = cli.run("trace")
    assert shown.returncode == 0
    line = next(line for line in shown.stdout.splitlines() if "propose.1" in line)
    assert "alpha" in line
    assert "━" in line
    assert " s " in line
    assert cli.run("trace", "--follow").stdout == shown.stdout
    narrow = cli.run("trace", env={"COLUMNS": "70"})
    assert max(map(len, narrow.stdout.splitlines())) <= 140


def test_one_step_is_shown_whole(cli: Cli, answering: ScriptedServer) -> None:
    cli.run("explain", ASKED)
    shown = cli.run("trace", "--step", "propose.1")
    assert "attempt 1 by alpha" in shown.stdout
    assert ASKED in shown.stdout
    assert "The function adds two numbers" in shown.stdout
    missing = cli.run("trace", "--step", "propose.7")
    assert missing.returncode == 2
    assert "propose.7" in missing.stderr


def test_the_page_loads_nothing_and_runs_nothing_that_a_model_said(
    cli: Cli, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    scripted_server.otherwise('<script>alert(1)</script><img src="http://x/"> (calc.py:4-6)')
    cli.run("explain", f"{ASKED} <b onload=x>")
    file = tmp_path / "page.html"
    done = cli.run("trace", "--html", str(file))
    assert done.returncode == 0, done.stderr
    text = file.read_text()
    page = Page(text)
    assert "script" not in page.tags
    assert page.links == []
    assert "default-src 'none'" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert {"svg", "details", "table"} <= set(page.tags)
    refused = cli.run("trace", "--html", str(tmp_path / "no" / "page.html"))
    assert refused.returncode == 2


def test_the_page_and_the_step_tell_what_failed_what_was_patched_and_what_was_asked(
    cli: Cli, patching: ScriptedServer, tmp_path: Path
) -> None:
    patching.when(lambda request: request.body["model"] == "beta", fail(500))
    cli.run("orchestrate", "Mend add in calc.py", "--yes")
    run = cli.runs()[0]["id"]
    prompt = tmp_path / "prompt"
    prompt.write_text("Mend it.")
    cli.run("undo", run)
    cli.run("patch", run, "propose.1", "--target", "prompt", "--file", str(prompt), "--resume", "--yes")
    file = tmp_path / "page.html"
    cli.run("trace", run, "--html", str(file))
    page = file.read_text()
    for words in (
        "Patch, applied",
        '<span class="ins">+    return left + right</span>',
        "prompt patched by cli",
        "Apply this change to 1 file? <b>yes (by cli)</b>",
        "attempt 1: ",
        "dropped",
        "reads retrieve r1",
    ):
        assert words in page
    step = cli.run("trace", run, "--step", "propose.1").stdout
    assert "prompt patched by cli:" in step
    assert "prompt (patched)" in step
    assert "opened because of propose.1" in cli.run("trace", run, "--step", "adjudicate").stdout
    assert "engine: The engine beta answered" in cli.run("trace", run, "--step", "propose.2").stdout


def test_the_page_of_a_fork_and_of_a_run_without_a_result(
    cli: Cli, answering: ScriptedServer, tmp_path: Path
) -> None:
    cli.run("explain", ASKED)
    run, file = cli.runs()[0]["id"], tmp_path / "page.html"
    cli.run("fork", run, "--at", "synthesize")
    cli.run("trace", "--html", str(file))
    assert f"forked from {run}" in file.read_text()
    assert "kept from" in cli.run("trace", "last", "--step", "propose.1").stdout
    answering.when(lambda request: True, fail(500, "<it broke>"))
    cli.run("explain", ASKED)
    cli.run("trace", "--html", str(file))
    page = file.read_text()
    assert '<p class="warning">' in page
    assert "<h2>Answer</h2>" not in page
    assert "<it broke>" not in page


def test_a_killed_call_shows_the_text_that_had_come(
    cli: Cli, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=3))
    process = cli.start("explain", ASKED, "--proposers", "1", "--consensus", "judge", "--json")
    assert process.stdout is not None
    while '"type":"tokens"' not in process.stdout.readline():
        pass
    process.kill()
    process.communicate(timeout=20)
    file = tmp_path / "page.html"
    cli.run("trace", "--html", str(file))
    assert "0 1 2" in file.read_text()
    assert "0 1 2" in cli.run("trace", "--step", "propose.1").stdout
    assert "proposers" in str(cli.events()[0].data)


def test_following_ends_with_the_run(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=3))
    works = cli.start("explain", ASKED)
    scripted_server.wait_until(lambda: len(scripted_server.chats) == 2)
    follows = cli.start("trace", "--follow", "--json")
    assert follows.stdout is not None
    first = decode_event(follows.stdout.readline().encode())
    assert first.type == "run.started"
    scripted_server.otherwise("It subtracts (calc.py:6).")
    scripted_server.release()
    events = [first, *(decode_event(line.encode()) for line in follows.stdout)]
    follows.communicate(timeout=30)
    works.communicate(timeout=30)
    assert events[-1].type == "run.finished"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_runs_are_listed_newest_first_and_pruned_on_request(cli: Cli, answering: ScriptedServer) -> None:
    assert "No runs yet" in cli.run("runs").stdout
    cli.run("explain", ASKED)
    cli.run("explain", "What does calc.py do at all?")
    listed = cli.run("runs")
    assert listed.stdout.index("What does calc.py") < listed.stdout.index("Why does add")
    elsewhere = cli.run("runs", "--workspace", str(cli.home), "--json")
    assert elsewhere.stdout == ""
    kept = cli.run("runs", "prune", "--keep-days", "0", "--json")
    assert msgspec.json.decode(kept.stdout)["runs"] == []
    dry = cli.run("runs", "prune", "--keep-days", "0.00000001", "--dry-run", "--json")
    assert len(msgspec.json.decode(dry.stdout)["runs"]) == 2
    assert len(cli.runs()) == 2
    pruned = cli.run("runs", "prune", "--max-size-mb", "0")
    assert pruned.returncode == 0, pruned.stderr
    assert cli.runs() == []


def test_the_catalogue_says_what_is_here(cli: Cli) -> None:
    listed = [msgspec.json.decode(line) for line in cli.run("models", "list", "--json").stdout.splitlines()]
    assert listed[0]["name"] == "smollm2-135m"
    assert not any(model["is_installed"] for model in listed)
    assert "Apache-2.0" in cli.run("models", "list").stdout
    removed = cli.run("models", "rm", "smollm2-135m")
    assert removed.stdout == "smollm2-135m was not here\n"


def test_settings_are_shown_with_their_sources_and_without_secrets(cli: Cli) -> None:
    (cli.workspace / "naestro.toml").write_text(
        "[council]\nproposers = 5\n[engines.x]\nbase_url = 'http://h/v1'\n"
    )
    shown = cli.run("config", "show", env={"CONCURRENCY_MAX": "3", "EDENAI_API_KEY": "hidden-key"})
    assert shown.returncode == 0, shown.stderr
    lines = {line.split()[0]: line for line in shown.stdout.splitlines()}
    assert "workspace file" in lines["council.proposers"]
    assert "CONCURRENCY_MAX" in lines["flags.concurrency_max"]
    assert "default" in lines["council.critics"]
    assert "hidden-key" not in shown.stdout + shown.stderr
    assert "engines.x" in shown.stderr
    rows = [msgspec.json.decode(line) for line in cli.run("config", "show", "--json").stdout.splitlines()]
    assert {"key", "value", "source"} == set(rows[0])


def test_a_workspace_is_trusted_as_it_is_and_no_longer_after_a_change(
    cli: Cli, answering: ScriptedServer
) -> None:
    file = cli.workspace / "naestro.toml"
    file.write_text("[embedded]\nllama_server = '/bin/false'\n")
    assert cli.run("explain", ASKED).returncode == 2
    trusted = cli.run("trust")
    assert "/bin/false" in trusted.stdout
    assert cli.run("explain", ASKED).returncode == 0
    file.write_text("[embedded]\nllama_server = '/bin/true'\n")
    assert cli.run("explain", ASKED).returncode == 2
    cli.run("trust")
    assert "no longer" in cli.run("trust", "--revoke").stdout
    assert "was not trusted" in cli.run("trust", "--revoke").stdout
    assert cli.run("explain", ASKED).returncode == 2


def test_the_doctor_names_what_is_wrong(cli: Cli, scripted_server: ScriptedServer) -> None:
    well = cli.run("doctor", "--json")
    checks = [msgspec.json.decode(line) for line in well.stdout.splitlines()]
    assert {"name", "is_ok", "detail", "hint"} <= set(checks[0])
    config = cli.home / "config.toml"
    config.write_text(config.read_text().replace(scripted_server.base_url, "http://127.0.0.1:9/v1"))
    (cli.workspace / "naestro.toml").write_text("[embedded]\nllama_server = '/bin/false'\n")
    ill = cli.run("doctor")
    assert ill.returncode == 1
    assert "! " in ill.stderr
    assert "✗" in ill.stdout


def test_uninstall_deletes_only_what_was_asked_for(cli: Cli, answering: ScriptedServer) -> None:
    cli.run("explain", ASKED)
    kept = cli.run("uninstall")
    assert kept.returncode == 0, kept.stderr
    assert (cli.home / "journal.db").exists()
    refused = cli.run("uninstall", "--data")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    done = cli.run("uninstall", "--data", "--models", "--yes")
    assert done.returncode == 0, done.stderr
    assert not cli.home.exists()


def test_uninstall_leaves_what_is_not_its_own(cli: Cli) -> None:
    (cli.home / "letter.txt").write_text("mine")
    (cli.home / "logs").mkdir()
    done = cli.run("uninstall", "--data", "--yes")
    assert [path.name for path in cli.home.iterdir()] == ["letter.txt"]
    assert f"kept {cli.home}" in done.stdout
    assert "nothing of Naestro is left" not in done.stdout


def test_uninstall_finds_the_settings_where_the_platform_keeps_them(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "config"
    platform = {
        "NAESTRO_HOME": "",
        "NAESTRO_CACHE": "",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(config),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    shown = cli.run("config", "show", env=platform)
    assert shown.returncode == 0, shown.stderr
    file = config / "naestro" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[council]\nproposers = 2\n")
    done = cli.run("uninstall", "--data", "--yes", env=platform)
    assert f"deleted {file}" in done.stdout
    assert not file.parent.exists()
    assert "nothing of Naestro is left but the package" in done.stdout


def test_what_cannot_be_deleted_is_told(cli: Cli) -> None:
    with unprivileged() as folder:
        home = folder / "home"
        logs = home / "logs"
        logs.mkdir(parents=True)
        (logs / "x.log").write_text("")
        logs.chmod(0o500)
        cli.workspace = folder
        env = {"NAESTRO_HOME": str(home), "NAESTRO_CACHE": str(folder / "cache")}
        done = cli.run("uninstall", "--data", "--yes", env=env)
        assert done.returncode == 2
        assert "cannot be deleted: Permission denied" in done.stderr


def test_uninstall_parks_the_run_that_goes_on(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.otherwise(say_tokens(9, stall_after=3))
    works = cli.start("explain", ASKED)
    scripted_server.wait_until(lambda: len(scripted_server.chats) == 2)
    done = cli.run("uninstall", "--yes")
    assert f"process {works.pid}" in done.stdout
    works.communicate(timeout=20)
    assert cli.runs()[0]["status"] == "stopped"


def test_help_and_version_answer(cli: Cli) -> None:
    assert cli.run("--version").stdout == f"naestro {__version__}\n"
    assert cli.run("-V").stdout == f"naestro {__version__}\n"
    helped = cli.run("--help")
    for command in (
        "orchestrate",
        "explain",
        "trace",
        "judge",
        "run",
        "resume",
        "patch",
        "fork",
        "replay",
        "undo",
    ):
        assert command in helped.stdout
    assert cli.run("explain", "--version").returncode == 2
    assert cli.run("--version", "runs").stdout == f"naestro {__version__}\n"


def test_a_model_that_cannot_be_fetched_is_told(cli: Cli) -> None:
    env = {"NAESTRO_MODELS__SOURCES": "hub", "NAESTRO_MODELS__HUB_URL": "http://127.0.0.1:9"}
    done = cli.run("models", "pull", "smollm2-135m", env=env)
    assert done.returncode == 4
    assert "smollm2-135m" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.engine
def test_a_model_that_is_here_is_verified_listed_and_found(cli: Cli, smallest_model: Path) -> None:
    env = {"NAESTRO_CACHE": str(smallest_model.parents[1])}
    assert cli.run("models", "pull", "smollm2-135m", env=env).stdout == f"smollm2-135m: {smallest_model}\n"
    assert cli.run("models", "path", "smollm2-135m", env=env).stdout == f"{smallest_model}\n"
    line = next(line for line in cli.run("models", "list", env=env).stdout.splitlines() if "smollm2" in line)
    assert "✓" in line


@pytest.mark.engine
def test_a_model_is_fetched_from_a_hub_and_each_source_is_named(cli: Cli, smallest_model: Path) -> None:
    with Hub(smallest_model.read_bytes()) as hub:
        env = {"NAESTRO_MODELS__SOURCES": "hub", "NAESTRO_MODELS__HUB_URL": hub.url}
        done = cli.run("models", "pull", "smollm2-135m", env=env)
    assert done.returncode == 0, done.stderr
    assert "smollm2-135m: " in done.stderr
    assert Path(cli.env["NAESTRO_CACHE"], "models", "smollm2-135m.gguf").exists()


def test_models_that_are_removed_free_their_room(cli: Cli) -> None:
    models = Path(cli.env["NAESTRO_CACHE"], "models")
    models.mkdir(parents=True)
    (models / "smollm2-135m.gguf").write_bytes(b"x" * 2_000_000)
    assert cli.run("models", "rm", "smollm2-135m").stdout == "smollm2-135m: 2 MB freed\n"
