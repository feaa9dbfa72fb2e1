"""Other MCP servers that search code, and how each is asked: its own tool, in the forms that an agent would try.

They are installed from their registries into the cache folder, each at the version below. Nothing here measures; what
the forms find is judged in `answers`, how long they take in the package itself.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.front_end import FrontEnd
from bench.index.daemon import Indexed
from bench.index.model import semble_model
from bench.index.peers import NoPeers
from bench.peers import Peer, environment, is_installed
from naestro.config import cache
from naestro.index.text.prepare import QUESTION_WORDS, STOP_WORDS

SERVER = (str(Path(sys.executable).with_name("naestro")), "mcp")
"""Ours."""
PARAMS = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
RESULTS = 10
LINES_MAX = 5_000
"""Of one answer: all of them, so that files can be counted."""
CHARS_MAX = 10_000_000
WORD_CHARS_MIN = 4
FEW = 3


class Server(FrontEnd):
    """A server on pipes."""

    def greet(self) -> float:
        """The handshake; the seconds from the process's start to the answer."""
        self.ask("initialize", **PARAMS)
        took_s = time.perf_counter() - self.started
        self.notify("notifications/initialized")
        return took_s

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """A tool's result. Raises `RuntimeError` where it is an error."""
        result = self.ask("tools/call", name=name, arguments=arguments)
        if result.get("isError"):
            raise RuntimeError(f"{name}: {str(result['content'])[:300]}")
        return result


@dataclass(frozen=True, slots=True)
class Form:
    """One way to ask a server's tool a question, and to read the files of its answer."""

    name: str
    tool: str
    arguments: Callable[[str, Path], dict[str, Any]]
    """Of a question and the work tree."""
    files: Callable[[dict[str, Any], Path], Iterable[str]]
    """The paths of its result, relative to the work tree, in the order in which they stand; one for each match."""
    is_unranked: bool = False
    """Whether it gives matches in no order of their worth, so that a reader may well begin where most of them are."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another server, and how it is asked to search."""

    peer: Peer
    arguments: Callable[[Path], list[str]]
    """Of its command, for a work tree."""
    forms: tuple[Form, ...]
    """Of its search, of which the best one counts."""
    timed: Callable[[str, Path], dict[str, Any]] | None = None
    """The arguments of its search as it is timed, in its plainest form; None where it does not look into files."""
    is_ranking: bool = False
    """Whether it takes a question as it is and gives the best first, as ours does."""
    prepare: tuple[str, Callable[[Path], dict[str, Any]]] | None = None
    """A call that comes before the first search."""

    def ready(self, server: Server, tree: Path) -> None:
        """Greet, and make the work tree known."""
        server.greet()
        if self.prepare is not None:
            tool, arguments = self.prepare
            server.call(tool, **arguments(tree))


Starts = Mapping[str, tuple[Other, Callable[[], Server]]]
"""By the name of a server: how it is asked, and what starts it."""


def telling(question: str) -> list[str]:
    """The words of a question that tell something, as it writes them, each once."""
    words = re.findall(rf"[A-Za-z_]\w{{{WORD_CHARS_MIN - 1},}}", question)
    told = [word for word in words if word.lower() not in STOP_WORDS | QUESTION_WORDS]
    return list(dict.fromkeys(told or words or question.split()))


def longest(question: str, count: int = FEW) -> list[str]:
    """Its longest telling words: the rarest, as far as anybody can say beforehand."""
    return sorted(telling(question), key=len, reverse=True)[:count]


def any_of(words: Iterable[str]) -> str:
    """A regular expression for lines with one of the words."""
    return "|".join(map(re.escape, words))


def _serena(name: str, words: Callable[[str], list[str]]) -> Form:
    return Form(
        name,
        "search_for_pattern",
        lambda question, _: {
            "substring_pattern": f"(?i){any_of(words(question))}",
            "restrict_search_to_code_files": True,
            "multiline": False,
            "max_answer_chars": CHARS_MAX,
        },
        lambda result, _: (
            path for path, lines in json.loads(result["content"][0]["text"]).items() for _ in lines
        ),
        is_unranked=True,
    )


def _code_index(name: str, words: Callable[[str], list[str]]) -> Form:
    return Form(
        name,
        "search_code_advanced",
        lambda question, _: {
            "pattern": any_of(words(question)),
            "regex": True,
            "case_sensitive": False,
            "file_pattern": "*.py",
            "max_results": LINES_MAX,
        },
        lambda result, _: (one["file"].removeprefix("./") for one in result["structuredContent"]["results"]),
        is_unranked=True,
    )


