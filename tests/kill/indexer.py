"""An indexer to be killed: it says when a run has gone so far, and then goes on until it is."""

import sys
from pathlib import Path

from naestro.config import IndexSettings, Settings
from naestro.index import workspace_index
from naestro.index.indexing import run
from naestro.index.workspace_index import WorkspaceIndex
from naestro.policy.workspace import Workspace


def settings() -> Settings:
    return Settings(index=IndexSettings(embedder="none"))


def main(root: Path, moment: str) -> None:
    run.ROWS_AT_ONCE = 20
    # Here, where each moment can be told; `test_large_runs` kills the process that does them by itself.
    workspace_index.is_large = lambda *_: False
    with WorkspaceIndex(Workspace(root), settings(), root.with_name("index")) as index:
        store, manifest = index.store, index.manifest
        replace, commit, begin = store.replace, manifest.commit, manifest.begin

        def said(word: str) -> None:
            if word == moment:
                sys.stdout.write(f"{word}\n")
                sys.stdout.flush()
                sys.stdin.read()

        def begun(*arguments: object, **named: object) -> None:
            begin(*arguments, **named)  # type: ignore[arg-type] - handed on as they came
            said("begun")

        def replaced(*arguments: object, **named: object) -> None:
            replace(*arguments, **named)  # type: ignore[arg-type] - handed on as they came
            said("replaced")

        def committed(*arguments: object, **named: object) -> None:
            commit(*arguments, **named)  # type: ignore[arg-type] - handed on as they came
            said("committed")

        store.replace, manifest.commit, manifest.begin = replaced, committed, begun
        index.refresh(progress=lambda progress: said(progress.phase))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
