"""A peer at work in a process of its own, run by the Python of the peers: `program.py semble|bm25s FOLDER`.

Queries come on standard input as a JSON list; figures leave on standard output as a JSON object. It knows nothing of
Naestro. `bm25s` indexes the chunks that semble keeps of the same folder, so semble goes first.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

RESULTS = 10


def main() -> None:
    """Build or load, ask all, tell."""
    name, folder, *more = sys.argv[1:]
    queries = json.load(sys.stdin)
    began = time.perf_counter()
    ask = {"semble": semble, "bm25s": bm25s}[name](folder, *more)
    ready_s = time.perf_counter() - began
    print(json.dumps({"ready_s": ready_s, "ms": times_ms(ask, queries), "resident_mb": resident_mb()}))


def semble(folder: str) -> Callable[[str], object]:
    """The index that semble keeps of the folder, loaded as its command loads it."""
    from semble.index import SembleIndex  # pyright: ignore[reportMissingImports] - in the peers' environment

    index = SembleIndex.from_path(folder)
    return lambda query: index.search(query, top_k=RESULTS)


def bm25s(folder: str, kept: str) -> Callable[[str], object]:
    """An index of semble's chunks by the library's own tokenizer, kept in the folder `kept`."""
    import bm25s  # pyright: ignore[reportMissingImports] - in the peers' environment
    from semble.cache import find_index_from_cache_folder  # pyright: ignore[reportMissingImports]
    from semble.index.types import PersistencePath  # pyright: ignore[reportMissingImports]

    chunks = PersistencePath.from_path(find_index_from_cache_folder(folder)).chunks
    texts = [chunk["content"] for chunk in json.loads(Path(chunks).read_bytes())]
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    index.save(kept)

    def ask(query: str) -> list[str]:
        tokens = bm25s.tokenize(query, stopwords="en", show_progress=False)
        found, _ = index.retrieve(tokens, k=RESULTS, show_progress=False)
        return [texts[number] for number in found[0]]

    return ask


def times_ms(ask: Callable[[str], object], queries: Sequence[str]) -> list[float]:
    """Milliseconds of each query."""
    times: list[float] = []
    for query in queries:
        began = time.perf_counter()
        ask(query)
        times.append((time.perf_counter() - began) * 1000)
    return times


def resident_mb() -> float:
    """This process's resident size now, as Linux tells it, else its largest ever."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024 / 1e6
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