def _semble(count: int) -> Form:
    return Form(
        f"{count} results",
        "search",
        lambda question, tree: {"query": question, "repo": str(tree), "top_k": count},
        lambda result, _: (one["file_path"] for one in json.loads(result["content"][0]["text"])["results"]),
    )


def _file_names(result: dict[str, Any], tree: Path) -> list[str]:
    lines = [Path(line) for line in result["content"][0]["text"].splitlines()]
    return [str(path.relative_to(tree)) for path in lines if path.is_relative_to(tree) and path.is_file()]


def _by_name(name: str, words: Callable[[str], list[str]]) -> Form:
    return Form(
        name,
        "search_files",
        lambda question, tree: {"path": str(tree), "pattern": f"**/*{_one_of(words(question))}*"},
        _file_names,
    )


def _one_of(words: Sequence[str]) -> str:
    """A glob for a name that holds one of the words."""
    lowered = [word.lower() for word in words]
    return lowered[0] if len(lowered) == 1 else f"{{{','.join(lowered)}}}"


def _one(question: str) -> list[str]:
    return longest(question, 1)


OURS = Form(
    "as it is",
    "search_code",
    lambda question, _: {"query": question},
    lambda result, _: (one["path"] for one in result["structuredContent"]["results"]),
)
OTHERS = (
    Other(
        Peer("semble", "semble[mcp]==0.7.0", ("bin/semble",), is_python=True),
        lambda _: [],
        (_semble(RESULTS), _semble(2 * RESULTS)),
        lambda question, tree: {"query": question, "repo": str(tree)},
        is_ranking=True,
    ),
    Other(
        Peer("serena", "serena-agent==2.1.0", ("bin/serena",), is_python=True),
        # Its default is one tool that runs Python code; this one has a tool for each operation.
        lambda tree: [
            "start-mcp-server",
            "--project",
            str(tree),
            "--agent-interface",
            "tools",
            "--enable-web-dashboard",
            "false",
        ],
        (
            _serena("the longest word", _one),
            _serena("any of the three longest words", longest),
        ),
        lambda question, _: {"substring_pattern": any_of(_one(question))},
    ),
    Other(
        Peer("code-index", "code-index-mcp==2.17.1", ("bin/code-index-mcp",), is_python=True),
        lambda _: [],
        (
            _code_index("the longest word", _one),
            _code_index("any of the three longest words", longest),
            _code_index("any telling word", telling),
        ),
        lambda question, _: {"pattern": _one(question)[0]},
        prepare=("set_project_path", lambda tree: {"path": str(tree)}),
    ),
    Other(
        Peer(
            "server-filesystem",
            "@modelcontextprotocol/server-filesystem@2026.8.31",
            ("node_modules/.bin/mcp-server-filesystem",),
        ),
        lambda tree: [str(tree)],
        (_by_name("any telling word in a file's name", telling),),
    ),
)


def installed() -> list[tuple[Other, Path]]:
    """Those that can be installed here, and where."""
    folders = [(other, cache() / "bench" / "peers" / f"mcp-{other.peer.name}") for other in OTHERS]
    return [(other, folder) for other, folder in folders if is_installed(other.peer, folder)]


def offline() -> dict[str, str]:
    """What keeps semble from the hub: its model lies in a folder, with the same word vectors as ours."""
    try:
        return {"HF_HUB_OFFLINE": "1", "SEMBLE_MODEL_NAME": str(semble_model())}
    except NoPeers as error:
        print(f"semble has no model: {error}", file=sys.stderr)
        return {"HF_HUB_OFFLINE": "1"}


def starts(place: Indexed, found: Sequence[tuple[Other, Path]], settings: Mapping[str, str]) -> Starts:
    """How each of them is started in the work tree, with a home of its own."""
    home = place.stand.home.parent / "others"
    home.mkdir()
    made: dict[str, tuple[Other, Callable[[], Server]]] = {}
    for other, folder in found:
        command = [str(folder / other.peer.start[0]), *other.peer.start[1:], *other.arguments(place.tree)]
        env = environment(home / other.peer.name) | dict(settings)
        made[other.peer.name] = (
            other,
            lambda command=command, env=env: Server(place.tree, command, env),
        )
    return made
