"""The weights of the search, each with its reason; `bench.retrieval` measures what each of them brings.

They were chosen on one half of the repositories of that benchmark and reported on the other half.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each sign counts. A chunk's score by words is 1 for the best one; the rest is added or multiplied."""

    saturation: float = 1.2
    """BM25's k1: how fast a repeated term stops counting."""
    length: float = 0.75
    """BM25's b: how much a long chunk has to say more, from 0 to 1."""
    vector: float = 0.3
    """Added for the best match of the vectors: a weak embedder may break ties, not lead."""
    file: float = 0.3
    """Added for the file whose chunks say most: chunks of one file support one another."""
    coverage: float = 0.5
    """Power of the share of the question's weight that the chunk holds: all words once before one word often."""
    definition: float = 0.6
    """Added where the question writes a name as code and the chunk defines it."""
    named: float = 2.0
    """Added where the question names the file, or the line in it."""
    tests: float = 0.5
    """Factor for tests, unless the question asks for them: they repeat the words of what they test."""
    documents: float = 0.7
    """Factor for prose, unless asked for."""
    examples: float = 0.6
    """Factor for examples, benchmarks and the like."""
    foreign: float = 0.4
    """Factor for vendored and generated files."""
    data: float = 0.5
    """Factor for data and settings files."""
    repeated: float = 0.9
    """Factor for each further chunk of a file that stands higher in the list already."""


WEIGHTS = Weights()
