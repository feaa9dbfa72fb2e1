"""How well the search finds what it is asked for, on questions that other people wrote.

`measure` is a sample that ends in minutes; `python -m bench.retrieval` asks all of it. The repositories of the sample
belong to the half on which no weight was chosen. Commits are asked only where NAESTRO_BENCH_HISTORIES names a folder
with clones, since their messages are the questions; without it those rows say that they were not run.
"""

from bench.row import Row


def measure() -> list[Row]:
    """Rows of the sample: each figure of the shipped search, and its gain over semble and over plain BM25."""
    from bench.retrieval.sample import rows

    return rows()
