"""Regular expressions over a workspace: two finders that find the same, within the workspace's rules and the time."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from naestro.errors import InputError, WorkspaceError
from naestro.index.asking.grep import Expression, Ripgrep, find_ripgrep, grep
from naestro.index.found import Match
from naestro.policy.workspace import Workspace

RIPGREP = Path(sys.executable).with_name("rg")


@pytest.fixture(params=["ripgrep", "re2"])
def finder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which finder `grep` takes: ripgrep where PATH leads to one."""
    assert RIPGREP.exists(), "the group `dev` of the requirements brings ripgrep"
    monkeypatch.setenv("PATH", str(RIPGREP.parent if request.param == "ripgrep" else tmp_path / "nothing"))
    return str(request.param)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    (tmp_path / "tree").mkdir()
    return Workspace(tmp_path / "tree")


def write(workspace: Workspace, **files: str | bytes) -> None:
    """Files by name, `__` for a slash and `_dot_` for a dot."""
    for name, content in files.items():
        path = workspace.root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def places(found: list[Match]) -> list[tuple[str, int, str]]:
    """The matches as tuples."""
    return [(match.path, match.line, match.text) for match in found]


@pytest.mark.usefixtures("finder")
class TestBothFinders:
    """What ripgrep and RE2 have in common, which is everything that is promised."""

    def test_lines_come_in_the_order_of_path_and_line(self, workspace: Workspace) -> None:
        write(workspace, b_dot_py="x = 1\ny = 2\n\nx = 3", a__deep_dot_py="\n\n  x = 4\n", c_dot_py="z\n")
        assert places(grep(workspace, r"^\s*x =")) == [
            ("a/deep.py", 3, "  x = 4"),
            ("b.py", 1, "x = 1"),
            ("b.py", 4, "x = 3"),
        ]
        assert places(grep(workspace, r"^\s*x =", 2)) == places(grep(workspace, r"^\s*x ="))[:2]
        assert len(grep(workspace, "x", 0)) == 1
        assert grep(workspace, "nowhere") == grep(workspace, "x", paths=[]) == []

    @pytest.mark.parametrize(
        ("pattern", "lines"),
        [
            ("a$", [1, 3, 4]),
            ("^$", [2, 5]),
            ("[^q]", [1, 3, 4, 6]),
            (r"a\s+b", []),
            ("(?i)A", [1, 3, 4, 6]),
            ("", None),
            ("^", [1, 2, 3, 4, 5, 6]),
            (r"\bab\b|^a", [1, 3, 4, 6]),
        ],
    )
    def test_each_line_is_matched_by_itself(
        self, workspace: Workspace, pattern: str, lines: list[int] | None
    ) -> None:
        write(workspace, a_dot_txt="a\n\na a\na\r\n\nab\n")
        if lines is None:
            with pytest.raises(InputError):
                grep(workspace, pattern)
            return
        assert [match.line for match in grep(workspace, pattern)] == lines

    def test_what_the_rules_keep_out_is_never_found(self, workspace: Workspace, tmp_path: Path) -> None:
        (tmp_path / "outside.txt").write_text("needle\n")
        key = f"-----BEGIN PRIVATE KEY-----\n{'A' * 64}\nneedle\n"
        write(workspace, _dot_gitignore="hidden.txt\n", hidden_dot_txt="needle\n", key_dot_txt=key)
        write(workspace, _dot_env="needle\n", nul_dot_bin=b"needle\n\0\n", seen_dot_txt="a needle\n")
        write(workspace, large_dot_txt=b"needle\n" * 200_000)
        (workspace.root / "link.txt").symlink_to(tmp_path / "outside.txt")
        (workspace.root / "folder").symlink_to(tmp_path)
        os.mkfifo(workspace.root / "pipe")
        named = ["link.txt", "folder/outside.txt", "../outside.txt", "hidden.txt", ".env", "pipe", "gone.txt"]
        everything = [*workspace.files(), *named]
        assert places(grep(workspace, "needle")) == [("seen.txt", 1, "a needle")]
        assert places(grep(workspace, "needle", paths=everything)) == [("seen.txt", 1, "a needle")]

    def test_names_that_look_like_options_are_files(self, workspace: Workspace) -> None:
        for name in ("-v", "--files", "-", "a b:1:c.txt", "ä.txt"):
            (workspace.root / name).write_text("needle\n")
        assert {match.path for match in grep(workspace, "needle")} == set(workspace.files())
        assert places(grep(workspace, "--files", paths=["-v"])) == []
        assert places(grep(workspace, "-?needle", paths=["-"])) == [("-", 1, "needle")]

    def test_other_encodings_are_read_as_text(self, workspace: Workspace) -> None:
        write(workspace, latin_dot_txt="caf\xe9 needle\n".encode("latin-1"))
        write(workspace, wide_dot_txt=b"\xff\xfe" + "one\r\nneedle é\n".encode("utf-16-le"))
        write(workspace, broken_dot_txt=b"\xff\xfeneedle\0\0\0\0\0\x00\xd8\n")
        found = [("latin.txt", 1, "café needle"), ("wide.txt", 2, "needle é")]
        assert places(grep(workspace, "needle")) == found
        assert places(grep(workspace, "é$")) == [("wide.txt", 2, "needle é")]

    def test_what_an_editor_has_open_counts_instead_of_the_disk(self, workspace: Workspace) -> None:
        write(workspace, a_dot_py="old needle\n", b_dot_py="needle\n")
        write(workspace, gone_dot_py="needle\n", key_dot_py="needle\n", large_dot_py="needle\n")
        buffers = {
            "a.py": "\ufeffnew\r\nnew needle\r\n",
            "unsaved.py": "needle\n",
            "gone.py": None,
            ".env": "needle\n",
            "../outside.py": "needle\n",
            "./b.py": "another needle\n",
            "key.py": f"needle\n-----BEGIN PRIVATE KEY-----\n{'A' * 64}\n",
            "large.py": "needle\n" * 200_000,
        }
        assert places(grep(workspace, "needle", buffers=buffers)) == [
            ("a.py", 2, "new needle"),
            ("b.py", 1, "needle"),
            ("unsaved.py", 1, "needle"),
        ]

    def test_long_lines_are_cut(self, workspace: Workspace) -> None:
        write(workspace, long_dot_txt="x" * 10_000 + "needle\n")
        (match,) = grep(workspace, "needle")
        assert match.text == "x" * 500

    @pytest.mark.parametrize(
        "pattern", ["(", "a(?=b)", r"(a)\1", "a\nb", "a\0b", "x" * 2000, "a{900}{900}", "[a-z]{999}" * 10]
    )
    def test_an_expression_that_is_none_is_refused(self, workspace: Workspace, pattern: str) -> None:
        write(workspace, a_dot_txt="a\n")
        with pytest.raises(InputError, match="expression"):
            grep(workspace, pattern)

    @pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "(a*)*b", "(?:a?){30}a{30}b"])
    def test_no_expression_takes_more_than_linear_time(self, workspace: Workspace, pattern: str) -> None:
        write(workspace, a_dot_txt="a" * 100_000 + "!\n")
        start = time.process_time()
        assert grep(workspace, pattern) == []
        assert time.process_time() - start < 5

    def test_more_files_than_one_command_line_takes(self, workspace: Workspace) -> None:
        folder = "/".join(["a" * 200] * 5)
        (workspace.root / folder).mkdir(parents=True)
        for number in range(300):
            (workspace.root / folder / f"{number:03}.txt").write_text(f"needle {number}\n")
        found = grep(workspace, "needle", 1000)
        assert [match.text for match in found] == [f"needle {number}" for number in range(300)]


