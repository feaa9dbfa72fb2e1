"""What a test is written from: signatures, documentation and the task's words, not the bodies of the code.

A body says what the code does, right or wrong; a test that is read off it proves nothing. Of Python the bodies of
functions are left out, at their own line numbers; of other languages a part is shown as it is, and the prompt says
what counts. Above, `test`; below, the context's room, the search and the workspace.
"""

import ast
from collections.abc import Iterator
from itertools import islice

from naestro.council.context import Context, Room, named_files, span_of
from naestro.council.sitting import Kit
from naestro.council.suites import Suite, find_suite, is_testable
from naestro.council.task import Named, Task
from naestro.errors import InputError, WorkspaceError
from naestro.policy.text import TextFile

TARGETS_MAX = 3
"""Files that one test is written for."""
FOUND_SPANS = 8
"""Spans of the search that are looked through for the file that a name is defined in."""


class Ground(Context, frozen=True, kw_only=True):
    """What the council writes a test from: the output of `retrieve`."""

    suite: Suite
    targets: list[str]
    """The files that are tested."""
    is_documented: bool
    """Whether the code says in words what it should do, or is no Python, so that nobody looked."""


def gather(kit: Kit, task: Task, sentence: str, room_tokens: int, must_exist: bool) -> Ground:
    """The specification of what `task` names. Raises `InputError` where nothing is found that could be tested."""
    found = _targets(kit, task, must_exist)
    suite = find_suite(kit.files, found[0][0].path)
    room = Room(room_tokens, [])
    if suite.is_extended:
        file = kit.files.read(suite.destination)
        room.take(file, Named(path=file.path), set(), room_tokens // 2)
    for number, (file, within) in enumerate(found):
        share = room.tokens // (len(found) - number)
        for start, end in specified(file, within):
            room.add_found(span_of(file, start, end, "its specification"), share)
    return Ground(
        task=sentence,
        spans=room.in_order(),
        left_out=room.left_out,
        suite=suite,
        targets=[file.path for file, _ in found],
        is_documented=all(is_documented(file, within) for file, within in found),
    )


def _targets(kit: Kit, task: Task, must_exist: bool) -> list[tuple[TextFile, Named]]:
    """The files that the task names, else those that the search finds its words in; tests are none."""
    files = list(named_files(kit.files, task, must_exist))
    named = [pair for pair in files if is_testable(pair[0].path)] or files
    named = named or list(_defining(kit, task.words)) or list(_found(kit, task))
    if not named:
        raise InputError(
            f"No code was found for {task.words!r}.",
            hint="Name a file, `file:line-line`, or a name in the code.",
        )
    return named[:TARGETS_MAX]


def _defining(kit: Kit, words: str) -> Iterator[tuple[TextFile, Named]]:
    """The first file that defines the name which is all of the task: `add`, `calc.add`, `add()`."""
    name = words.removesuffix("()").rpartition(".")[2]
    if not name.isidentifier():
        return
    for path in islice(filter(is_testable, kit.searcher.defining(name)), TARGETS_MAX):
        try:
            yield kit.files.read(path), Named(path=path)
        except WorkspaceError:
            continue
        return


def _found(kit: Kit, task: Task) -> Iterator[tuple[TextFile, Named]]:
    for span in kit.searcher.search(task.words, FOUND_SPANS, kit.files):
        if not is_testable(span.path):
            continue
        try:
            yield kit.files.read(span.path), Named(path=span.path)
        except WorkspaceError:
            continue
        return


def specified(file: TextFile, within: Named) -> list[tuple[int, int]]:
    """The ranges of lines of `within` that say what the code is for: from 1, inclusive."""
    last = min(within.end or len(file.lines), len(file.lines))
    bodies = _bodies(file)
    numbers = [number for number in range(within.start, last + 1) if number not in bodies]
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return [
        (start, end) for start, end in ranges if any(line.strip() for line in file.lines[start - 1 : end])
    ]


def is_documented(file: TextFile, within: Named) -> bool:
    """Whether a function or class among the lines of `within` has a docstring; true of what is no Python."""
    tree = _tree(file)
    if tree is None:
        return True
    last = within.end or len(file.lines)
    defined = [
        node
        for node in ast.walk(tree)
        if isinstance(node, _DEFINES) and node.lineno <= last and (node.end_lineno or last) >= within.start
    ]
    return any(ast.get_docstring(node) for node in defined)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINES = (*_FUNCTIONS, ast.ClassDef)


def _tree(file: TextFile) -> ast.Module | None:
    if not file.path.endswith(".py"):
        return None
    try:
        return ast.parse(file.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _bodies(file: TextFile) -> set[int]:
    """The lines of the bodies of all functions, their docstrings left out of them; none where it is no Python."""
    tree = _tree(file)
    lines: set[int] = set()
    for node in ast.walk(tree) if tree else ():
        if not isinstance(node, _FUNCTIONS):
            continue
        rest = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        # The line of the signature stays, also where the whole function stands on it.
        first = (
            max(node.body[0].lineno, node.lineno + 1)
            if rest is node.body
            else (node.body[0].end_lineno or 0) + 1
        )
        if rest:
            lines.update(range(first, (node.end_lineno or 0) + 1))
    return lines
