"""Properties of the patch parser: any change of a text can be said, and nothing else than it is done."""

import re
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from naestro.council.patches import parse_patch
from naestro.errors import MissingFile, NaestroError, PatchEmpty
from naestro.policy.changes import execute, plan, undo
from naestro.policy.text import TextFile, decode
from naestro.policy.workspace import Workspace

PIECES = [
    "a",
    "b",
    "    x = 1",
    "",
    "=======",
    "```",
    "~~~",
    "Title",
    "<<<<<<< SEARCH",
    ">>>>>>> REPLACE",
    "a ",
    "7 b",
    "é",
    "\r",
]
LINES = st.lists(st.sampled_from(PIECES), max_size=9)
SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def reader(before: str | None) -> Callable[[str], TextFile]:
    """A `read` that knows one file, `f.txt`."""

    def read(path: str) -> TextFile:
        if before is None:
            raise MissingFile(f"no {path}", path=path)
        return decode("f.txt", before.encode(), 0o644)

    return read


def as_block(before: list[str], after: list[str]) -> str | None:
    """One block that replaces all lines, with markers of a length that no line has; None where all are taken."""
    taken = {
        len(found[1]) for line in [*before, *after] if (found := re.match(r"(<{5,9}|={5,9}|>{5,9})", line))
    }
    free = [size for size in range(5, 10) if size not in taken]
    if not free:
        return None
    size = free[-1]
    return "\n".join(
        ["`f.txt`", "<" * size + " SEARCH", *before, "=" * size, *after, ">" * size + " REPLACE"]
    )


def as_file(after: list[str]) -> str:
    """The whole file in a fence that is longer than any in it."""
    fence = "`" * 5
    return "\n".join([f"{fence} path=f.txt", *after, fence])


def text_of(lines: list[str], is_ended: bool) -> str:
    text = "\n".join(lines)
    return text + "\n" if lines and is_ended else text


@SETTINGS
@given(before=LINES, after=LINES, is_ended=st.booleans())
@example(before=["a", "=======", "b"], after=["```", "x"], is_ended=False)
def test_any_pair_of_texts_can_be_said_as_a_block(
    before: list[str], after: list[str], is_ended: bool
) -> None:
    old = text_of(before, is_ended)
    assume(decode("f.txt", old.encode(), 0).lines == before)
    assume(old.strip() or not before)
    patch = as_block(before, after)
    assert patch is not None
    wanted = text_of(after, is_ended or not before)
    try:
        (change,) = parse_patch(patch.replace("\r\n", "\r\r\n"), reader(old))
    except PatchEmpty:
        assert wanted == reader(old)("f.txt").text
    else:
        assert change.after == wanted


@SETTINGS
@given(before=st.one_of(st.none(), LINES), after=LINES)
@example(before=["\r"], after=[""])
def test_any_text_can_be_said_as_a_whole_file(before: list[str] | None, after: list[str]) -> None:
    old = None if before is None else text_of(before, True)
    assume(not after[:2] or not any("SEARCH" in line for line in after))
    wanted = text_of(after, True)
    try:
        changes = parse_patch(as_file(after).replace("\r\n", "\r\r\n"), reader(old))
    except PatchEmpty:
        assert old is not None
        assert wanted == reader(old)("f.txt").text or (0 < len(after) < len(before or []))
    else:
        assert [change.after for change in changes] == [wanted]


@SETTINGS
@given(
    before=LINES,
    after=LINES,
    newline=st.sampled_from([b"\n", b"\r\n"]),
    bom=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    mode=st.sampled_from([0o644, 0o755]),
)
def test_a_parsed_patch_applied_and_undone_leaves_every_byte(
    tmp_path: Path, before: list[str], after: list[str], newline: bytes, bom: bytes, mode: int
) -> None:
    path = tmp_path / "f.txt"
    data = bom + b"".join(line.strip("\r").encode() + newline for line in before)
    path.write_bytes(data)
    path.chmod(mode)
    workspace = Workspace.find(tmp_path)
    try:
        planned = plan(workspace, parse_patch(as_file(after), workspace.read))
    except NaestroError:
        assert path.read_bytes() == data
        return
    execute(planned)
    undo(workspace, planned.record)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (data, mode)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([*PIECES, "f.txt", "`f.txt`", "```python", ">>>>>>> REPLACE", "words here"]),
        max_size=14,
    )
)
def test_no_text_breaks_the_parser(lines: list[str]) -> None:
    try:
        changes = parse_patch("\n".join(lines), reader("a\nb\n"))
    except NaestroError as error:
        told = error.message and error.hint
    else:
        told = changes
    assert told
