"""Places in the workspace as a person types them, from where they stand, turned into what the council reads."""

import os
from pathlib import Path

from naestro.policy.workspace import Workspace


def from_root(folder: Path, names: list[str]) -> list[str]:
    """`names` of files, each with or without `:line-line`, as seen from the root of the workspace around `folder`.

    What is no file below the root is left as it is: words, a name, or a mistake that the council will tell.
    """
    root = Workspace.find(folder).root
    return [_from_root(root, folder, name) for name in names]


def _from_root(root: Path, folder: Path, name: str) -> str:
    path, colon, lines = name.partition(":")
    try:
        place = Path(os.path.normpath(Path(os.path.realpath(folder)) / path))
        is_file = place.is_file()
    except (OSError, ValueError):
        return name
    if not is_file or not place.is_relative_to(root):
        return name
    # A link keeps its own name, which the rules of the workspace are to see.
    return place.relative_to(root).as_posix() + colon + lines
