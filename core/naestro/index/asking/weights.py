"""The weights of the search, each with its reason and with what the search loses without it.

They were chosen on one half of the repositories of `bench.retrieval` and are reported on the other half. The figures
are of the half that chose, as `python -m bench.retrieval.ingredients --half choose` takes them: 547 commits of nine
repositories and 280 docstrings of four, mean of recall, reciprocal rank and NDCG on files and spans, lost where the
ingredient is left out; `both` is the mean of the two; a star where the bootstrap interval holds no 0. Those of
`vector`, `file`, `tests`, `documents` and `repeated` are of 461 of these commits and 100 of the docstrings.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each sign counts. A chunk's score by words is 1 for the best one; the rest is added or multiplied."""

    saturation: float = 2.0
    """BM25's k1, how slowly a repeated term stops counting: code repeats what it is about. With 1.2, what LanceDB has:
    commits -0.002, docstrings 0.013 *, both 0.006 *."""
    length: float = 0.75
    """BM25's b: how much more a long chunk has to say, from 0 to 1. Commits 0.005, docstrings 0.013 *,
    both 0.009 *."""
    names: float = 0.25
    """Of a term's rarity, added where a name that the chunk defines holds it: a definition before its uses.
    Commits 0.001, docstrings 0.009 *, both 0.005 *."""
    path: float = 0.75
    """Likewise for the path: people speak of files by what they are called. Commits 0.005 *, docstrings 0.004,
    both 0.004 *."""
    vector: float = 0.6
    """Added for the best match of the vectors, less than full text has: it knows the exact names.
    Commits 0.009, docstrings 0.063 *, both 0.036 *."""
    file: float = 1.3
    """Added for the file whose chunks say most: chunks of one file support one another.
    Commits 0.008 *, docstrings 0.009, both 0.009 *."""
    file_fading: float = 0.3
    """Factor for each further chunk of a file in its sum, so that a long file does not win by its length. With 1:
    commits -0.002, docstrings 0.020 *, both 0.010 *; with the best chunk alone: 0.006 *, 0.006, both 0.006 *."""
    definition: float = 2.0
    """Added where the question is a name and the chunk says it, and again where it defines it: nothing else can be
    meant, and what lies in a test alone would come behind what is merely close in meaning. 350 names as questions
    have a reciprocal rank of 0.987 with it, 0.966 without (lost 0.010 to 0.035)."""
    named: float = 2.0
    """Added where the question names the file: asked for by its name, it comes first. The 350 names,
    half of them with their file, lose 0.005 (0.001 to 0.010) without it, commits 0.001 *."""
    tests: float = 0.3
    """Factor for tests, unless the question asks for them: they repeat the words of what they test.
    Commits 0.073 *, docstrings 0.087 *."""
    documents: float = 0.4
    """Factor for prose, unless asked for: it says the words of the question more plainly than the code does.
    Commits 0.057 *, docstrings 0.033 *."""
    examples: float = 0.6
    """Factor for examples, benchmarks and the like. Commits 0.001 *, docstrings 0.002 *."""
    foreign: float = 0.3
    """Factor for vendored and generated files and message catalogues: nobody edits them.
    Commits 0.008 *, docstrings 0.005 *."""
    data: float = 0.3
    """Factor for data, settings and markup. Commits 0.006 *, docstrings 0.003 *."""
    repeated: float = 0.7
    """Factor for each further chunk of a file that stands higher in the list already: ten places, not one file.
    Without it a tenth of the right files of commits is lost (0.117 *), and 0.072 of the spans are won; in the mean of
    all six commits lose 0.022 *, docstrings 0.007."""


WEIGHTS = Weights()
