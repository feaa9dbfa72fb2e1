"""The weights of the search, each with its reason; `bench.retrieval` measures what each of them brings.

They were chosen on one half of the repositories of that benchmark and are reported on the other half.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each sign counts. A chunk's score by words is 1 for the best one; the rest is added or multiplied."""

    saturation: float = 2.0
    """BM25's k1, how slowly a repeated term stops counting: code repeats what it is about."""
    length: float = 0.75
    """BM25's b: how much more a long chunk has to say, from 0 to 1."""
    names: float = 0.5
    """Of a term's rarity, added where a name that the chunk defines holds it: a definition before its uses."""
    path: float = 0.75
    """Likewise for the path: people speak of files by what they are called."""
    vector: float = 0.6
    """Added for the best match of the vectors, less than full text has: it knows the exact names."""
    file: float = 1.3
    """Added for the file whose chunks say most: chunks of one file support one another."""
    file_fading: float = 0.3
    """Factor for each further chunk of a file in its sum, so that a long file does not win by its length."""
    definition: float = 2.0
    """Added where the question is a name and the chunk defines it: nothing else can be meant."""
    named: float = 2.0
    """Added where the question names the file."""
    tests: float = 0.3
    """Factor for tests, unless the question asks for them: they repeat the words of what they test."""
    documents: float = 0.4
    """Factor for prose, unless asked for: it says the words of the question more plainly than the code does."""
    examples: float = 0.6
    """Factor for examples, benchmarks and the like."""
    foreign: float = 0.3
    """Factor for vendored and generated files and message catalogues: nobody edits them."""
    data: float = 0.3
    """Factor for data, settings and markup."""
    repeated: float = 0.75
    """Factor for each further chunk of a file that stands higher in the list already: ten places, not one file."""


WEIGHTS = Weights()
