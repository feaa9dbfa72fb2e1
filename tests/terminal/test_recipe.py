"""Runs described in TOML, and candidates from files: what is wrong is said in one sentence."""

from pathlib import Path

import pytest

from naestro.errors import InputError
from naestro.terminal.recipe import MAX_CANDIDATE_BYTES, read_candidates, read_recipe

WHOLE = """
command = "orchestrate"
seed = 7
workspace = "sub"
[task]
text = "Make it add"
files = ["calc.py"]
[council]
consensus = "judge"
[roles.proposer]
engines = ["alpha"]
"""


def test_a_recipe_gives_command_task_settings_and_folder(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(WHOLE)
    recipe = read_recipe(file)
    assert (recipe.command, recipe.seed, recipe.workspace) == ("orchestrate", 7, tmp_path / "sub")
    assert recipe.task == {"text": "Make it add", "files": ["calc.py"]}
    assert recipe.settings == {
        "council": {"consensus": "judge"},
        "roles": {"proposer": {"engines": ["alpha"]}},
    }


def test_a_recipe_of_a_judgement_reads_its_candidates_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('command = "judge"\n[task]\ntext = "x"\ncandidates = ["a.txt", "b.txt"]\n')
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    recipe = read_recipe(file)
    assert recipe.workspace is None
    assert recipe.task["candidates"] == [
        {"name": str(tmp_path / "a.txt"), "text": "one"},
        {"name": str(tmp_path / "b.txt"), "text": "two"},
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("command = 7\n[task]\ntext = 'x'", "Expected `str`"),
        ("command = 'explain'", "task"),
        ("command = 'explain'\n[task]\ntext = 'x'\nfile = 'y'", "file"),
        ("command = 'dance'\n[task]\ntext = 'x'", "'dance'"),
        ("command = ", "describe a run"),
    ],
)
def test_a_wrong_recipe_is_told_with_its_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(InputError) as raised:
        read_recipe(file)
    assert str(file) in raised.value.message
    assert named in raised.value.message


def test_a_recipe_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="does not describe a run"):
        read_recipe(tmp_path / "bytes.toml")


def test_candidates_are_two_or_more_texts_of_bounded_size(tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.write_text("fine")
    with pytest.raises(InputError, match="at least two"):
        read_candidates([good])
    large, binary = tmp_path / "large", tmp_path / "binary"
    large.write_bytes(b"x" * (MAX_CANDIDATE_BYTES + 1))
    binary.write_bytes(b"\xff\x00")
    with pytest.raises(InputError, match="larger than"):
        read_candidates([good, large])
    with pytest.raises(InputError, match="not UTF-8"):
        read_candidates([good, binary])
