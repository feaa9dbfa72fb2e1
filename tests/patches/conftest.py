"""A workspace and files that models might be asked to change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from naestro.policy.workspace import Workspace

Write = Callable[[str, str | bytes], None]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.find(tmp_path)


@pytest.fixture
def write(workspace: Workspace) -> Write:
    """Put a file into the workspace."""

    def put(path: str, content: str | bytes) -> None:
        target = workspace.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())

    return put
