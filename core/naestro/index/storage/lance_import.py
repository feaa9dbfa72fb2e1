"""LanceDB loaded without the HTTP client that it brings for catalogues on other machines.

`lance` alone calls `load`. Of the 500 modules that `import lancedb` loads, 200 are that client: 0.9 of 1.2 s and 19 MB
(measured, version 0.40), and a way to the network that an index on this machine has no use for. While LanceDB loads,
empty classes stand in for the client's. Where a LanceDB does not load so, it is loaded whole.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

CLIENT: Final = "lance_namespace_urllib3_client"
_NATIVE: Final = "lancedb._lancedb"


def load() -> None:
    """Load LanceDB, if it is not loaded yet; raises ImportError where it is not installed."""
    if "lancedb" in sys.modules:
        return
    finder = _StandIns()
    sys.meta_path.insert(0, finder)
    try:
        import_module("lancedb")
    except Exception:  # noqa: BLE001  Whatever a later LanceDB wants of the client: with the real one it must load.
        forget()
        sys.meta_path.remove(finder)
        import_module("lancedb")
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


def forget() -> None:
    """Take LanceDB and the client off Python's list, to be loaded anew; native code can be loaded but once."""
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("lancedb", "lance_namespace", CLIENT) and name != _NATIVE:
            del sys.modules[name]


class _StandIn(ModuleType):
    """A module in which every name is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {})
        setattr(self, name, made)
        return made


class _StandIns(MetaPathFinder, Loader):
    """Finds a stand-in for each module of the client."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """For the client's modules alone."""
        is_client = fullname.partition(".")[0] == CLIENT
        return ModuleSpec(fullname, self, is_package=True) if is_client else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty one."""
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to do."""
