"""Git's global file of ignored names: where it is, as git itself says, and that its patterns hold."""

import os
from pathlib import Path

import pytest

from naestro.policy.global_ignores import GlobalIgnores
from naestro.policy.ignore import Ignores
from tests.policy.test_ignore import git


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's home folder, empty."""
    for name in [name for name in os.environ if name.startswith("GIT_") or name == "XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def ignored(repository: Path, *names: str) -> set[str]:
    """The names that are ignored here; git says the same."""
    said = git(repository, "check-ignore", "--no-index", *names, codes=(0, 1)).decode().split()
    ignores = Ignores(repository)
    assert {name for name in names if ignores.ignored_by(name)} == set(said)
    return set(said)


def test_without_a_setting_it_lies_in_the_persons_settings(
    repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / ".config/git/ignore", "a\n")
    assert ignored(repository, "a", "b") == {"a"}
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert ignored(repository, "a", "b") == set()
    write(home / "xdg/git/ignore", "b\n")
    assert ignored(repository, "a", "b") == {"b"}


def test_it_yields_to_the_repositorys_own_excludes_and_these_to_a_gitignore(
    repository: Path, home: Path
) -> None:
    write(home / ".config/git/ignore", "*.one\n*.two\n!c.three\n")
    write(repository / ".git/info/exclude", "!a.one\n*.three\n")
    write(repository / ".gitignore", "!a.two\n")
    assert ignored(repository, "a.one", "b.one", "a.two", "b.two", "c.three") == {"b.one", "b.two", "c.three"}


@pytest.mark.parametrize("value", ["~/mine", "{home}/mine", "mine", "../home/mine", "%(prefix)/mine"])
def test_a_setting_names_it_as_git_reads_it(repository: Path, home: Path, value: str) -> None:
    write(home / ".config/git/ignore", "default\n")
    write(home / "mine", "home\n")
    write(repository / "mine", "top\n")
    write(home / ".gitconfig", f"[core]\n\texcludesFile = {value.format(home=home)}\n")
    (repository / "below").mkdir()
    said = ignored(repository, "default", "home", "top")
    assert said == {"mine": {"top"}, "%(prefix)/mine": set()}.get(value, {"home"})
    assert {name for name in ("home", "top") if Ignores(repository / "below").ignored_by(name)} == said


def test_an_empty_setting_means_none(repository: Path, home: Path) -> None:
    write(home / ".config/git/ignore", "a\n")
    write(home / ".gitconfig", "[core]\n\texcludesFile =\n")
    assert ignored(repository, "a") == set()


def test_the_last_file_of_the_configuration_wins(repository: Path, home: Path) -> None:
    for name in ("a", "b", "c"):
        write(home / name, f"{name}\n")
    write(home / ".config/git/config", f"[core]\n\texcludesfile = {home}/a\n")
    assert ignored(repository, "a", "b", "c") == {"a"}
    write(home / ".gitconfig", "[CORE]\n\tExcludesFile = ~/b\n")
    assert ignored(repository, "a", "b", "c") == {"b"}
    git(repository, "config", "core.excludesFile", str(home / "c"))
    assert ignored(repository, "a", "b", "c") == {"c"}
    git(repository, "config", "--unset", "core.excludesFile")
    assert ignored(repository, "a", "b", "c") == {"b"}


def test_includes_and_their_conditions_count(repository: Path, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q", "-b", "main")
    write(home / "a", "a\n")
    write(home / "b", "b\n")
    write(
        home / ".gitconfig",
        f'[include]\n\tpath = all\n[includeIf "gitdir:{repository}/"]\n\tpath = ~/work\n'
        '[includeIf "onbranch:side"]\n\tpath = none\n',
    )
    assert ignored(repository, "a", "b") == set()
    write(home / "all", "[core]\n\texcludesfile = ~/a\n")
    assert (ignored(repository, "a", "b"), ignored(other, "a", "b")) == ({"a"}, {"a"})
    write(home / "work", "[core]\n\texcludesfile = ~/b\n")
    assert (ignored(repository, "a", "b"), ignored(other, "a", "b")) == ({"b"}, {"a"})
    write(home / "none", "[core]\n\texcludesfile = ~/none-such\n")
    assert ignored(other, "a", "b") == {"a"}
    git(other, "symbolic-ref", "HEAD", "refs/heads/side")
    assert ignored(other, "a", "b") == set()


def test_the_environment_may_hold_the_configuration(
    repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "a", "a\n")
    write(home / "b", "b\n")
    write(home / "else", "[core]\n\texcludesfile = ~/a\n")
    write(home / ".gitconfig", "[core]\n\texcludesfile = ~/b\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "else"))
    assert ignored(repository, "a", "b") == {"a"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.excludesFile")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(home / "b"))
    assert ignored(repository, "a", "b") == {"b"}


def test_variables_that_name_another_repository_are_no_matter(
    repository: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "a", "a\n")
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "config", "core.excludesFile", str(home / "a"))
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert Ignores(repository).ignored_by("a") is None
    assert Ignores(other).ignored_by("a") == ".gitignore"


def test_git_is_asked_once_for_all_repositories_and_again_when_the_configuration_changed(
    repository: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = tmp_path / "asked"
    program = write(
        tmp_path / "bin/git", f'#!/bin/sh\necho >> {counter}\nPATH={os.environ["PATH"]} exec git "$@"\n'
    )
    program.chmod(0o755)
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("PATH", str(program.parent))

    def asked() -> int:
        return len(counter.read_text()) if counter.exists() else 0

    for _ in range(3):
        assert Ignores(repository).ignored_by("a") is None
        assert Ignores(other).ignored_by("a") is None
    assert asked() == 1
    write(home / "a", "a\n")
    write(home / ".gitconfig", "[core]\n\texcludesfile = ~/a\n")
    for _ in range(3):
        assert Ignores(repository).ignored_by("a") == ".gitignore"
        assert Ignores(other).ignored_by("a") == ".gitignore"
    assert asked() == 3


def test_without_git_the_default_holds(repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".config/git/ignore", "a\n")
    write(home / ".gitconfig", "[core]\n\texcludesfile = ~/b\n")
    monkeypatch.setenv("PATH", str(home))
    assert Ignores(repository).ignored_by("a") == ".gitignore"
    monkeypatch.delenv("HOME")
    assert Ignores(repository).ignored_by("a") is None


def test_a_configuration_that_git_cannot_read_leaves_the_default(repository: Path, home: Path) -> None:
    write(home / ".config/git/ignore", "a\n")
    write(home / ".gitconfig", "[core\n")
    assert Ignores(repository).ignored_by("a") == ".gitignore"
    write(home / ".gitconfig", "")
    assert ignored(repository, "a") == {"a"}


def test_a_git_that_hangs_is_not_waited_for(
    repository: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "bin/git", "#!/bin/sh\nexec /bin/sleep 60\n").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    places = GlobalIgnores(git_s=0.1)
    assert places.file_of(repository, repository / ".git") == home / ".config/git/ignore"


def test_without_a_repository_git_s_global_file_says_nothing(home: Path, tmp_path: Path) -> None:
    write(home / ".config/git/ignore", "a\n")
    (tmp_path / "plain").mkdir()
    assert Ignores(tmp_path / "plain").ignored_by("a") is None


def test_only_so_many_places_are_remembered(repository: Path, tmp_path: Path) -> None:
    places = GlobalIgnores(known_max=1)
    for _ in range(2):
        assert places.file_of(repository, repository / ".git") == tmp_path / "home/.config/git/ignore"
    assert len(places._known) == 1
