"""LanceDB is loaded lightly, and whole where it does not load so; a forked child has an event loop of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from naestro.errors import IndexDamaged
from naestro.index.storage import lance, lance_import

LOADS = """
import sys
sys.path.insert(0, sys.argv[1])
from naestro.index.storage import lance_import
before = len(sys.meta_path)
lance_import.load()
lance_import.load()
import lancedb
print(lancedb.NAME, lancedb.SIZE, len(sys.meta_path) - before)
"""


def loaded(folder: Path, lancedb: str, client: str) -> str:
    """What a process says that loads a LanceDB with that source, and that client beside."""
    for name, source in (("lancedb", lancedb), (lance_import.CLIENT, client), ("other", "")):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(source)
    (folder / lance_import.CLIENT / "models.py").write_text("SIZES = {'a': 1}\n")
    command = [sys.executable, "-c", LOADS, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_lancedb_that_only_names_the_clients_classes_loads_without_it(tmp_path: Path) -> None:
    source = (
        f"from {lance_import.CLIENT}.models.some_thing import SomeThing\n"
        f"from {lance_import.CLIENT}.models import SIZES\n"
        "import other\n"
        "NAME, SIZE = SomeThing.__name__, SIZES.__name__\n"
    )
    assert loaded(tmp_path, source, "raise ImportError('the client was loaded')") == "SomeThing SIZES 0"


def test_a_lancedb_that_wants_more_of_the_client_is_loaded_whole(tmp_path: Path) -> None:
    source = f"from {lance_import.CLIENT}.models import SIZES\nNAME, SIZE = 'whole', SIZES['a']\n"
    assert loaded(tmp_path, source, "") == "whole 1 0"


def test_what_was_loaded_of_lancedb_is_forgotten_but_its_native_code() -> None:
    before = dict(sys.modules)
    try:
        lance._session()
        lance_import.forget()
        left = [name for name in sys.modules if name.partition(".")[0] in ("lancedb", lance_import.CLIENT)]
        assert left == ["lancedb._lancedb"]
    finally:
        sys.modules.update(before)


FORKS = """
import os, sys, warnings
import anyio
from naestro.index.storage import lance
assert lance.call(anyio.sleep, 0) is None
child = os.fork()
if not child:
    lance.call(anyio.sleep, 0)
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_does_not_wait_for_its_parents_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "7\n", done.stderr


def test_memory_is_given_back_without_harm() -> None:
    held = [bytes(1_000) for _ in range(10_000)]
    lance.give_back_memory()
    lance._tell_heap("no_such_function", 0)
    assert len(held[0]) == 1_000
    assert lance._portal_of(os.getpid()) is lance._portal_of(os.getpid())


def test_a_panic_of_lancedb_does_not_end_its_event_loop() -> None:
    class PanicException(BaseException):
        """As Rust's panics come to Python."""

    async def panic() -> None:
        raise PanicException("Table chunks is closed")

    async def answer() -> int:
        return 1

    with pytest.raises(IndexDamaged, match="Table chunks is closed"), lance.faults("Searching the index"):
        lance.call(panic)
    assert lance.call(answer) == 1
