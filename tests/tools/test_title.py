"""The form of a commit's and a pull request's title, as the hook and the workflow check it."""

import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

SCRIPT = ROOT / "tools" / "title.sh"


def _check(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    "title", ["feat: fork a run", "fix(runs)!: close calls left open", "ci: pin the actions"]
)
def test_a_title_in_conventional_form_is_accepted(title: str) -> None:
    assert _check(text=f"{title}\n\nbody").returncode == 0


@pytest.mark.parametrize(
    "title", ["Fork a run", "feat fork", "feat: fork a run.", "feature: fork", "feat:fork", ""]
)
def test_another_title_is_refused_and_named(title: str) -> None:
    done = _check(text=f"{title}\n")
    assert done.returncode == 1
    assert f"'{title}'" in done.stderr


def test_the_title_is_read_from_the_file_of_a_commit_message(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_text("docs: say why\n\nA longer text.\n", encoding="utf-8")
    assert _check(message).returncode == 0
