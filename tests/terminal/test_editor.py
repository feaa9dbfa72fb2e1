"""The person's editor: what comes out of it, and what goes wrong with it."""

from pathlib import Path

import pytest

from naestro.errors import InputError
from naestro.terminal.editor import edit, edit_json

pytestmark = pytest.mark.anyio


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes the person's editor a shell script over the file `$1`."""

    def write(script: str) -> None:
        program = tmp_path / "an editor"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", f"'{program}'")

    return write


async def test_the_newline_that_editors_add_is_no_change(editor) -> None:
    editor('echo >> "$1"')
    with pytest.raises(InputError, match="Nothing was changed"):
        await edit("as it was", "step.prompt")
    editor('printf "as it is\\n" > "$1"')
    assert await edit("as it was", "step.prompt") == "as it is"
    assert await edit("as it was\n", "step.prompt") == "as it is\n"


async def test_json_is_laid_out_for_reading_and_comes_back_compact(editor) -> None:
    editor('grep -q "^  .text.: .old." "$1" && sed -i.bak s/old/new/ "$1"')
    assert await edit_json(b'{"text":"old","seed":1}', "step.output") == '{"text":"new","seed":1}'
    editor('printf "{" > "$1"')
    assert await edit_json(b"[1]", "step.output") == "{"


async def test_an_editor_that_fails_changes_nothing(editor, monkeypatch: pytest.MonkeyPatch) -> None:
    editor("exit 3")
    with pytest.raises(InputError, match="ended with code 3"):
        await edit("x", "n")
    editor("printf '\\377' > \"$1\"")
    with pytest.raises(InputError, match="no UTF-8"):
        await edit("x", "n")
    monkeypatch.setenv("EDITOR", "no-such-editor-here")
    with pytest.raises(InputError, match="cannot be started"):
        await edit("x", "n")
    monkeypatch.setenv("EDITOR", "'unclosed")
    with pytest.raises(InputError, match="cannot be started"):
        await edit("x", "n")
