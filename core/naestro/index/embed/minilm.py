"""All-MiniLM-L6-v2, quantised to 8 bits: slower and better than word vectors, and the one that orders results anew.

`choose` makes it; `sentences` below runs it. Its two files come like every model, when a person asks for them:
`naestro models pull all-minilm-l6-v2`. Nothing is fetched here.
"""

from functools import cache

from naestro.engines.fetch import path_of
from naestro.index.embed.sentences import SentenceEmbedder

MODEL = "all-minilm-l6-v2"
TOKENIZER = "all-minilm-l6-v2-tokenizer"
RERANKED = 100
"""Results that are read again: about a second and a half on one core."""


@cache
def minilm() -> SentenceEmbedder:
    """The model, loaded once a process; raises `ModelMissing`, with what to do, where it was not fetched."""
    return SentenceEmbedder(path_of(MODEL), path_of(TOKENIZER))
