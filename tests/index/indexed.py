"""What tests of questions share: a workspace of a few files, and its index."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from naestro.config import IndexSettings, Settings
from naestro.index.files.manifest_names import FileNames
from naestro.index.parsing.parse import parse_file
from naestro.index.workspace_index import WorkspaceIndex
from naestro.policy.workspace import Workspace

Files = Mapping[str, str]


def write(workspace: Workspace, files: Files) -> None:
    """Put `files` into the workspace."""
    for path, text in files.items():
        target = workspace.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def workspace_of(folder: Path, files: Files) -> Workspace:
    """A workspace with `files` below `folder`."""
    (folder / "tree").mkdir()
    workspace = Workspace(folder / "tree")
    write(workspace, files)
    return workspace


@contextmanager
def index_of(
    workspace: Workspace, *, embedder: str = "none", is_run: bool = True
) -> Iterator[WorkspaceIndex]:
    """The index of `workspace`, beside it, after a run over it unless not `is_run`."""
    settings = Settings(index=IndexSettings(embedder=embedder))
    with WorkspaceIndex(workspace, settings, workspace.root.with_name("index")) as index:
        if is_run:
            assert index.refresh().phase == "done"
        yield index


def paths(index: WorkspaceIndex, question: str) -> list[str]:
    """The files that a search finds, the best first."""
    return [found.path for found in index.search(question).results]


def names_of(files: Files) -> list[FileNames]:
    """The names in `files` as a manifest would give them."""
    parsed = [parse_file(path, text) for path, text in sorted(files.items())]
    return [FileNames(one.path, one.language, one.definitions, one.references, one.imports) for one in parsed]
