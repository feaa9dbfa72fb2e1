"""What a prompt's blocks become: a task's text, files of the workspace, quotes and notes."""

from pathlib import Path

import pytest
from acp.helpers import (
    ContentBlock,
    audio_block,
    embedded_blob_resource,
    embedded_text_resource,
    image_block,
    resource_block,
    resource_link_block,
    text_block,
)

from naestro_acp.prompt import NO_EARS, NO_EYES, QUOTED_CHARS_MAX, Prompt, read_prompt


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "calc.py").write_text("x = 1\n")
    (folder / "a b.py").write_text("y = 2\n")
    (tmp_path / "outside.py").write_text("z = 3\n")
    return folder.resolve()


def read(root: Path, *blocks: ContentBlock | str, cwd: Path | None = None) -> Prompt:
    return read_prompt(
        [text_block(one) if isinstance(one, str) else one for one in blocks], str(root), str(cwd or root)
    )


def test_text_alone_stays_as_it_is(root: Path) -> None:
    assert read(root, "  What does x do?\n") == Prompt("What does x do?")


def test_a_link_to_a_file_of_the_workspace_is_named_in_the_text_and_read(root: Path) -> None:
    link = resource_link_block("calc.py", f"file://{root}/src/calc.py")
    prompt = read(root, "explain", link, " please")
    assert prompt == Prompt("explain src/calc.py please", [f"{root}/src/calc.py"])


def test_a_name_with_a_space_is_unquoted(root: Path) -> None:
    assert read(root, resource_link_block("a b.py", f"file://{root}/a%20b.py")).files == [f"{root}/a b.py"]


@pytest.mark.parametrize(
    ("fragment", "lines"), [("L3:9", "3-9"), ("L3-9", "3-9"), ("L3-L9", "3-9"), ("L3", "3-3"), ("x", None)]
)
def test_selected_code_is_named_with_its_lines(root: Path, fragment: str, lines: str | None) -> None:
    selection = resource_block(embedded_text_resource(f"file://{root}/src/calc.py#{fragment}", "x = 1"))
    prompt = read(root, "explain ", selection)
    assert prompt.text == f"explain src/calc.py{f':{lines}' if lines else ''}"
    assert prompt.files == ([] if lines else [f"{root}/src/calc.py"])


def test_a_file_outside_is_not_read_unless_its_text_came_along(root: Path) -> None:
    outside = f"file://{root.parent}/outside.py"
    linked = read(root, "explain ", resource_link_block("outside.py", outside))
    assert (linked.text, linked.files) == ("explain outside.py", [])
    assert linked.notes == [f"{outside} lies outside the workspace and was not read."]
    given = read(root, "explain this", resource_block(embedded_text_resource(outside, "z = 3")))
    assert given.task == f"explain this\n\nFrom {outside}:\n```\nz = 3\n```"


def test_what_is_no_file_comes_along_as_text_and_is_cut(root: Path) -> None:
    page = resource_block(embedded_text_resource("https://example.org/page", "a" * (QUOTED_CHARS_MAX + 1)))
    prompt = read(root, "sum up", page)
    assert len(prompt.quotes[0]) < QUOTED_CHARS_MAX + 100
    assert prompt.notes == [f"https://example.org/page was cut after {QUOTED_CHARS_MAX} characters."]


def test_a_mention_becomes_a_file_and_what_is_none_stays(root: Path) -> None:
    prompt = read(root, "fix @src/calc.py, ask @nobody and me@example.org.")
    assert prompt.text == "fix src/calc.py, ask @nobody and me@example.org."
    assert prompt.files == [f"{root}/src/calc.py"]


def test_a_mention_counts_from_the_folder_where_the_person_stands(root: Path) -> None:
    prompt = read(root, "fix @calc.py:1-2 and @calc.py!", cwd=root / "src")
    assert prompt.text == "fix src/calc.py:1-2 and src/calc.py!"
    assert prompt.files == [f"{root}/src/calc.py"]


def test_images_sounds_and_bytes_are_told_to_be_left_out_once(root: Path) -> None:
    image = image_block("AAAA", "image/png")
    blob = resource_block(embedded_blob_resource("file:///x.bin", "AAAA"))
    prompt = read(root, "look", image, image, audio_block("AAAA", "audio/wav"), blob)
    assert prompt.notes == [NO_EYES, NO_EARS, "file:///x.bin is no text and was left out."]


def test_a_path_that_no_file_system_holds_is_outside(root: Path) -> None:
    assert read(root, resource_link_block("x", "file:///a%00b")).files == []


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "x/" * 2500])
def test_a_mention_that_no_file_system_holds_stays_as_it_was_typed(root: Path, name: str) -> None:
    prompt = read(root, f"What is @{name} ?")
    assert (prompt.text, prompt.files) == (f"What is @{name} ?", [])


@pytest.mark.parametrize("uri", ["file://[x", "http://[::1"])
def test_a_link_that_is_no_address_is_named_and_not_read(root: Path, uri: str) -> None:
    prompt = read(root, resource_link_block("it", uri))
    assert (prompt.text, prompt.files) == ("it", [])
    assert prompt.notes == [f"{uri} lies outside the workspace and was not read."]


def test_a_link_is_no_command_whatever_it_is_called(root: Path) -> None:
    assert read(root, resource_link_block("/undo", "https://example.org/")).text == "undo"
