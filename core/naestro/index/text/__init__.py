"""Words, as searches compare them: the same for what is indexed and for what is asked.

Start at `prepare`, which makes the terms of a chunk and of a question for full text, of `words` and their `stems`;
`statistics` says how rare a term is. `terms` is what a task asks for in a literal search, without an index.
"""
