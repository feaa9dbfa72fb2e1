"""Files and folders as a user without privileges sees them, since root ignores modes.

Only the effective user of this process changes, so the code under test runs here, measured as always. Import what
the block needs before it: the interpreter's own folder may not be readable inside.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65_534


@contextmanager
def unprivileged() -> Iterator[Path]:
    """Run the block as a user without privileges; gives a fresh folder that belongs to that user."""
    is_root = os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="naestro-unprivileged-"))
    try:
        if is_root:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir():
                path.chmod(0o700)
        shutil.rmtree(folder)


@contextmanager
def privileged() -> Iterator[None]:
    """Run the block inside `unprivileged` as the user who runs the tests."""
    user, real = os.geteuid(), os.getuid()
    os.seteuid(real)
    try:
        yield
    finally:
        os.seteuid(user)
