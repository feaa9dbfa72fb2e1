"""What tests of index runs share."""

from pathlib import Path

import pytest

from naestro.policy.workspace import Workspace
from tests.index.indexed import workspace_of


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(
        tmp_path, {"a.py": "def alpha():\n    return 1\n", "b.py": "def beta():\n    return alpha()\n"}
    )
