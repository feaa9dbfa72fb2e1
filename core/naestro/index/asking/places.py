"""What kind of place a file is, by its path alone: the code itself, or what only repeats the words of the code.

`rank` sets tests, documents, examples and foreign files back with it, unless the question asks for them; `lookup` and
`graph` put the code itself first.
"""

import re
from functools import lru_cache
from typing import Literal, TypeAlias

Place: TypeAlias = Literal["", "tests", "documents", "examples", "foreign", "data"]

_FOLDERS: dict[str, Place] = {
    **dict.fromkeys(
        ("vendor", "vendored", "_vendor", "third_party", "thirdparty", "extern", "external"), "foreign"
    ),
    **dict.fromkeys(
        ("node_modules", "generated", "dist", "build", "_build", "migrations", "locale"), "foreign"
    ),
    **dict.fromkeys(("test", "tests", "testing", "__tests__", "spec", "specs", "e2e", "fixtures"), "tests"),
    **dict.fromkeys(("testdata", "test_data", "__mocks__", "mocks", "__snapshots__", "snapshots"), "tests"),
    **dict.fromkeys(
        ("example", "examples", "_examples", "demo", "demos", "samples", "tutorials"), "examples"
    ),
    **dict.fromkeys(("bench", "benches", "benchmark", "benchmarks", "galleries", "playground"), "examples"),
    **dict.fromkeys(
        ("doc", "docs", "docs_src", "doc_src", "website", "changelog", "changelogs", "man"), "documents"
    ),
}
_TEST_FILE = re.compile(
    r"^(?:tests?|conftest|test[_-].*|.*[_.-](?:tests?|spec)|.*[a-z0-9](?:Tests?|TestCase|Spec|Suite|IT))\.\w+$"
)
_FOREIGN_FILE = re.compile(
    r"^.*(?:[._](?:min|generated|pb|pb2|pb2_grpc|bundle)\.\w+|-lock\.\w+|\.lock|\.d\.[cm]?ts)$"
)
_DOCUMENT_FILE = re.compile(
    r"^(?:READ_?ME|CHANGE(?:S|LOG)|HISTORY|NEWS|AUTHORS|CONTRIBUTORS|CONTRIBUTING|LICEN[CS]E|COPYING|NOTICE|"
    r"TODO|PKG-INFO|METADATA)(?:[-_][\w-]+)?$",
    re.IGNORECASE,
)
"""Prose that goes without an ending."""
_DOCUMENT_ENDINGS = (".md", ".mdx", ".rst", ".txt", ".adoc", ".po", ".tex", ".org")
_DATA_ENDINGS = (
    *(".json", ".jsonl", ".svg", ".csv", ".tsv", ".xml", ".toml", ".cfg", ".ini", ".yml", ".yaml", ".html"),
    *(".css", ".scss", ".ipynb", ".snap", ".lock"),
)


@lru_cache(maxsize=65_536)
def place_of(path: str) -> Place:
    """The kind of place that `path` is, relative to the workspace's root."""
    *folders, name = path.split("/")
    found = {_FOLDERS.get(folder.lower(), "") for folder in folders}
    if "foreign" in found or _FOREIGN_FILE.match(name):
        return "foreign"
    if "tests" in found or _TEST_FILE.match(name):
        return "tests"
    if "examples" in found:
        return "examples"
    if "documents" in found or name.endswith(_DOCUMENT_ENDINGS) or _DOCUMENT_FILE.match(name):
        return "documents"
    return "data" if name.endswith(_DATA_ENDINGS) else ""
