"""`python -m bench.retrieval [--half choose|report] [--limit N] [--kept FILE]`: ask, and print the tables.

`--kept FILE` keeps the scores of every case as they come, and goes on from there when it is run again.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from bench.retrieval.running import KINDS, Asked, histories, of_half, run
from bench.retrieval.tables import table


def main() -> int:
    """Run, print; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.retrieval", description=__doc__)
    parser.add_argument("--half", choices=("choose", "report"), default="report")
    parser.add_argument("--limit", type=int, help="cases of each source and set, at most")
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--ablated", type=int, default=20, help="cases of each that parts are left out for")
    parser.add_argument("--no-sentences", action="store_true", help="without MiniLM, which takes long")
    parser.add_argument("--fresh", choices=("only", "not"), help="only sources that were added last, or none")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--kinds", default=KINDS, help="the sets, with spaces")
    parser.add_argument("--only", default="", help="names of sources, with commas")
    chosen = parser.parse_args()
    found = read(chosen.kept)
    done = {one.source for one in found}
    only = set(filter(None, chosen.only.split(",")))
    left = [one for one in of_half(chosen.half) if one.name not in done and (not only or one.name in only)]
    left = [one for one in left if not chosen.fresh or one.is_fresh == (chosen.fresh == "only")]
    if not histories():
        print("The commits are not run: NAESTRO_BENCH_HISTORIES names no folder with clones.")
    for source in left:
        fresh = list(
            run(
                [source],
                limit=chosen.limit,
                ablated=chosen.ablated,
                kinds=chosen.kinds,
                with_peers=not chosen.no_peers,
                with_sentences=not chosen.no_sentences,
            )
        )
        found += fresh
        if chosen.kept:
            with chosen.kept.open("a") as file:
                file.writelines(f"{json.dumps(asdict(one))}\n" for one in fresh)
    print(table(found))
    return 0


def read(kept: Path | None) -> list[Asked]:
    """What an earlier run kept."""
    lines = kept.read_text().splitlines() if kept and kept.exists() else []
    return [Asked(**json.loads(line)) for line in lines]


if __name__ == "__main__":
    raise SystemExit(main())