def ripgrep(workspace: Workspace, pattern: str, program: Path = RIPGREP) -> Ripgrep:
    """The finder by a program."""
    return Ripgrep(workspace.root, pattern, str(program), Expression(workspace.root, "a"))


class TestTheProgram:
    """Which ripgrep is started, and what is made of its end."""

    def test_one_inside_the_workspace_or_by_a_relative_path_is_never_started(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = workspace.root / "bin"
        folder.mkdir()
        shutil.copy(shutil.which("true") or "", folder / "rg")
        monkeypatch.setenv("PATH", str(folder))
        assert find_ripgrep(workspace.root) is None
        monkeypatch.chdir(folder.parent)
        monkeypatch.setenv("PATH", "bin")
        assert find_ripgrep(Path("/nowhere")) is None
        monkeypatch.setenv("PATH", str(RIPGREP.parent))
        assert find_ripgrep(workspace.root) == str(RIPGREP)

    def test_an_expression_that_only_ripgrep_refuses_is_refused(self, workspace: Workspace) -> None:
        write(workspace, a_dot_txt="a\n")
        with pytest.raises(InputError, match="cannot be used"):
            list(ripgrep(workspace, r"\C").find(["a.txt"], 1, time.monotonic() + 30))

    def test_where_it_does_not_start_the_other_finder_looks(
        self, workspace: Workspace, tmp_path: Path
    ) -> None:
        write(workspace, a_dot_txt="b\na\n")
        (tmp_path / "rg").write_text("no program")
        (tmp_path / "rg").chmod(0o755)
        for program in (tmp_path / "rg", tmp_path / "gone"):
            found = ripgrep(workspace, "a", program).find(["a.txt"], 1, time.monotonic() + 30)
            assert list(found) == [("a.txt", [2])]

    def test_both_finders_give_up_when_the_time_is_up(self, workspace: Workspace) -> None:
        write(workspace, a_dot_txt="a\n")
        for finder in (ripgrep(workspace, "a"), Expression(workspace.root, "a")):
            with pytest.raises(WorkspaceError, match="within"):
                list(finder.find(["a.txt"], 1, time.monotonic() - 1))

    def test_the_settings_of_the_person_s_ripgrep_do_not_count(
        self, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "ripgreprc").write_text("--invert-match\n")
        monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(tmp_path / "ripgreprc"))
        monkeypatch.setenv("PATH", str(RIPGREP.parent))
        write(workspace, a_dot_txt="needle\nother\n")
        assert places(grep(workspace, "needle")) == [("a.txt", 1, "needle")]
        plain = subprocess.run(
            [RIPGREP, "needle", "a.txt"], cwd=workspace.root, capture_output=True, text=True, check=False
        )
        assert plain.stdout == "other\n"


def test_what_is_no_expression_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        Expression(tmp_path, "(")
    assert "b'" not in refused.value.message
