"""Naestro: a council of language models that answers from your code and from executed evidence.

This is the package's root. It stands above nothing and below everything, so importing it costs next to
nothing: it holds the version (a literal, which the build reads without running it) and refuses to know any
other module.
"""

__version__ = "0.1.0"
